"""Where deployments of older versions, and images with them, look for the flow."""

from pygeoapi_prefect.engine.runner.flow import run_job

__all__ = ["run_job"]
