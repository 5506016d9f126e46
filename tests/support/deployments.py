"""Deploys flows as their authors do, and runs a stock worker for them."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.programs import BIN, ROOT, environment, program, stop_or_kill, wait_for_line

_DEPLOY = """
import sys
from prefect import flow
pool, name, *entrypoints = sys.argv[1:]
for entrypoint in entrypoints:
    found = flow.from_source({root!r}, entrypoint)
    found.to_deployment(name, work_pool_name=pool).apply()
"""


def deploy(api: Mapping[str, str], pool: str, *entrypoints: str, name: str = "prod") -> None:
    """Deploy flows of `tests/support/flows` to a work pool.

    Args:
        api: environment that says where Prefect is.
        pool: the work pool.
        entrypoints: `<file>:<flow>`, each.
        name: of the deployments.
    """
    paths = [f"tests/support/flows/{entrypoint}" for entrypoint in entrypoints]
    script = _DEPLOY.format(root=str(ROOT))
    command = [sys.executable, "-W", "ignore", "-c", script, pool, name, *paths]
    subprocess.run(command, env=environment(**api), check=True, timeout=120)


def make_local_block(api: Mapping[str, str], name: str, folder: Path) -> None:
    """Make a block `local-file-system` of a folder."""
    script = (
        "import sys; from prefect.filesystems import LocalFileSystem; "
        "LocalFileSystem(basepath=sys.argv[2]).save(sys.argv[1])"
    )
    command = [sys.executable, "-W", "ignore", "-c", script, name, str(folder)]
    subprocess.run(command, env=environment(**api), check=True, timeout=120)


def make_pool(api: Mapping[str, str], pool: str, kind: str = "process") -> None:
    """Make a work pool with Prefect's own command."""
    prefect(api, "work-pool", "create", pool, "--type", kind)


def prefect(api: Mapping[str, str], *words: str) -> str:
    """Run a command of Prefect and return what it says."""
    done = subprocess.run(
        [str(BIN / "prefect"), *words],
        env=environment(**api, PYTHONWARNINGS="ignore"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def stock_worker(
    api: Mapping[str, str], pool: str, log: Path, **env: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run Prefect's own worker on a pool."""
    command = [str(BIN / "prefect"), "worker", "start", "--pool", pool, "--limit", "4"]
    variables = environment(**api, PREFECT_WORKER_QUERY_SECONDS="1", **env)
    variables["PYTHONWARNINGS"] = "ignore"
    with program(command, log, variables) as process:
        try:
            wait_for_line(log, "started!", process)
            yield process
        finally:
            stop_or_kill(process)  # one that still runs a job may ignore the signal
