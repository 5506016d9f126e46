"""Ingest and resample once, from a client's point of view, with a kill: `make climate`.

Starts an archive that fails in one of twenty requests, and Prefect, a worker and pygeoapi with
`pygeoapi-prefect up`. Ingests 437 monthly files, kills the worker in month 200, watches the job go
on, waits for the job that follows, saves what that made and stops everything.
"""

import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import httpx
import psutil
from demo import DemoFailed, Stack, free_port, status_documents

from climate.archive import Archive, serving

CONFIG = Path(__file__).with_name("pygeoapi-config.yml")
OUTPUT = Path("demo-output/climate")
FILES = {"map": "map.png", "plot": "plot.png", "means": "means.nc"}
PORT = 5000
JOB_SECONDS = 900
KILLED_IN_MONTH = 200


def be_a_client(stack: Stack, archive: Archive) -> None:
    """Ingest, with a kill in the middle, wait for what follows and save what that made."""
    with httpx.Client(timeout=30, trust_env=False) as client:
        click.echo("\nAsking for the process ingest")
        answer = client.post(
            f"{stack.url}/processes/ingest/execution",
            json={"inputs": {}},
            headers={"Prefer": "respond-async"},
        )
        if answer.status_code != httpx.codes.CREATED:
            raise DemoFailed(f"the job was not accepted: {answer.status_code} {answer.text}")
        ingest = answer.headers["Location"]
        follow(client, ingest, Saboteur(stack, archive).look)
        click.echo(
            f"  {archive.sent.total()} files sent, {archive.confirmed.total()} confirmed, "
            f"{archive.failed} requests failed on purpose"
        )
        click.echo("\nThe job that follows")
        resample = next_job(client, ingest)
        follow(client, resample)
        click.echo("\nWhat it made")
        for output, name in FILES.items():
            found = client.get(f"{resample}/results", params={"outputs": output})
            (OUTPUT / name).write_bytes(found.raise_for_status().content)
            click.echo(f"  {(OUTPUT / name).resolve()}")


class Saboteur:
    """Somebody who kills the worker, once."""

    def __init__(self, stack: Stack, archive: Archive) -> None:
        """Make one who knows the stack and sees what the archive sends."""
        self._stack = stack
        self._archive = archive
        self._is_done = False

    def look(self) -> None:
        """Kill the worker if it is time."""
        if self._is_done or self._archive.sent.total() < KILLED_IN_MONTH:
            return
        self._is_done = True
        for process in psutil.Process(self._stack.process.pid).children(recursive=True):
            if "pygeoapi_prefect.engine.worker" in process.cmdline():
                click.echo(f"  killing the worker with SIGKILL, process {process.pid}")
                process.kill()


def follow(client: httpx.Client, job_url: str, look: Callable[[], None] = lambda: None) -> None:
    """Show how far a job is whenever its message changes, until it is successful."""
    click.echo(f"  {job_url}")
    status: dict[str, Any] = {}
    shown, next_percent = "", 0
    for status in status_documents(client, job_url, JOB_SECONDS):
        look()
        attempt = status["message"].partition(": ")[0]
        if attempt != shown or status["progress"] >= next_percent:
            shown, next_percent = attempt, status["progress"] // 10 * 10 + 10
            click.echo(f"  {status['progress']:3} %  {status['message'].splitlines()[0]}")
    if status["status"] != "successful":
        raise DemoFailed(f"the job is {status['status']}: {status['message']}")


def next_job(client: httpx.Client, job_url: str) -> str:
    """Return the address of the job that follows one, as soon as it is there."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        status = client.get(job_url, params={"f": "json"}).raise_for_status().json()
        for link in status["links"]:
            if link["rel"] == "next":
                return link["href"]
        time.sleep(0.25)
    raise DemoFailed("no job follows")


def main() -> int:
    """Run the demo and return its exit code."""
    begin = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    datasets = OUTPUT.resolve() / "datasets"
    shutil.rmtree(datasets, ignore_errors=True)  # else there is nothing left to fetch
    archive = Archive(seconds=0.1)
    stack = None
    try:
        with serving(archive) as address:
            click.echo(f"Starting Prefect, a worker and pygeoapi; the archive is {address}")
            variables = {"CLIMATE_ARCHIVE": address, "CLIMATE_DATASETS": str(datasets)}
            stack = Stack(free_port(PORT), CONFIG, **variables)
            try:
                stack.wait_until_ready()
                be_a_client(stack, archive)
            finally:
                click.echo("\nStopping Prefect, the worker and pygeoapi")
                stack.stop()
    except KeyboardInterrupt:
        click.echo("The demo was interrupted.", err=True)
        return 130
    except Exception as error:
        click.echo(f"\nThe demo failed: {error or type(error).__name__}", err=True)
        if stack and stack.url:  # else they have just been shown
            click.echo("\n".join(f"  {line}" for line in stack.last_lines), err=True)
        return 1
    click.echo(f"Done in {time.monotonic() - begin:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
