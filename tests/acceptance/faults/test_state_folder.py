"""A disk under the state folder that is full, or becomes read-only, while jobs run."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.client import Client
from tests.support.mounts import mounted
from tests.support.programs import BIN, environment, eventually
from tests.support.stack import up

pytestmark = pytest.mark.large


@contextmanager
def disk(folder: Path, *options: str) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    # Not lazily: nothing of the service is left that uses it.
    with mounted(folder, *options):
        folder.chmod(0o700)
        yield


def submit(client: Client, finished: Path, steps: int) -> tuple[str, Path]:
    job_id = client.submit("slow", {"steps": steps, "seconds": 0.2, "finished": str(finished)})
    return job_id, finished


def is_refused(client: Client, answer_after: list[int]) -> bool:
    answer = client.execute("slow", {"steps": 1}, "respond-async")
    assert answer.status_code in (201, 503), answer.text
    if answer.status_code == 201:
        return False
    answer_after.append(int(answer.headers["retry-after"]))
    return True


def assert_all_succeed(client: Client, jobs: dict[str, Path]) -> None:
    for job_id, finished in jobs.items():
        document = client.wait_for(job_id, seconds=120)
        assert document["status"] == "successful", document
        assert finished.exists()
        assert client.results(job_id).json()["job"] == job_id


def test_a_full_disk_refuses_jobs_and_loses_none(tmp_path: Path) -> None:
    state = tmp_path / "service" / "state"
    with (
        disk(state, "-t", "tmpfs", "-o", "size=60m", "tmpfs"),
        up(tmp_path / "service", "--workers", "2") as it,
    ):
        client = it.client
        jobs = dict(submit(client, tmp_path / f"job-{number}", 20) for number in range(5))
        client.wait_for(next(iter(jobs)), "running")
        ballast = state / "ballast"
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(4096))
        waits: list[int] = []
        eventually(lambda: is_refused(client, waits), "jobs are refused", 60)
        assert waits[0] > 0
        assert len(client.jobs()["jobs"]) >= len(jobs)
        ballast.unlink()
        eventually(lambda: not is_refused(client, waits), "jobs are taken again", 60)
        assert_all_succeed(client, jobs)


def test_a_disk_that_becomes_read_only_loses_no_job(tmp_path: Path) -> None:
    state, image = tmp_path / "service" / "state", tmp_path / "image"
    subprocess.run(["truncate", "-s", "200M", str(image)], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    loop = ("-o", "loop,errors=remount-ro", str(image))
    with disk(state, *loop):
        (state / "lost+found").rmdir()
        with up(tmp_path / "service", "--workers", "2") as stack:
            client = stack.client
            jobs = dict(submit(client, tmp_path / f"job-{number}", 20) for number in range(5))
            for job_id in list(jobs)[:2]:
                client.wait_for(job_id, "running")
            os.sync()
            found = ["findmnt", "-no", "SOURCE", str(state)]
            device = Path(subprocess.check_output(found, text=True).strip())
            # What the kernel does when it meets a broken block.
            (Path("/sys/fs/ext4") / device.name / "trigger_fs_error").write_text("1")
            waits: list[int] = []
            eventually(lambda: is_refused(client, waits), "jobs are refused", 60)
            assert waits[0] > 0
            # What is known is still told.
            assert {job["jobID"] for job in client.jobs()["jobs"]} >= set(jobs)
            # Two run, to their end; their results are on another disk.
            results = tmp_path / "service" / "results"
            eventually(lambda: len([*results.glob("*/manifest.json")]) == 2, "two have ended", 60)
        # Whoever starts it again too early is told.
        command = [BIN / "pygeoapi-prefect", "up", "--config", tmp_path / "service" / "config.yml"]
        told = subprocess.run(
            command, env=environment(), capture_output=True, text=True, timeout=60, check=False
        )
        assert told.returncode == 1
        assert f"The state folder {state} of the embedded Prefect cannot be used" in told.stderr
        assert "Traceback" not in told.stderr
    # Its owner mends it and starts the service again.
    subprocess.run(["fsck.ext4", "-y", str(image)], check=False, capture_output=True)
    with disk(state, *loop), up(tmp_path / "service", "--workers", "2") as stack:
        assert_all_succeed(stack.client, jobs)
