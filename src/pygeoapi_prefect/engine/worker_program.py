"""How a worker is started as a program: its command line, and what its environment says."""

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from pygeoapi_prefect.config.snapshot import ENVIRONMENT_VARIABLE
from pygeoapi_prefect.engine.host.proxies import directly


def worker_command(
    pool: str,
    jobs_at_once: int,
    notification_socket: Path,
    *,
    ready_file: Path | None = None,
    is_exclusive: bool = False,
) -> list[str]:
    """Return the command line of a worker that ends with the process that starts it.

    Args:
        pool: its work pool.
        jobs_at_once: how many jobs it runs.
        notification_socket: where it listens for web processes of this machine.
        ready_file: made by the worker once it takes jobs.
        is_exclusive: no other worker serves the pool; of a pool that others serve, it hears of
            news through Prefect's events as well, as they may come from other machines.
    """
    command = [sys.executable, "-m", "pygeoapi_prefect.engine.worker", "--follow-parent"]
    command += ["--pool", pool, "--workers", str(jobs_at_once)]
    command += ["--notification-socket", str(notification_socket)]
    if ready_file:
        command += ["--ready-file", str(ready_file)]
    return [*command, "--exclusive" if is_exclusive else "--events"]


def is_prefect_cloud() -> bool:
    """Return whether the Prefect of this process is Prefect Cloud; no other needs a key."""
    return bool(os.environ.get("PREFECT_API_KEY"))


def worker_environment(api_url: str, snapshot: Path) -> dict[str, str]:
    """Return what a worker and its jobs need in their environment, wherever Prefect is.

    Prefect is addressed directly, as web processes do it, unless it is Prefect Cloud (which has a
    key): many institutions have a proxy for the outside world, and nothing says why a worker does
    not start that asks it for Prefect.

    Args:
        api_url: of Prefect.
        snapshot: the configuration that they read.
    """
    return {
        **(
            {}
            if is_prefect_cloud()
            else directly(urlsplit(api_url).hostname or "localhost", os.environ)
        ),
        "PREFECT_API_URL": api_url,
        # What waits for Prefect does so in our own way: a restart must not cost a job half a
        # minute.
        "PREFECT_CLIENT_MAX_RETRIES": "2",
        # Only a safety net: a worker is told of what comes from web processes.
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        ENVIRONMENT_VARIABLE: str(snapshot),
    }
