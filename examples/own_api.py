"""Processes in a FastAPI application of one's own, without any pygeoapi configuration.

    uvicorn own_api:app --app-dir examples

The processes are those of the files in `examples/processes`; the embedded Prefect starts with the
first request that needs it.
"""

from pathlib import Path

from fastapi import FastAPI

from pygeoapi_prefect.asgi import Processes

HERE = Path(__file__).parent

app = FastAPI(title="An application of one's own")


@app.get("/")
def welcome() -> dict[str, str]:
    """Say where the processes are."""
    return {"processes": "/ogc/processes"}


processes = Processes(
    processes_dir=HERE / "processes",
    connection="demo-output/own-api/state",
    output_dir="demo-output/own-api/results",
    title="Processes of one's own",
)
app.include_router(processes.router, prefix="/ogc")
