"""OGC API - Processes jobs as Prefect flow runs, for pygeoapi.

Only light names live here: pygeoapi imports this package on every command it runs, so neither
pygeoapi nor Prefect may be imported before the manager is asked for.
"""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pygeoapi_prefect.faces.pygeoapi.manager import PrefectManager
    from pygeoapi_prefect.ogc.bounding_box import BoundingBox
    from pygeoapi_prefect.running_job import Job, job

__version__ = "1.0.0a1"
__all__ = ["BoundingBox", "PrefectManager", "__version__", "job"]


def __getattr__(name: str) -> Any:
    """Import what is on offer when it is first asked for."""
    if name == "BoundingBox":
        from pygeoapi_prefect.ogc.bounding_box import BoundingBox

        return BoundingBox
    if name == "PrefectManager":
        from pygeoapi_prefect.faces.pygeoapi.manager import PrefectManager

        return PrefectManager
    if name == "job":
        return _job()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _job() -> "Job":
    """Return `job`; where a deployed flow runs as a job, it speaks for that from now on.

    Importing the package does nothing: who never asks for `job` needs nothing of this.
    """
    from pygeoapi_prefect.running_job import job

    if os.environ.get("PYGEOAPI_PREFECT_JOB") and os.environ.get("PREFECT__FLOW_RUN_ID"):
        from pygeoapi_prefect.engine.foreign_flows.job_in_flow import join

        join()
    globals()["job"] = job
    return job
