"""A clock that is set forward while jobs run, as on machines that were asleep."""

import shutil
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.stack import up

pytestmark = pytest.mark.large

_SOURCE = Path(__file__).parents[2] / "support" / "shifted_clock.c"


class ShiftedClock:
    """The wall clock of a service, which can be set ahead of that of the machine."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("setting a clock needs a C compiler (package gcc)")
        library, self._ahead = folder / "shifted_clock.so", folder / "ahead"
        command = [compiler, "-shared", "-fPIC", "-o", str(library), str(_SOURCE)]
        subprocess.run(command, check=True)
        self._ahead.write_bytes(bytes(8))
        self.variables = {"LD_PRELOAD": str(library), "CLOCK_AHEAD": str(self._ahead)}

    def set(self, ahead: timedelta) -> None:
        seconds = int(ahead.total_seconds())
        # In place: the processes have the file mapped.
        with self._ahead.open("r+b") as file:
            file.write(seconds.to_bytes(8, "little", signed=True))


def test_jobs_end_truthfully_when_the_clock_is_set_forward(tmp_path: Path) -> None:
    clock = ShiftedClock(tmp_path)
    with up(tmp_path / "service", "--workers", "2", variables=clock.variables) as stack:
        client = stack.client

        def submit(number: int) -> tuple[str, Path]:
            finished = tmp_path / f"job-{number}"
            inputs = {"steps": 15, "seconds": 0.2, "finished": str(finished)}
            return client.submit("slow", inputs), finished

        jobs = dict(submit(number) for number in range(4))
        for job_id in list(jobs)[:2]:
            before = client.wait_for(job_id, "running")
        clock.set(timedelta(days=1))
        jobs |= dict([submit(4)])
        for job_id, finished in jobs.items():
            document = client.wait_for(job_id, seconds=180)
            assert document["status"] == "successful", document
            assert finished.exists()
            assert client.results(job_id).json()["job"] == job_id
        told = datetime.fromisoformat(client.job(job_id)["finished"])
        # The service has really seen the other time.
        assert told - datetime.fromisoformat(before["started"]) >= timedelta(days=1)
        assert {job["jobID"] for job in client.jobs()["jobs"]} == set(jobs)
