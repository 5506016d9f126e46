"""OGC API - Processes jobs as Prefect flow runs, for pygeoapi.

Only light names live here: pygeoapi imports this package on every command it runs, so neither
pygeoapi nor Prefect may be imported before somebody asks for the manager.
"""

import os
from typing import TYPE_CHECKING, Any

from pygeoapi_prefect.running_job import job

if TYPE_CHECKING:
    from pygeoapi_prefect.faces.pygeoapi.manager import PrefectManager

__version__ = "0.1.0"
__all__ = ["PrefectManager", "__version__", "job"]


def __getattr__(name: str) -> Any:
    """Import the manager when it is first asked for."""
    if name == "PrefectManager":
        from pygeoapi_prefect.faces.pygeoapi.manager import PrefectManager

        return PrefectManager
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if os.environ.get("PYGEOAPI_PREFECT_JOB") and os.environ.get("PREFECT__FLOW_RUN_ID"):
    # This process runs a deployed flow as a job: `job` is to speak for it.
    from pygeoapi_prefect.engine.foreign_flows.job_in_flow import join

    join()
