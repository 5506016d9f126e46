"""The whole thing once, from a client's point of view: `make demo`.

Starts Prefect, a worker and pygeoapi with `pygeoapi-prefect up`, asks it over HTTP for a map of
the distance to the nearest airport, follows the job, saves what it made and stops everything.
"""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import httpx
import yaml

EXAMPLES = Path(__file__).resolve().parent
CONFIG = EXAMPLES.parent / "pygeoapi-config.yml"
CONFIGURED_PORT: int = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["server"]["bind"]["port"]
OUTPUT = Path("demo-output")
FILES = {"map": "nearest-airport.png", "raster": "nearest-airport.tif", "summary": "summary.json"}
JOB_SECONDS = 120

EXECUTION_REQUEST = {
    # 1.7 million cells over the contiguous United States, the default of the process.
    "inputs": {"resolution": 0.03},
    # All outputs in one JSON document, binary ones in base64.
    "response": "document",
}


class DemoFailed(Exception):
    """The demo cannot go on; the text says why."""


class Stack:
    """`pygeoapi-prefect up`: its port, what it says, and the addresses found in that."""

    def __init__(self, port: int, config: Path = CONFIG, **variables: str) -> None:
        """Start it, with pygeoapi on a port, and perhaps with more in its environment."""
        self.port = port
        self.url = self.login = self.job_in_prefect = ""
        self.last_lines: deque[str] = deque(maxlen=20)
        self._ready = threading.Event()
        # An outer Prefect is no business of this demo, which brings its own.
        environment = {name: text for name, text in os.environ.items() if name[:8] != "PREFECT_"}
        path = [str(EXAMPLES), *filter(None, [environment.get("PYTHONPATH")])]
        environment |= {"PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}
        environment |= variables
        program = Path(sys.executable).with_name("pygeoapi-prefect")
        self.process = subprocess.Popen(
            [program, "up", "--config", str(config), "--port", str(port)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_until_ready(self) -> None:
        """Wait until a job could run; `up` itself gives up if that takes too long."""
        while not self._ready.wait(0.1):
            if self.process.poll() is not None:
                raise DemoFailed("the stack does not start")

    def stop(self) -> None:
        """Stop it and all that it started."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()  # what it started notices that and stops by itself
        self._reader.join(5)

    def _read(self) -> None:
        assert self.process.stdout
        for line in map(str.rstrip, self.process.stdout):
            self.last_lines.append(line)
            if not self._ready.is_set():
                click.echo(f"  {line}")
            if found := re.search(r"\(log in with (\S+)\)", line):
                self.login = found[1]
            if found := re.search(r"a job in it (\S+)", line):
                self.job_in_prefect = found[1]
            if found := re.match(r"ready (http://\S+)", line):
                self.url = found[1]
                self._ready.set()


def be_a_client(stack: Stack) -> None:
    """Ask a running stack for a map, as any client would, and show what comes of it."""
    # Only this machine is asked: a proxy for the outside world has no part in it.
    with httpx.Client(timeout=30, trust_env=False) as client:
        click.echo("\nAsking for the process nearest-airport")
        job_url = submit(client, stack.url)
        click.echo(f"  {job_url}")
        follow(client, job_url)
        summary = save_results(client, job_url)
    distance, farthest = summary["distance_km"], summary["farthest"]
    click.echo(
        "\nWhat it found\n"
        f"  {summary['cells']:,} cells, {summary['airports']:,} airports\n"
        f"  distance: mean {distance['mean']:.1f} km, median {distance['median']:.1f} km\n"
        f"  farthest: {distance['maximum']:.1f} km from {farthest['airport_name']} "
        f"({farthest['airport_code']}),\n"
        f"            at latitude {farthest['latitude']:.2f}, longitude {farthest['longitude']:.2f}"
    )
    click.echo("\nWhat it made")
    for name in FILES.values():
        click.echo(f"  {(OUTPUT / name).resolve()}")
    click.echo(
        "\nWhere the job can be seen while the stack runs. The demo stops it now; `make up` runs\n"
        "the same stack on the same state folder and keeps it running, with this job in it:\n"
        f"  job page    {job_url}?f=html\n"
        f"  Prefect UI  {stack.job_in_prefect.replace('JOB-ID', job_url.rpartition('/')[2])}\n"
        f"              (log in with {stack.login})"
    )
    if stack.port != CONFIGURED_PORT:
        click.echo(f"`make up` will want port {CONFIGURED_PORT}, which something else uses now.")


def submit(client: httpx.Client, url: str) -> str:
    """Post the execution request and return the address of the job."""
    answer = client.post(
        f"{url}/processes/nearest-airport/execution",
        json=EXECUTION_REQUEST,
        headers={"Prefer": "respond-async"},
    )
    if answer.status_code != httpx.codes.CREATED:
        raise DemoFailed(f"the job was not accepted: {answer.status_code} {answer.text}")
    return answer.headers["Location"]


def follow(client: httpx.Client, job_url: str) -> None:
    """Show how far the job is, until it is successful."""
    status: dict[str, Any] = {}
    if sys.stdout.isatty():
        with click.progressbar(
            length=100, show_eta=False, item_show_func=lambda message: message or ""
        ) as bar:
            for status in status_documents(client, job_url):
                bar.update(status["progress"] - bar.pos, status["message"])
    else:
        next_line = 0
        for status in status_documents(client, job_url):
            if status["progress"] >= next_line:
                next_line = status["progress"] // 10 * 10 + 10
                click.echo(f"  {status['progress']:3} %  {status['status']}: {status['message']}")
    if status["status"] != "successful":
        raise DemoFailed(f"the job is {status['status']}: {status['message']}")


def status_documents(
    client: httpx.Client, job_url: str, seconds: float = JOB_SECONDS
) -> Iterator[dict[str, Any]]:
    """Ask for the job's status document again and again, until the job has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status = client.get(job_url, params={"f": "json"}).raise_for_status().json()
        yield status
        if status["status"] not in ("accepted", "running"):
            return
        time.sleep(0.25)
    raise DemoFailed(f"the job has not ended after {seconds} s")


def save_results(client: httpx.Client, job_url: str) -> dict[str, Any]:
    """Fetch the results, save each in a file and return the summary."""
    results = client.get(f"{job_url}/results", params={"f": "json"}).raise_for_status().json()
    OUTPUT.mkdir(exist_ok=True)
    for output, name in FILES.items():
        value = results[output]["value"]
        is_binary = results[output].get("encoding") == "base64"
        data = base64.b64decode(value) if is_binary else json.dumps(value, indent=2).encode()
        (OUTPUT / name).write_bytes(data)
    summary: dict[str, Any] = results["summary"]["value"]
    return summary


def free_port(wanted: int) -> int:
    """Return a port that nobody listens on: the wanted one if possible."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> int:
    """Run the demo and return its exit code."""
    begin = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    stack = None
    try:
        click.echo("Starting Prefect, a worker and pygeoapi")
        stack = Stack(free_port(CONFIGURED_PORT))
        try:
            stack.wait_until_ready()
            be_a_client(stack)
        finally:
            click.echo("\nStopping Prefect, the worker and pygeoapi")
            stack.stop()
    except KeyboardInterrupt:
        click.echo("The demo was interrupted.", err=True)
        return 130
    # Whatever it is, people should see what the stack said about it.
    except Exception as error:
        click.echo(f"\nThe demo failed: {error or type(error).__name__}", err=True)
        if stack and stack.url:  # else they have just been shown
            click.echo("The last lines of `pygeoapi-prefect up`:", err=True)
            click.echo("\n".join(f"  {line}" for line in stack.last_lines), err=True)
        return 1
    click.echo(f"Done in {time.monotonic() - begin:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
