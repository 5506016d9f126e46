"""Following, listing and dismissing jobs: what an API client sees."""

import uuid
from pathlib import Path

import psutil
import pytest

from tests.support.client import Client
from tests.support.prefect_client import PrefectClient
from tests.support.programs import eventually
from tests.support.stack import Stack


def test_progress_can_be_followed_and_never_goes_down(client: Client) -> None:
    job_id = client.submit("slow", {"steps": 40, "seconds": 0.1})
    seen: list[tuple[int, str]] = []

    def look() -> bool:
        job = client.job(job_id)
        seen.append((job["progress"], job["message"]))
        return bool(job["status"] == "successful")

    eventually(look, "the job is through")
    percents = [percent for percent, _ in seen]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert any(0 < percent < 100 for percent in percents)
    assert any(message.startswith("step ") for _, message in seen)


def test_people_find_a_job_in_prefect_and_from_there_its_page(
    shared_stack: Stack, client: Client, tmp_path: Path
) -> None:
    job_id = client.submit("waiting", {"file": str(tmp_path / "go")})
    page = f"{client.url}/jobs/{job_id}"
    client.wait_for(job_id, "running")
    with PrefectClient(shared_stack.prefect_url, ":".join(shared_stack.prefect_auth)) as prefect:
        run = prefect.http.get(f"/flow_runs/{job_id}").json()
        assert run["name"] == f"waiting {job_id[:8]}"
        assert page in run["state"]["message"].split()
        (tmp_path / "go").touch()
        client.wait_for(job_id)
        assert page in prefect.state(job_id)["message"].split()


def test_times_are_in_order(client: Client) -> None:
    job_id = client.submit("echo", {})
    job = client.wait_for(job_id)
    assert job["created"] <= job["started"] <= job["finished"] <= job["updated"]


def test_a_running_job_has_no_results_yet(client: Client, tmp_path: Path) -> None:
    job_id = client.submit("waiting", {"file": str(tmp_path / "go")})
    client.wait_for(job_id, "running")
    answer = client.results(job_id)
    assert (answer.status_code, answer.json()["code"]) == (404, "ResultNotReady")
    (tmp_path / "go").touch()
    assert client.wait_for(job_id)["status"] == "successful"


def test_the_list_is_newest_first_and_can_be_paged(client: Client) -> None:
    made = [client.submit("echo", {"n": n}) for n in range(7)]
    for job_id in made:
        client.wait_for(job_id)
    first = client.jobs(limit=3)
    second = client.jobs(limit=3, offset=3)
    listed = [job["jobID"] for job in first["jobs"] + second["jobs"]]
    assert sorted(listed) == sorted(made[1:])
    assert [job["jobID"] for job in client.jobs(limit=500)["jobs"]].count(made[0]) == 1
    assert any(link["rel"] == "next" for link in first["links"])
    total = len(client.jobs(limit=500)["jobs"])
    assert not any(link["rel"] == "next" for link in client.jobs(offset=total - 1)["links"])


def test_the_list_holds_jobs_in_every_state(client: Client, tmp_path: Path) -> None:
    running = client.submit("waiting", {"file": str(tmp_path / "go")})
    client.wait_for(running, "running")
    failed = client.submit("failing", {"how": "bug"})
    successful = client.submit("echo")
    client.wait_for(failed)
    client.wait_for(successful)
    status = {job["jobID"]: job["status"] for job in client.jobs(limit=500)["jobs"]}
    assert status[running] == "running"
    assert status[failed] == "failed"
    assert status[successful] == "successful"
    client.delete(running)
    dismissed = client.wait_for(running, "dismissed")
    assert dismissed["jobID"] == running
    (tmp_path / "go").touch()


@pytest.mark.parametrize(
    "job_id", [pytest.param(str(uuid.uuid4()), id="unknown"), "no-uuid", "%2e%2e", "1" * 300]
)
def test_a_job_that_does_not_exist_is_not_found(client: Client, job_id: str) -> None:
    assert client.http.get(f"/jobs/{job_id}", params={"f": "json"}).status_code == 404
    assert client.results(job_id).status_code == 404
    assert client.delete(job_id).status_code == 404


def test_a_process_that_does_not_exist_is_not_found(client: Client) -> None:
    answer = client.execute("no-such-process")
    assert (answer.status_code, answer.json()["code"]) == (404, "NoSuchProcess")


def test_deleting_a_finished_job_removes_it_and_its_results(
    client: Client, shared_stack: Stack
) -> None:
    job_id = client.submit("kinds", {"kind": "png"})
    client.wait_for(job_id, "successful")
    folder = shared_stack.folder / "results" / job_id
    assert list(folder.iterdir())
    answer = client.delete(job_id)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["status"] == "dismissed"
    assert not folder.exists()
    assert client.http.get(f"/jobs/{job_id}", params={"f": "json"}).status_code == 404
    assert client.delete(job_id).status_code == 404


def test_dismissing_a_running_job_stops_its_process(client: Client, tmp_path: Path) -> None:
    started = tmp_path / "started"
    job_id = client.submit("waiting", {"file": str(tmp_path / "never"), "started": str(started)})
    pid = int(eventually(lambda: started.exists() and started.read_text(), "the job runs"))
    assert client.delete(job_id).status_code == 200
    job = client.wait_for(job_id, "dismissed")
    assert job["status"] == "dismissed"
    eventually(lambda: not psutil.pid_exists(pid), "the process is gone", 20)
    eventually(lambda: client.job(job_id).get("finished"), "the dismissal is through", 20)
    answer = client.results(job_id)
    assert (answer.status_code, answer.json()["code"]) == (404, "JobDismissed")


def test_a_job_that_looks_whether_it_was_dismissed_may_stop_by_itself(
    client: Client, tmp_path: Path
) -> None:
    started, finished = tmp_path / "started", tmp_path / "finished"
    inputs = {"steps": 600, "started": str(started), "finished": str(finished)}
    job_id = client.submit("slow", inputs)
    eventually(started.exists, "the job runs")
    client.delete(job_id)
    eventually(lambda: client.job(job_id).get("finished"), "the dismissal is through", 20)
    assert client.job(job_id)["status"] == "dismissed"
    assert not finished.exists()


def test_a_job_accepted_but_not_started_never_runs_once_dismissed(
    client: Client, tmp_path: Path
) -> None:
    busy = [client.submit("waiting", {"file": str(tmp_path / "go")}) for _ in range(4)]
    for job_id in busy:
        client.wait_for(job_id, "running")
    started = tmp_path / "started"
    job_id = client.submit("slow", {"started": str(started)})
    assert client.job(job_id)["status"] == "accepted"
    assert client.delete(job_id).status_code == 200
    assert client.job(job_id)["status"] == "dismissed"
    (tmp_path / "go").touch()
    for each in busy:
        client.wait_for(each, "successful")
    # Whatever is submitted later has run before the dismissed one could.
    client.wait_for(client.submit("echo"), "successful")
    assert not started.exists()
