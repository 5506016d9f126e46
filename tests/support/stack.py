"""Whole stacks for tests: `pygeoapi-prefect up`, and plain web servers with a drop-in manager."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import psutil

from tests.support.client import Client
from tests.support.configuration import configuration, prefect_manager, write_configuration
from tests.support.programs import (
    BIN,
    START_SECONDS,
    answers,
    environment,
    eventually,
    free_port,
    program,
    wait_for_line,
)


@dataclass
class Stack:
    """A running stack.

    Attributes:
        client: talks to its pygeoapi.
        folder: where everything of it lives.
        state: the state folder of its embedded Prefect.
        process: the program that was started.
        log: its output.
    """

    client: Client
    folder: Path
    state: Path
    process: "Popen[bytes]"
    log: Path

    @property
    def prefect_url(self) -> str:
        """The API of its embedded Prefect."""
        return str(json.loads((self.state / "backend.json").read_text())["api_url"])

    @property
    def prefect_auth(self) -> tuple[str, str]:
        """User and password for it."""
        user, _, password = (self.state / "auth").read_text().strip().partition(":")
        return user, password


@contextmanager
def up(
    folder: Path,
    *options: str,
    template: Path | None = None,
    processes: dict[str, Any] | None = None,
    variables: dict[str, str] | None = None,
    **manager: Any,
) -> Iterator[Stack]:
    """Run `pygeoapi-prefect up` on a folder, perhaps with more in its environment."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    content = configuration(port, prefect_manager(folder, **manager), processes)
    config = write_configuration(folder / "config.yml", content)
    state = folder / "state"
    use_template(template, state)
    command = [str(BIN / "pygeoapi-prefect"), "up", "--config", str(config), *options]
    log = folder / "up.log"
    log.unlink(missing_ok=True)
    with program(command, log, environment(**variables or {}), folder) as process:
        wait_for_line(log, "ready http", process)
        client = Client(f"http://127.0.0.1:{port}")
        try:
            yield Stack(client, folder, state, process, log)
        finally:
            client.close()


@contextmanager
def web_server(
    folder: Path,
    command: Sequence[str],
    manager: dict[str, Any],
    template: Path | None = None,
    processes: dict[str, Any] | None = None,
    *,
    address: str = "127.0.0.1",
    prefix: Sequence[str] = (),
    **env: str,
) -> Iterator[Stack]:
    """Run a plain web server with a manager, as an operator would.

    Args:
        folder: where its files go.
        command: the server's command line; `{port}` and `{address}` are filled in.
        manager: the `server.manager` section.
        template: state folder to start from.
        processes: more resources.
        address: on which it listens.
        prefix: what the command line begins with, to be run on another host.
        env: more environment.
    """
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = write_configuration(folder / "config.yml", configuration(port, manager, processes))
    state = folder / "state"
    use_template(template, state)
    variables = environment(
        PYGEOAPI_CONFIG=str(config), PYGEOAPI_OPENAPI=str(folder / "openapi.yml"), **env
    )
    generate = ["openapi", "generate", str(config), "--output-file", str(folder / "openapi.yml")]
    with program([str(BIN / "pygeoapi"), *generate], folder / "openapi.log", variables) as process:
        assert process.wait(60) == 0, (folder / "openapi.log").read_text()
    log = folder / "web.log"
    url = f"http://{address}:{port}"
    filled = [*prefix, *(part.format(port=port, address=address) for part in command)]
    with program(filled, log, variables, folder) as process:

        def look() -> bool:
            assert process.poll() is None, log.read_text()[-3000:]
            return answers(f"{url}/conformance?f=json")

        eventually(look, f"{command} answers", START_SECONDS)
        client = Client(url)
        try:
            yield Stack(client, folder, state, process, log)
        finally:
            client.close()


def use_template(template: Path | None, state: Path) -> None:
    """Start from a database that has its tables already; making them takes ten seconds."""
    if template is not None and not state.exists():
        (state / "prefect").mkdir(parents=True)
        shutil.copy(template, state / "prefect" / "prefect.db")


def processes_of(state: Path) -> dict[str, psutil.Process]:
    """Return server and worker of an embedded backend."""
    found = {}
    for process in psutil.process_iter(["cmdline", "environ"]):
        line = " ".join(process.info["cmdline"] or [])
        if (process.info["environ"] or {}).get("PREFECT_HOME") == str(state / "prefect"):
            for name, module in (("server", "embedded.server"), ("worker", "worker")):
                if f"-m pygeoapi_prefect.engine.{module} " in f"{line} ":
                    found[name] = process
    return found


def forkserver_of(stack: Stack) -> psutil.Process:
    """Return the process that forks the others; those look the same from outside."""
    worker = processes_of(stack.state)["worker"]
    return next(
        each
        for each in worker.children()
        if "pygeoapi_prefect.engine.runner.forkserver" in each.cmdline() and each.is_running()
    )
