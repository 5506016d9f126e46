"""Flows as somebody wrote them who never heard of this package."""

import os
import time
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, task
from pydantic import BaseModel, Field


class Statistic(Enum):
    """What is computed of many values."""

    MEAN = "mean"
    MAX = "max"


class Point(BaseModel):
    """A place on earth."""

    lon: float = Field(ge=-180, le=180)
    lat: float = Field(ge=-90, le=90)


class Area(BaseModel):
    """A part of the earth."""

    corner: Point
    names: list[str] = []


class Tree(BaseModel):
    """A model that holds itself."""

    name: str
    children: list["Tree"] = []


@task
def unkeepable() -> Any:
    """Return what JSON cannot hold."""
    return object()


@flow
def forecast(
    days: Annotated[int, Field(ge=1, le=10)],
    statistic: Statistic = Statistic.MEAN,
    start: date = date(2024, 1, 1),
    area: Area | None = None,
    where: Point = Point(lon=7, lat=50),  # noqa: B008
    tree: Tree | None = None,
) -> dict[str, Any]:
    """Forecast the weather.

    Args:
        days: how many days.
        statistic: of each day.
    """
    unkeepable()
    return {
        "days": days,
        "statistic": statistic,
        "start": start,
        "area": area,
        "where": where,
        "types": [type(value).__name__ for value in (days, statistic, start, where)],
    }


@flow
def anything(value: Any = None) -> Any:
    """Give back what it was given."""
    return value


@flow
def table() -> tuple[str, str]:
    """Make a table."""
    return "text/csv", "a,b\n1,2\n"


@flow
def raw() -> bytes:
    """Make bytes that are no text."""
    return bytes(range(256))


@flow
def written(elsewhere: str | None = None) -> Path:
    """Write a file where Prefect keeps results, or name one elsewhere."""
    folder = Path(os.environ["PREFECT_RESULTS_LOCAL_STORAGE_PATH"])
    folder.mkdir(parents=True, exist_ok=True)  # Prefect makes it with its first result
    path = folder / "map.png"
    path.write_bytes(b"\x89PNG and more")
    return Path(elsewhere) if elsewhere else path


@task
def squared(number: int) -> int:
    """Return a square."""
    return number * number


@flow
def futures() -> Any:
    """Return futures and states."""
    return {"all": [squared.submit(2), squared.submit(3)], "one": squared(4, return_state=True)}


@flow
def moments(
    when: datetime = datetime(2024, 1, 2, 3, 4, 5),
    at: time_of_day = time_of_day(6, 30),
    within: timedelta = timedelta(hours=1),
) -> list[str]:
    """Tell what it was given."""
    return [str(when), str(at), str(within)]


@flow
def broken(text: str = "no data for 2005") -> None:
    """Fail."""
    raise ValueError(text)


@flow
def waiting(folder: str) -> str:
    """Wait for a file named `go`, after making one named `began`."""
    (Path(folder) / "began").touch()
    while not (Path(folder) / "go").exists():
        time.sleep(0.1)
    return "gone"


@flow(persist_result=True, result_serializer="pickle")
def pickled() -> dict[str, int]:
    """Keep its result as a pickle."""
    return {"answer": 42}


@task(
    persist_result=True,
    result_serializer="pickle",
    result_storage="local-file-system/older",
    result_storage_key="{parameters[job_id]}.pickle",
)
def kept(job_id: str, value: Any) -> Any:
    """Keep a value where the older convention looks for it."""
    return value


@flow
def older(
    processor_id: str, pygeoapi_job_id: str, inputs: dict[str, Any], outputs: Any = None
) -> None:
    """Follow the older convention."""
    made = {"process": processor_id, "inputs": inputs, "asked": outputs}
    kept(pygeoapi_job_id, ("application/json", made))


@task(persist_result=True, result_storage_key="{parameters[job_id]}.pickle")
def kept_beside(job_id: str, value: Any) -> Any:
    """Keep a value under a key, and leave to Prefect where."""
    return value


@flow
def earlier(
    processor_id: str, pygeoapi_job_id: str, inputs: dict[str, Any], outputs: Any = None
) -> None:
    """Follow the older convention as the earlier plugin's documentation shows it."""
    kept_beside(pygeoapi_job_id, ("text/plain", f"Hi {inputs['name']}!".encode()))


@flow
def greedy() -> int:
    """Take more memory than there is."""
    return len(b"x" * (2 << 30))
