"""Flows that use the one name that this package offers them."""

import tempfile
from pathlib import Path
from typing import Any

from prefect import flow

from pygeoapi_prefect import job


@flow
def raster() -> bytes:
    """Return bytes."""
    job.progress(1, 2, "Half of it")
    return bytes(range(256))


@flow
def drawing() -> tuple[str, Path]:
    """Return a file with its media type."""
    path = Path(tempfile.mkdtemp()) / "map.dat"
    path.write_bytes(b"\x89PNG and more")
    return "image/png", path


@flow
def both() -> dict[str, Any]:
    """Return several outputs."""
    path = Path(tempfile.mkdtemp()) / "map.png"
    path.write_bytes(b"\x89PNG and more")
    return {"map": path, "mean": 2.5, "table": ("text/csv", "a,b\n")}


@flow
def published(size: int = 1000) -> None:
    """Publish outputs and return nothing."""
    path = Path(tempfile.mkdtemp()) / "raster.tif"
    path.write_bytes(bytes(size))
    job.output("map", path, media_type="image/tiff; application=geotiff")
    job.output("table", b"a,b\n", media_type="text/csv")


@flow
def who() -> dict[str, Any]:
    """Say which job this is."""
    return {"id": job.id, "attempt": job.attempt, "cancelled": job.cancel_requested()}


@flow
def fields() -> dict[str, Any]:
    """Return objects of libraries."""
    import geopandas
    import matplotlib.figure
    from shapely.geometry import Point

    frame = geopandas.GeoDataFrame({"name": ["Bergen"]}, geometry=[Point(5, 60)], crs=4326)
    job.output("map", matplotlib.figure.Figure())
    return {"table": frame, "mean": 2.5}
