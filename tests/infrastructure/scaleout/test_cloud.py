"""Prefect as Prefect Cloud shows it: below a workspace, with a key, without what only servers have.

The real Cloud is out of reach for tests. A proxy in front of real servers stands for it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cloud import PREFIX
from tests.support.hosts import Host
from tests.support.prefect_cluster import AUTH, Cluster
from tests.support.programs import environment, eventually, free_port, program
from tests.support.scaled import scaled_service

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]

# Where keys are concerned, the server behind it is content with its own.
LOGIN = {"PREFECT_API_KEY": AUTH}
WRONG = {"PREFECT_API_KEY": "pnu_wrong"}


class Cloud:
    """A proxy that looks like Prefect Cloud.

    Attributes:
        root: what Prefect's own client knows Cloud by.
        api_url: of the workspace.
        log: says what was asked of it.
    """

    def __init__(self, address: str, port: int, log: Path) -> None:
        self.root = f"http://{address}:{port}/api"
        self.api_url = f"http://{address}:{port}{PREFIX}"
        self.log = log

    @property
    def asked(self) -> list[tuple[str, ...]]:
        """Method, path and credentials of each request."""
        return [tuple(line.split(" ", 2)) for line in self.log.read_text().splitlines()]


@contextmanager
def cloud(folder: Path, cluster: Cluster, *, events: bool) -> Iterator[Cloud]:
    port, log = free_port(), folder / "cloud.log"
    command = [sys.executable, "-m", "tests.support.cloud", cluster.address, str(port)]
    command += [cluster.address, str(cluster.port), AUTH, *(["EVENTS"] if events else [])]
    with program(command, log, environment()):
        yield Cloud(cluster.address, port, log)


@pytest.mark.parametrize("way", ["events", "polling"])
def test_jobs_run_with_a_workspace_of_prefect_cloud(
    tmp_path: Path, cluster: Cluster, hosts: list[Host], way: str
) -> None:
    pool = f"cloud-{way}"
    with (
        cloud(tmp_path, cluster, events=way == "events") as workspace,
        scaled_service(
            tmp_path / "web", workspace.api_url, pool, LOGIN, host=hosts[2], sync_timeout=20
        ) as service,
        service.worker(
            hosts[0],
            4,
            PREFECT_CLOUD_API_URL=workspace.root,
            # Without events it has to find its jobs by looking.
            PREFECT_WORKER_QUERY_SECONDS="3600" if way == "events" else "2",
        ),
    ):
        client = service.client
        eventually(lambda: cluster.workers_online(pool), "the worker is there", 120)
        job_id = client.submit("echo", {"a": 1})

        def is_answered() -> bool:
            answer = client.execute("echo", {"b": 2})
            assert answer.status_code in (200, 201), answer.text
            return answer.status_code == 200 and answer.json() == {"b": 2}

        eventually(is_answered, "a synchronous job is answered", 120)
        assert client.wait_for(job_id)["status"] == "successful"
        assert client.results(job_id).json() == {"a": 1}
        assert job_id in [job["jobID"] for job in client.jobs()["jobs"]]
        assert client.delete(job_id).status_code == 200

        well = service.command("doctor")
        assert well.returncode == 0, well.stdout + well.stderr
        assert f"Prefect Cloud at {workspace.api_url}" in well.stdout

        asked = workspace.asked
        assert {path for _, path, _ in asked if not path.startswith(PREFIX)} == set()
        keyless = {path for _, path, credentials in asked if credentials == "-"}
        # What is asked of /health is whether anybody is there.
        assert {path.removeprefix(PREFIX) for path in keyless} <= {"/health"}


def test_a_key_that_cloud_refuses_is_named(tmp_path: Path, cluster: Cluster) -> None:
    with (
        cloud(tmp_path, cluster, events=True) as workspace,
        scaled_service(tmp_path / "web", workspace.api_url, "refused", LOGIN) as service,
    ):
        for command in ("doctor", "deploy", "worker"):
            refused = service.command(command, login=WRONG)
            assert refused.returncode == 1
            said = refused.stdout + refused.stderr
            assert "refuses the credentials" in said and "PREFECT_API_KEY" in said
            assert "Traceback" not in said and "pnu_wrong" not in said


def test_a_web_process_with_a_wrong_key_says_so(tmp_path: Path, cluster: Cluster) -> None:
    with cloud(tmp_path, cluster, events=True) as workspace:
        web = scaled_service(tmp_path / "web", workspace.api_url, "wrong", WRONG, is_deployed=False)
        with web as service:
            for prefer in (None, "respond-async"):
                answer = service.web.client.execute("echo", {"a": 1}, prefer=prefer)
                assert answer.status_code == 503
                assert int(answer.headers["retry-after"]) > 0
                assert "cannot reach Prefect" in answer.json()["description"]
            log = service.web.log.read_text()
            assert "PREFECT_API_KEY" in log and "pnu_wrong" not in log
