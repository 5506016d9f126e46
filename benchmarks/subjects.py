"""What is measured: whole stacks, started as users start them, one at a time."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.history import PrefectStore, Store, TableStore, TinyStore
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

TRIVIAL = "trivial"
STOCK_FLOW = "from prefect import flow\n\n\n@flow\ndef trivial(request: dict):\n    return None\n"


class Prefect:
    """Prefect's REST API on one open client, with nothing around it."""

    def __init__(self, api_url: str, auth: tuple[str, str] | None = None) -> None:
        self.api_url, self.auth = api_url, auth
        self.http = httpx.Client(auth=auth, timeout=90, trust_env=False)

    def close(self) -> None:
        self.http.close()

    def post(self, path: str, **body: Any) -> Any:
        answer = self.http.post(self.api_url + path, json=body)
        answer.raise_for_status()
        return answer.json()

    def get(self, path: str) -> Any:
        answer = self.http.get(self.api_url + path)
        answer.raise_for_status()
        return answer.json()

    def deploy(self, name: str, **more: Any) -> str:
        flow_id = self.post("/flows/", name=name)["id"]
        body = {"name": name, "flow_id": flow_id, "enforce_parameter_schema": False, **more}
        return str(self.post("/deployments/", **body)["id"])

    def create_run(self, deployment_id: str) -> str:
        """Create a run with the parameters, labels and tags that a job of ours has."""
        request = {"process_id": TRIVIAL, "inputs": {"entry": "1"}, "response": "raw"}
        run = self.post(
            f"/deployments/{deployment_id}/create_flow_run",
            parameters={"request": {"__prefect_kind": "json", "value": json.dumps(request)}},
            labels={"pygeoapi.process": TRIVIAL},
            tags=["benchmark"],
            enforce_parameter_schema=False,
        )
        return str(run["id"])

    def set_state(self, run_id: str, state_type: str) -> None:
        body = {"state": {"type": state_type, "message": "-"}}
        assert self.post(f"/flow_runs/{run_id}/set_state", **body)["status"] == "ACCEPT"


@dataclass
class Subject:
    """Something to measure.

    Attributes:
        name: for people.
        folder: for its files; gone when it is.
        store: where its jobs are.
        client: of the pygeoapi in front; None = there is none.
        prefect: the Prefect behind; None = there is none.
        stock_deployment: whose runs a stock worker runs.
    """

    name: str
    folder: Path
    store: Store
    client: Client | None = None
    prefect: Prefect | None = None
    stock_deployment: str | None = None


@contextmanager
def ours_on_sqlite(folder: Path) -> Iterator[Subject]:
    port = free_port()
    config = _configuration(folder, port, prefect_manager(folder))
    log, state = folder / "up.log", folder / "state"
    command = [str(BIN / "pygeoapi-prefect"), "up", "--config", str(config)]
    with program(command, log, _environment(), folder) as process:
        wait_for_line(log, "ready http", process)
        api_url = json.loads((state / "backend.json").read_text())["api_url"]
        user, _, password = (state / "auth").read_text().strip().partition(":")
        store = PrefectStore(f"sqlite:///{state / 'prefect' / 'prefect.db'}", folder / "results")
        with (
            closing(Client(f"http://127.0.0.1:{port}")) as client,
            closing(Prefect(api_url, (user, password))) as prefect,
        ):
            yield Subject("ours, SQLite", folder, store, client, prefect)


@contextmanager
def ours_on_postgresql(folder: Path) -> Iterator[Subject]:
    with (
        postgresql() as port,
        prefect_server(folder, f"postgresql+asyncpg://postgres@127.0.0.1:{port}/postgres") as api,
    ):
        manager = {
            "name": "pygeoapi_prefect.PrefectManager",
            "prefect_api_url": api,
            "output_dir": str(folder / "results"),
        }
        with web_server(folder, manager) as client:
            env = _environment(PYGEOAPI_CONFIG=str(folder / "config.yml"))
            ours = str(BIN / "pygeoapi-prefect")
            subprocess.run([ours, "deploy"], env=env, check=True, stdout=subprocess.DEVNULL)
            store = PrefectStore(_driver_url(port), folder / "results")
            with (
                program([ours, "worker"], folder / "worker.log", env, folder),
                closing(Prefect(api)) as prefect,
            ):
                yield Subject("ours, PostgreSQL", folder, store, client, prefect)


@contextmanager
def tinydb(folder: Path) -> Iterator[Subject]:
    database, results = folder / "jobs.json", folder / "results"
    results.mkdir()
    manager = {"name": "TinyDB", "connection": str(database), "output_dir": str(results)}
    with web_server(folder, manager) as client:
        yield Subject("pygeoapi's TinyDB", folder, TinyStore(database), client)


@contextmanager
def pygeoapi_postgresql(folder: Path) -> Iterator[Subject]:
    results = folder / "results"
    results.mkdir()
    with postgresql() as port:
        manager = {
            "name": "PostgreSQL",
            "connection": {
                "host": "127.0.0.1",
                "port": port,
                "database": "postgres",
                "user": "postgres",
                "password": "-",
            },
            "output_dir": str(results),
        }
        with web_server(folder, manager) as client:
            yield Subject("pygeoapi's PostgreSQL", folder, TableStore(_driver_url(port)), client)


@contextmanager
def stock_worker(folder: Path) -> Iterator[Subject]:
    (folder / "trivial.py").write_text(STOCK_FLOW)
    database = folder / "prefect.db"
    command = [str(BIN / "prefect"), "worker", "start", "--pool", "stock", "--type", "process"]
    with prefect_server(folder, f"sqlite+aiosqlite:///{database}") as api:
        env = _environment(PREFECT_API_URL=api, PREFECT_HOME=str(folder / "home"))
        with (
            program(command, folder / "worker.log", env, folder),
            closing(Prefect(api)) as prefect,
        ):
            find = f"{api}/work_pools/stock"
            eventually(lambda: answers(find), "the stock worker is there", START_SECONDS)
            step = {"prefect.deployments.steps.set_working_directory": {"directory": str(folder)}}
            deployment = prefect.deploy(
                "stock", entrypoint="trivial.py:trivial", work_pool_name="stock", pull_steps=[step]
            )
            store = PrefectStore(f"sqlite:///{database}", None)
            yield Subject("stock process worker", folder, store, None, prefect, deployment)


SUBJECTS = {
    "tinydb": tinydb,
    "postgresql": pygeoapi_postgresql,
    "stock-worker": stock_worker,
    "ours-sqlite": ours_on_sqlite,
    "ours-postgresql": ours_on_postgresql,
}


@contextmanager
def web_server(folder: Path, manager: dict[str, Any]) -> Iterator[Client]:
    """Run a plain pygeoapi with a manager."""
    port = free_port()
    config, document = _configuration(folder, port, manager), folder / "openapi.yml"
    env = _environment(PYGEOAPI_CONFIG=str(config), PYGEOAPI_OPENAPI=str(document))
    pygeoapi, log = str(BIN / "pygeoapi"), folder / "web.log"
    generate = [pygeoapi, "openapi", "generate", str(config), "--output-file", str(document)]
    subprocess.run(generate, env=env, check=True, capture_output=True)
    with program([pygeoapi, "serve", "--starlette"], log, env, folder):
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(f"{url}/conformance?f=json"), f"see {log}", START_SECONDS)
        with closing(Client(url)) as client:
            yield client


@contextmanager
def prefect_server(folder: Path, database: str) -> Iterator[str]:
    """Run a stock Prefect server and return the URL of its API."""
    port = free_port()
    env = _environment(
        PREFECT_HOME=str(folder / "prefect"),
        PREFECT_API_DATABASE_CONNECTION_URL=database,
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
    )
    command = [str(BIN / "prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    log, api = folder / "prefect.log", f"http://127.0.0.1:{port}/api"
    with program(command, log, env, folder):
        eventually(lambda: answers(f"{api}/health"), f"see {log}", START_SECONDS)
        yield api


@contextmanager
def postgresql() -> Iterator[int]:
    """Run a PostgreSQL with its own defaults and return its port."""
    port, programs = free_port(), postgresql_programs()
    assert programs is not None
    with tempfile.TemporaryDirectory(prefix="benchmark-postgresql-") as name:
        data, log, user = Path(name, "data"), Path(name, "log"), []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(name, "postgres", "postgres")
            user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        initialise = [*user, str(programs / "initdb"), "-D", str(data), "-U", "postgres"]
        subprocess.run(
            [*initialise, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True,
            capture_output=True,
            cwd=name,
        )
        server = [*user, str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", name]
        with program([*server, "-h", "127.0.0.1"], log, os.environ, Path(name)) as process:
            wait_for_line(log, "ready to accept connections", process)
            yield port


def postgresql_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, if there is one."""
    if found := shutil.which("postgres"):
        return Path(found).parent
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


def _configuration(folder: Path, port: int, manager: dict[str, Any]) -> Path:
    content = configuration(port, manager)
    processor = {"name": "benchmarks.processors.TrivialProcessor"}
    content["resources"][TRIVIAL] = {"type": "process", "processor": processor}
    return write_configuration(folder / "config.yml", content)


def _environment(**more: str) -> dict[str, str]:
    return environment(**{"PYTHONWARNINGS": "ignore", "DO_NOT_TRACK": "1", **more})


def _driver_url(port: int) -> str:
    return f"postgresql+psycopg2://postgres@127.0.0.1:{port}/postgres"
