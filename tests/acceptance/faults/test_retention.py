"""How long jobs are kept that have ended, and that others are."""

from pathlib import Path

import pytest

from tests.support.fault_processors import fault_processes
from tests.support.faults import Marks, wait_for_all
from tests.support.programs import eventually
from tests.support.stack import Stack, up

# Long enough to see how jobs ended, on a busy machine, too.
RETENTION = "20s"
# The background looks every 30 s.
REMOVED_SECONDS = 90


@pytest.mark.large
def test_jobs_are_kept_as_long_as_configured(tmp_path: Path, template: Path, marks: Marks) -> None:
    processes = fault_processes(tmp_path / "cleared")
    options = {"template": template, "processes": processes, "job_retention": RETENTION}
    with up(tmp_path / "up", **options) as stack:
        see_what_is_kept(stack, marks)


def see_what_is_kept(stack: Stack, marks: Marks) -> None:
    client = stack.client
    running = client.submit("steps", marks.inputs("running", hold=1))
    waiting = client.submit("steps-later", marks.inputs("waiting", fail=1))
    marks.wait_until_held("running")
    ended = client.submit("steps", marks.inputs("ended"))
    failed = client.submit("steps", marks.inputs("failed", fail=1))
    wait_for_all(client, {ended: "successful", failed: "failed"})
    results = stack.folder / "results"

    def ids() -> set[str]:
        return {job["jobID"] for job in client.jobs(limit=500)["jobs"]}

    eventually(lambda: ids() == {running, waiting}, "what has ended is removed", REMOVED_SECONDS)
    assert client.http.get(f"/jobs/{ended}", params={"f": "json"}).status_code == 404
    assert client.results(ended).status_code == 404
    left = {path.name for path in results.iterdir()} - {"inputs"}
    assert left == {running, waiting}
    assert client.job(running)["status"] == "running"
    marks.let_go()
    wait_for_all(client, {running: "successful"})
    client.delete(waiting)
