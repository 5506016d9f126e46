"""A large raster, written strip by strip: a job that is killed goes on from its last checkpoint.

What makes that work is in `execute`: the file is closed before a checkpoint says that the strip is
in it. What a library still holds in memory when the job is killed is lost.
"""

import math
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from pygeoapi.process.base import BaseProcessor
from rasterio.transform import from_origin
from rasterio.windows import Window

from pygeoapi_prefect import job

TILE = 256  # cells; a strip is as high as a tile
MEDIA_TYPE = "image/tiff; application=geotiff"

PROCESS_METADATA: dict[str, Any] = {
    "version": "1.0.0",
    "id": "sun-elevation",
    "title": "Elevation of the sun",
    "description": "How high the sun stands above the horizon, for every cell of a grid of the "
    "whole world: a GeoTIFF of degrees, to about one degree.",
    "keywords": ["sun", "raster"],
    "jobControlOptions": ["sync-execute", "async-execute"],
    "links": [],
    "inputs": {
        "when": {
            "title": "When",
            "description": "Date and time with an offset from UTC.",
            "minOccurs": 1,
            "maxOccurs": 1,
            "schema": {"type": "string", "format": "date-time"},
        },
        "resolution": {
            "title": "Resolution",
            "description": "The side of a cell in degrees.",
            "minOccurs": 0,
            "maxOccurs": 1,
            "schema": {"type": "number", "minimum": 0.01, "maximum": 10, "default": 0.1},
        },
    },
    "outputs": {
        "raster": {
            "title": "Raster",
            "description": "GeoTIFF: degrees as 32-bit floats, EPSG:4326, north up.",
            "schema": {
                "type": "string",
                "contentEncoding": "binary",
                "contentMediaType": MEDIA_TYPE,
            },
        },
    },
    "example": {"inputs": {"when": "2026-06-21T12:00:00Z", "resolution": 1}},
}


class SunElevationProcessor(BaseProcessor):
    """Computes where the sun stands, strip by strip."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        """Make the processor, as pygeoapi does."""
        super().__init__(processor_def, PROCESS_METADATA)

    def execute(self, data: dict[str, Any], outputs: Any = None) -> None:
        """Write the raster and publish it.

        Args:
            data: the inputs.
            outputs: not looked at, there is one only.
        """
        when = datetime.fromisoformat(data["when"]).astimezone(UTC)
        resolution = data.get("resolution", 0.1)
        width, height = round(360 / resolution), round(180 / resolution)

        checkpoint = job.load_checkpoint()
        if checkpoint is None or not Path(checkpoint["file"]).exists():
            folder = working_folder(job.id)
            folder.mkdir(exist_ok=True)
            # A name of its own for each start: a checkpoint never speaks of another one's file.
            checkpoint = {"file": str(folder / f"attempt-{job.attempt}.tif"), "rows": 0}
            make_raster(checkpoint["file"], width, height)

        for row in range(checkpoint["rows"], height, TILE):
            strip = Window(0, row, width, min(TILE, height - row))
            with rasterio.open(checkpoint["file"], "r+") as raster:
                raster.write(sun_elevation(when, raster.transform, strip), 1, window=strip)
            # Only now, when the file is closed, is the strip in it.
            job.save_checkpoint({**checkpoint, "rows": row + strip.height})
            job.progress(row + strip.height, height, f"{row + strip.height} of {height} rows")

        job.output("raster", checkpoint["file"], media_type=MEDIA_TYPE)
        self.remove_resources(job.id)

    def remove_resources(self, job_id: str | None) -> None:
        """Remove what a job has left: also called when a job is dismissed or removed.

        Args:
            job_id: of the job.
        """
        shutil.rmtree(working_folder(job_id), ignore_errors=True)


def working_folder(job_id: str | None) -> Path:
    """Return where a job keeps the file that it works on, from attempt to attempt."""
    return Path(tempfile.gettempdir()) / f"sun-elevation-{job_id}"


def make_raster(path: str, width: int, height: int) -> None:
    """Write an empty raster with a place for every cell.

    It is not compressed: so each cell has its place from the start, and writing a strip changes
    nothing else in the file. A kill in the middle of it spoils that strip only.

    Args:
        path: of the file.
        width: columns.
        height: rows.
    """
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=width,
        height=height,
        count=1,
        dtype="float32",
        crs="EPSG:4326",
        transform=from_origin(-180, 90, 360 / width, 180 / height),
        nodata=math.nan,
        tiled=True,
        blockxsize=TILE,
        blockysize=TILE,
    ):
        pass


def sun_elevation(
    when: datetime, transform: rasterio.Affine, window: Window
) -> NDArray[np.float32]:
    """Return how high the sun stands above the horizon.

    Args:
        when: in UTC.
        transform: from cells to longitude and latitude in degrees.
        window: of the raster.

    Returns:
        Degrees at the centres of the cells, rows by columns.

    Source:
        Cooper, P. I. (1969): The absorption of radiation in solar stills. Solar Energy 12, 333-346.
    """
    longitudes = transform.c + transform.a * (np.arange(window.width) + 0.5)
    latitudes = np.radians(
        transform.f + transform.e * (np.arange(window.height) + window.row_off + 0.5)
    )
    declination = math.radians(23.45 * math.sin(math.tau * (284 + when.timetuple().tm_yday) / 365))
    hours = when.hour + when.minute / 60 + when.second / 3600
    hour_angle = np.radians(15 * (hours - 12) + longitudes)
    sine = np.outer(np.sin(latitudes), np.full(window.width, math.sin(declination)))
    sine += np.outer(np.cos(latitudes), math.cos(declination) * np.cos(hour_angle))
    return np.degrees(np.arcsin(sine)).astype(np.float32)
