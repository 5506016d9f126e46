"""Vanilla processes on a work pool that is not ours: a stock Prefect worker runs them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_outage import AUTH, ExternalPrefect, command, external_stack
from tests.support.client import Client
from tests.support.deployments import make_pool, stock_worker
from tests.support.faults import Marks, Subscriber
from tests.support.programs import BIN, environment, eventually, program
from tests.support.sameness import check_that_results_are_the_same
from tests.support.stack import Stack, up

# A stock worker starts several interpreters for each job.
pytestmark = pytest.mark.pools

POOL = "elsewhere"
SUPPORT = "tests.support.processors"
FAULTS = "tests.support.fault_processors"


def processes(config: Path, cleared: Path) -> dict[str, Any]:
    """Return processes for the pool of a stock worker.

    Args:
        config: the pygeoapi configuration, where jobs find it.
        cleared: see `TidyProcessor`.
    """
    there = {"work_pool": POOL, "job_variables": {"env": {"PYGEOAPI_CONFIG": str(config)}}}
    again = {"retries": 1, "retry_backoff": {"initial": 0.1, "factor": 1}}
    processors: dict[str, tuple[str, dict[str, Any]]] = {
        "kinds-there": (f"{SUPPORT}.KindsProcessor", there),
        "talkative-there": (f"{SUPPORT}.TalkativeProcessor", there),
        "leaving-there": (f"{FAULTS}.LeavingProcessor", there),
        "several-there": (f"{SUPPORT}.SeveralProcessor", there),
        "failing-there": (f"{SUPPORT}.FailingProcessor", there),
        "steps-there": (f"{FAULTS}.StepsProcessor", there),
        "tidy-there": (f"{FAULTS}.TidyProcessor", there),
        "steps-again-there": (f"{FAULTS}.StepsProcessor", there | again),
        "steps-timed-there": (f"{FAULTS}.StepsProcessor", there | again | {"timeout": 1.5}),
        "unconfigured": (f"{SUPPORT}.EchoProcessor", {"work_pool": POOL}),
        "nowhere": (f"{SUPPORT}.EchoProcessor", {"work_pool": "no-such-pool"}),
        "refused": (
            f"{SUPPORT}.EchoProcessor",
            {"work_pool": POOL, "job_variables": {"stream_output": "perhaps"}},
        ),
    }
    return {
        name: {
            "type": "process",
            "processor": {"name": class_name, "prefect": policy, "cleared": str(cleared)},
            "allow_internal_requests": True,
        }
        for name, (class_name, policy) in processors.items()
    }


class Elsewhere:
    """A web server, a Prefect server, a warm worker of ours, and a stock worker on its own pool.

    Attributes:
        stack: the web server.
        client: of it.
        cleared: see `TidyProcessor`.
    """

    def __init__(self, stack: Stack, prefect: ExternalPrefect, cleared: Path) -> None:
        self.stack = stack
        self.client: Client = stack.client
        self.cleared = cleared
        self._folder = stack.folder.parent
        self.api = {
            "PREFECT_API_URL": prefect.url,
            "PREFECT_API_AUTH_STRING": AUTH,
            "PREFECT_HOME": str(self._folder / "home"),
        }

    @contextmanager
    def workers(self) -> Iterator[None]:
        """Run a worker of Prefect's and one of ours."""
        warm = [str(BIN / "pygeoapi-prefect"), "worker", "--workers", "2"]
        config = environment(**self.api, PYGEOAPI_CONFIG=str(self.stack.folder / "config.yml"))
        with (
            stock_worker(self.api, POOL, self._folder / "stock-worker.log"),
            program(warm, self._folder / "warm-worker.log", config),
        ):
            yield

    def logged_by(self, job_id: str, sort: str) -> list[str]:
        """Return what Prefect has of the log of a job."""
        body = {"logs": {"flow_run_id": {"any_": [job_id]}}, "sort": sort}
        url, auth = f"{self.api['PREFECT_API_URL']}/logs/filter", tuple(AUTH.split(":"))
        answer = self.client.http.post(url, json=body, auth=auth)
        return [entry["message"] for entry in answer.json()]

    def written_by(self, job_id: str) -> list[Path]:
        """Return what a job has in result storage."""
        return list((self._folder / "results" / job_id).rglob("*"))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Elsewhere]:
    folder = tmp_path_factory.mktemp("elsewhere")
    cleared = folder / "cleared"
    theirs = processes(folder / "web" / "config.yml", cleared)
    with external_stack(folder, template, processes=theirs, is_quick=True) as (stack, prefect):
        found = Elsewhere(stack, prefect, cleared)
        make_pool(found.api, POOL)
        deployed = command(stack, "deploy")
        # The others are registered all the same.
        assert deployed.returncode == 1
        assert "update" not in deployed.stdout
        assert "create kinds-there on work pool elsewhere\n" in deployed.stdout
        assert "process 'nowhere': Prefect has no work pool 'no-such-pool'" in deployed.stderr
        assert "prefect work-pool create --type docker no-such-pool" in deployed.stderr
        assert "process 'refused': work pool 'elsewhere' refuses its job_var" in deployed.stderr
        assert "stream_output" in deployed.stderr
        with found.workers():
            yield found


@pytest.fixture
def client(elsewhere: Elsewhere) -> Client:
    return elsewhere.client


@pytest.fixture
def marks(tmp_path: Path) -> Iterator[Marks]:
    """Marks of jobs; none of their processes may outlive the test."""
    marks = Marks(tmp_path)
    yield marks
    eventually(lambda: not marks.alive, "no process of a job is left", 30)


def test_results_are_the_same_wherever_a_process_runs(client: Client) -> None:
    inputs = [{"kind": "object"}, {"kind": "png"}, {"kind": "bytes", "size": 3_000_000}]
    check_that_results_are_the_same(client, inputs)


def test_the_log_of_a_job_there_has_what_it_says_in_the_same_bounds(elsewhere: Elsewhere) -> None:
    job_id = elsewhere.client.submit("talkative-there", {"lines": 12_000})
    elsewhere.client.wait_for(job_id, "successful")

    def last() -> list[str]:
        return elsewhere.logged_by(job_id, "TIMESTAMP_DESC")

    eventually(
        lambda: any("lines of this job were left out" in line for line in last()), "the end", 60
    )
    assert {"a printed line", "a logged line"} <= set(last())
    assert "a line below the level of the site" not in last()
    assert "line 0" in elsewhere.logged_by(job_id, "TIMESTAMP_ASC")


def test_a_job_there_waits_for_what_it_started(elsewhere: Elsewhere, marks: Marks) -> None:
    job_id = elsewhere.client.submit("leaving-there", marks.inputs("leaving"))
    elsewhere.client.wait_for(job_id, "successful")
    found = elsewhere.client.http.get(f"/jobs/{job_id}/results", params={"outputs": "late"})
    assert found.content == b"late"


def test_a_job_there_tells_its_progress_and_its_subscriber_hears_of_it(
    client: Client, marks: Marks
) -> None:
    subscriber = Subscriber()
    with subscriber.there():
        job_id = client.submit(
            "steps-there",
            marks.inputs("told", hold=2),
            subscriber=subscriber.subscription("told"),
        )
        marks.wait_until_held("told")

        def look() -> bool:
            document = client.job(job_id)
            return (document["message"], document["progress"]) == ("step 2", 25)

        eventually(look, "it tells its progress", 20)
        marks.let_go()
        assert client.wait_for(job_id)["status"] == "successful"
        eventually(lambda: len(subscriber.paths("told")) == 2, "its subscriber hears of it", 30)
    assert subscriber.paths("told") == ["began", "success"]
    assert subscriber.body("told/success")["result"]["value"] == {"from": 0, "attempt": 1}


def test_a_job_there_that_fails_is_tried_again_from_its_checkpoint(
    client: Client, marks: Marks
) -> None:
    job_id = client.submit("steps-again-there", marks.inputs("again", hold=3, fail=1))
    marks.wait_until_held("again")
    marks.let_go()
    document = client.wait_for(job_id)
    assert document["status"] == "successful", document
    assert client.results(job_id).json() == {"from": 4, "attempt": 2}
    assert marks.runs_of("again") == 2


def test_a_job_there_that_fails_for_the_last_time_has_failed(client: Client, marks: Marks) -> None:
    job_id = client.submit("steps-again-there", marks.inputs("fails", fail=2))
    document = client.wait_for(job_id)
    assert (document["status"], document["message"]) == ("failed", "attempt 2 was to fail")


def test_a_job_there_may_not_take_longer_than_it_may(client: Client, marks: Marks) -> None:
    job_id = client.submit("steps-timed-there", marks.inputs("long", hold=[1, 2]))
    document = client.wait_for(job_id)
    assert document["status"] == "failed"
    assert document["message"] == "The job took longer than the 1.5 s that it may."
    assert marks.runs_of("long") == 2


def test_of_a_job_there_that_is_dismissed_nothing_is_left(
    elsewhere: Elsewhere, client: Client, marks: Marks
) -> None:
    job_id = client.submit("tidy-there", marks.inputs("dismissed", hold=2, output=10))
    marks.wait_until_held("dismissed")
    assert elsewhere.written_by(job_id)
    process = marks.process_of("dismissed")
    assert client.delete(job_id).status_code == 200
    eventually(lambda: client.job(job_id).get("finished"), "it is dismissed")
    document = client.job(job_id)
    assert (document["status"], document["message"]) == ("dismissed", "The job was dismissed.")
    assert not process.is_running()
    assert elsewhere.written_by(job_id) == []
    assert elsewhere.cleared.read_text().split() == [job_id]
    assert "dismissed" in client.results(job_id).json()["description"]


def test_a_job_there_that_is_killed_has_failed_and_says_why(client: Client, marks: Marks) -> None:
    job_id = client.submit("steps-there", marks.inputs("killed", hold=2))
    marks.wait_until_held("killed")
    marks.process_of("killed").kill()
    document = client.wait_for(job_id)
    assert document["status"] == "failed"
    assert document["message"].startswith("The job's process was killed by SIGKILL: by hand, or")


def test_a_job_there_whose_process_ends_without_a_word_has_failed(client: Client) -> None:
    document = client.wait_for(client.submit("failing-there", {"how": "exit"}))
    assert document["status"] == "failed"
    assert "exit code 3; the log of its flow run" in document["message"]


def test_a_job_that_finds_no_configuration_says_how_it_would(elsewhere: Elsewhere) -> None:
    job_id = elsewhere.client.submit("unconfigured")
    document = elsewhere.client.wait_for(job_id)
    assert document["status"] == "failed"
    assert "not configured as it should be" in document["message"]

    def is_told() -> bool:
        told = "\n".join(elsewhere.logged_by(job_id, "TIMESTAMP_ASC"))
        return (
            "put the pygeoapi configuration into the image or mount it" in told
            and "env: {PYGEOAPI_CONFIG: " in told
        )

    eventually(is_told, "the log of the run says how it would", 30)


@pytest.mark.parametrize("process_id", ["nowhere", "refused"])
def test_a_process_that_prefect_does_not_take_says_so_when_executed(
    client: Client, process_id: str
) -> None:
    answer = client.execute(process_id)
    assert answer.status_code == 500
    assert "`pygeoapi-prefect deploy` creates it, or says" in answer.json()["description"]


def test_the_doctor_looks_at_every_pool(elsewhere: Elsewhere) -> None:
    found = command(elsewhere.stack, "doctor").stdout
    assert "ok   worker: 1 online in work pool 'pygeoapi'" in found
    assert "ok   worker: 1 online in work pool 'elsewhere'" in found
    assert "FAIL worker: Prefect has no work pool 'no-such-pool'" in found
    assert "FAIL deployments: missing nowhere, refused" in found


def test_a_pool_that_is_missing_at_the_start_can_be_made_later(
    tmp_path: Path, template: Path
) -> None:
    theirs = processes(tmp_path / "config.yml", tmp_path / "cleared")
    config = {"kinds-there": theirs["kinds-there"]}
    with up(tmp_path, template=template, processes=config) as stack:
        assert "process 'kinds-there' cannot be executed" in stack.log.read_text()
        assert stack.client.execute("echo", {"a": 1}).json() == {"a": 1}
        answer = stack.client.execute("kinds-there", {"kind": "png"})
        assert "pygeoapi-prefect deploy" in answer.json()["detail"]
        ill = command(stack, "deploy")
        assert "prefect work-pool create --type docker elsewhere" in ill.stderr
        prefect = (stack.state / "auth").read_text()
        address = stack.log.read_text().partition("starting Prefect server on ")[2].split()[0]
        words = ["work-pool", "create", POOL, "--type", "process"]
        subprocess.run(
            [str(BIN / "prefect"), *words],
            env=environment(PREFECT_API_URL=f"{address}/api", PREFECT_API_AUTH_STRING=prefect),
            check=True,
            timeout=60,
        )
        assert command(stack, "deploy").returncode == 0
        assert stack.client.submit("kinds-there", {"kind": "png"})
