"""What is measured: whole stacks, started as users start them, one at a time."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from benchmarks.history import fill_prefect, fill_table, fill_tinydb
from tests.support import programs
from tests.support.client import Client
from tests.support.postgresql import postgresql
from tests.support.programs import BIN, START_SECONDS, environment, eventually, program
from tests.support.stack import up, web_server

# The trivial process: it returns its inputs.
PROCESS = "echo"
STOCK_FLOW = "from prefect import flow\n\n\n@flow\ndef echo(request: dict):\n    pass\n"
# Not `pygeoapi serve`: its reloading server costs 40 ms per request on kept-open connections.
UVICORN = [sys.executable, "-m", "uvicorn", "pygeoapi.starlette_app:APP", "--port", "{port}"]


class Prefect:
    """Prefect's REST API on one open client, with nothing around it."""

    def __init__(self, api_url: str, auth: str = "") -> None:
        self.api_url, self.auth = api_url, auth
        user, _, password = auth.partition(":")
        self._http = httpx.Client(
            auth=(user, password) if auth else None, timeout=90, trust_env=False
        )

    def close(self) -> None:
        self._http.close()

    def send(self, method: str, path: str, **body: Any) -> Any:
        for pause in (2, 4, 8, 16, 32):  # as Prefect's own client does
            answer = self._http.request(method, self.api_url + path, json=body)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(pause)
        answer.raise_for_status()
        return answer.json()

    def deploy(self, name: str, **more: Any) -> str:
        flow_id = self.send("POST", "/flows/", name=name)["id"]
        body = {"name": name, "flow_id": flow_id, "enforce_parameter_schema": False, **more}
        return str(self.send("POST", "/deployments/", **body)["id"])

    def create_run(self, deployment_id: str) -> str:
        """Create a run with the parameters, labels and tags that a job of ours has."""
        request = {"process_id": PROCESS, "inputs": {"number": 1}, "response": "raw"}
        run = self.send(
            "POST",
            f"/deployments/{deployment_id}/create_flow_run",
            parameters={"request": {"__prefect_kind": "json", "value": json.dumps(request)}},
            labels={"pygeoapi.process": PROCESS},
            tags=["benchmark"],
            enforce_parameter_schema=False,
        )
        return str(run["id"])

    def run_bare_job(self, deployment_id: str) -> None:
        """Make the requests that any run needs, and no other."""
        run_id = self.create_run(deployment_id)
        for state in ("PENDING", "RUNNING", "COMPLETED"):
            body = {"state": {"type": state, "message": "-"}}
            answer = self.send("POST", f"/flow_runs/{run_id}/set_state", **body)
            assert answer["status"] == "ACCEPT", answer


class StockRuns:
    """Flow runs of a stock worker, looked at as if they were jobs."""

    def __init__(self, prefect: Prefect, deployment_id: str) -> None:
        self._prefect, self._deployment_id = prefect, deployment_id

    def submit(self, *_: Any) -> str:
        return self._prefect.create_run(self._deployment_id)

    def job(self, run_id: str) -> dict[str, Any]:
        run = self._prefect.send("GET", f"/flow_runs/{run_id}")
        ended = "successful" if run["state_type"] == "COMPLETED" else "failed"
        return {"status": ended if run["end_time"] else "running", "finished": run["end_time"]}


@dataclass
class Subject:
    """Something to measure.

    Attributes:
        name: for people.
        folder: for files; gone when the subject is.
        client: submits jobs and looks at them.
        fill: multiplies completed jobs in its store: (ids, number of copies).
        prefect: the Prefect behind it, if there is one.
    """

    name: str
    folder: Path
    client: Client | StockRuns
    fill: Callable[[Sequence[str], int], None]
    prefect: Prefect | None = None


@contextmanager
def ours_on_sqlite(folder: Path) -> Iterator[Subject]:
    with up(folder) as stack:
        url = f"sqlite:///{stack.state / 'prefect' / 'prefect.db'}"
        with closing(Prefect(stack.prefect_url, ":".join(stack.prefect_auth))) as prefect:
            fill = partial(fill_prefect, url, folder / "results")
            yield Subject("ours, SQLite", folder, stack.client, fill, prefect)


@contextmanager
def ours_on_postgresql(folder: Path) -> Iterator[Subject]:
    manager = {"name": "pygeoapi_prefect.PrefectManager", "output_dir": str(folder / "results")}
    ours = str(BIN / "pygeoapi-prefect")
    with (
        postgresql() as port,
        prefect_server(folder, f"postgresql+asyncpg://postgres@127.0.0.1:{port}/postgres") as api,
        web_server(folder, UVICORN, manager | {"prefect_api_url": api}) as stack,
    ):
        env = environment(PYGEOAPI_CONFIG=str(folder / "config.yml"))
        subprocess.run([ours, "deploy"], env=env, check=True, capture_output=True)
        fill = partial(fill_prefect, _driver_url(port), folder / "results")
        with (
            program([ours, "worker"], folder / "worker.log", env, folder),
            closing(Prefect(api)) as prefect,
        ):
            yield Subject("ours, PostgreSQL", folder, stack.client, fill, prefect)


@contextmanager
def tinydb(folder: Path) -> Iterator[Subject]:
    database, results = folder / "jobs.json", folder / "results"
    results.mkdir()
    manager = {"name": "TinyDB", "connection": str(database), "output_dir": str(results)}
    with web_server(folder, UVICORN, manager) as stack:
        yield Subject("pygeoapi's TinyDB", folder, stack.client, partial(fill_tinydb, database))


@contextmanager
def pygeoapi_postgresql(folder: Path) -> Iterator[Subject]:
    results = folder / "results"
    results.mkdir()
    with postgresql() as port:
        login = {"database": "postgres", "user": "postgres", "password": "-"}
        connection = {"host": "127.0.0.1", "port": port, **login}
        manager = {"name": "PostgreSQL", "connection": connection, "output_dir": str(results)}
        with web_server(folder, UVICORN, manager) as stack:
            fill = partial(fill_table, _driver_url(port))
            yield Subject("pygeoapi's PostgreSQL", folder, stack.client, fill)


@contextmanager
def closing_at_once(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Kill a process at the end: a stock worker takes its time to stop, or does not at all."""
    try:
        yield
    finally:
        process.kill()


@contextmanager
def stock_worker(folder: Path) -> Iterator[Subject]:
    (folder / "stock.py").write_text(STOCK_FLOW)
    database = folder / "prefect.db"
    command = [str(BIN / "prefect"), "worker", "start", "--pool", "stock", "--type", "process"]
    with prefect_server(folder, f"sqlite+aiosqlite:///{database}") as api:
        env = environment(PREFECT_API_URL=api, PREFECT_HOME=str(folder / "home"))
        with (
            program(command, folder / "worker.log", env, folder) as worker,
            closing(Prefect(api)) as prefect,
            closing_at_once(worker),
        ):
            eventually(
                lambda: programs.answers(f"{api}/work_pools/stock"), "the worker", START_SECONDS
            )
            step = {"prefect.deployments.steps.set_working_directory": {"directory": str(folder)}}
            deployment_id = prefect.deploy(
                "stock", entrypoint="stock.py:echo", work_pool_name="stock", pull_steps=[step]
            )
            runs = StockRuns(prefect, deployment_id)
            fill = partial(fill_prefect, f"sqlite:///{database}", None)
            yield Subject("stock process worker", folder, runs, fill, prefect)


SUBJECTS = {
    "tinydb": tinydb,
    "postgresql": pygeoapi_postgresql,
    "stock-worker": stock_worker,
    "ours-sqlite": ours_on_sqlite,
    "ours-postgresql": ours_on_postgresql,
}


@contextmanager
def prefect_server(folder: Path, database: str) -> Iterator[str]:
    """Run a stock Prefect server and return the URL of its API."""
    port = programs.free_port()
    env = environment(
        PREFECT_HOME=str(folder / "prefect"),
        PREFECT_API_DATABASE_CONNECTION_URL=database,
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
    )
    command = [str(BIN / "prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    log, api = folder / "prefect.log", f"http://127.0.0.1:{port}/api"
    with program(command, log, env, folder):
        eventually(lambda: programs.answers(f"{api}/health"), f"{log} says ready", START_SECONDS)
        yield api


def _driver_url(port: int) -> str:
    return f"postgresql+psycopg2://postgres@127.0.0.1:{port}/postgres"
