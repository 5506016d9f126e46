"""How a worker is started as a program: its command line, and what its environment says."""

import sys
from pathlib import Path

from pygeoapi_prefect.config.snapshot import ENVIRONMENT_VARIABLE


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


def worker_environment(api_url: str, snapshot: Path) -> dict[str, str]:
    """Return what a worker and its jobs need in their environment, wherever Prefect is.

    Args:
        api_url: of Prefect.
        snapshot: the configuration that they read.
    """
    return {
        "PREFECT_API_URL": api_url,
        # What waits for Prefect does so in our own way: a restart must not cost a job half a
        # minute.
        "PREFECT_CLIENT_MAX_RETRIES": "2",
        # Only a safety net: a worker is told of what comes from web processes.
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        ENVIRONMENT_VARIABLE: str(snapshot),
    }
