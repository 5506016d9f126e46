"""A client that nobody here wrote: OWSLib."""

from owslib.ogcapi.processes import Processes

from tests.support.client import Client


def test_owslib_lists_and_describes_processes(client: Client) -> None:
    processes = Processes(client.url)
    assert "hello-world" in [process["id"] for process in processes.processes()]
    assert processes.process("hello-world")["title"] == "Hello World"


def test_owslib_executes_and_gets_a_results_document(client: Client) -> None:
    results = Processes(client.url).execute("hello-world", inputs={"name": "OWSLib"})
    assert results["echo"]["value"] == {"id": "echo", "value": "Hello OWSLib!"}


def test_owslib_executes_asynchronously(client: Client) -> None:
    answer = Processes(client.url).execute("hello-world", inputs={"name": "later"}, async_=True)
    job_id = answer["jobID"]
    assert client.wait_for(job_id)["status"] == "successful"
    assert client.results(job_id).json()["echo"]["value"]["value"] == "Hello later!"
