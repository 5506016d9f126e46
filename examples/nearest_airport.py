"""How far is it to the nearest airport? A vanilla pygeoapi process with real work to do.

It knows nothing of Prefect: all it takes from this project is `job`, which does nothing outside a
job. The same class runs under any pygeoapi manager.
"""

import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from airport_distance import (
    MAXIMUM_CELLS,
    Airports,
    DistanceFinder,
    Grid,
    farthest_cell,
    make_grid,
    nearest_airport,
    read_airports,
    summarize,
    write_geotiff,
)
from distance_map import MapText, degrees, draw_map, kilometres
from numpy.typing import NDArray
from pygeoapi.process.base import BaseProcessor, ProcessorExecuteError

from pygeoapi_prefect import job

DEFAULT_BBOX = [-125, 24, -66, 50]
DEFAULT_RESOLUTION = 0.25
LARGEST_RESOLUTION = 10
BLOCKS = 40  # progress is told, and cancelling noticed, about this often
MEDIA_TYPES = {"raster": "image/tiff; application=geotiff", "map": "image/png"}

PROCESS_METADATA: dict[str, Any] = {
    "version": "1.0.0",
    "id": "nearest-airport",
    "title": "Distance to the nearest airport",
    "description": "The geodesic distance on the WGS 84 ellipsoid from the centre of each cell of "
    "a regular longitude/latitude grid to the nearest of 3,376 airports, nearly all of them in "
    "the United States: as a GeoTIFF, as a map and in figures.",
    "keywords": ["airport", "distance", "geodesic", "raster", "map"],
    "jobControlOptions": ["sync-execute", "async-execute"],
    "links": [
        {
            "type": "text/html",
            "rel": "about",
            "title": "C. F. F. Karney: Algorithms for geodesics (2013)",
            "href": "https://doi.org/10.1007/s00190-012-0578-z",
            "hreflang": "en",
        }
    ],
    "inputs": {
        "bbox": {
            "title": "Bounding box",
            "description": "West, south, east and north edge in degrees (longitude and latitude, "
            "WGS 84). The default is the contiguous United States.",
            "keywords": ["extent", "area"],
            "minOccurs": 0,
            "maxOccurs": 1,
            "schema": {
                "type": "array",
                "items": {"type": "number"},
                "minItems": 4,
                "maxItems": 4,
                "default": DEFAULT_BBOX,
            },
        },
        "resolution": {
            "title": "Resolution",
            "description": "The largest side of a cell in degrees. Cells are made just so much "
            f"smaller that a whole number of them fills the box; at most {MAXIMUM_CELLS:,} cells.",
            "keywords": ["cell size"],
            "minOccurs": 0,
            "maxOccurs": 1,
            "schema": {
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": LARGEST_RESOLUTION,
                "default": DEFAULT_RESOLUTION,
            },
        },
        "state": {
            "title": "State",
            "description": "Count only the airports of this state (postal code, such as TX).",
            "keywords": ["filter"],
            "minOccurs": 0,
            "maxOccurs": 1,
            "schema": {"type": "string", "pattern": "^[A-Z]{2}$"},
        },
    },
    "outputs": {
        "raster": {
            "title": "Raster",
            "description": "GeoTIFF: kilometres as 32-bit floats, EPSG:4326, north up.",
            "schema": {
                "type": "string",
                "contentEncoding": "binary",
                "contentMediaType": MEDIA_TYPES["raster"],
            },
        },
        "map": {
            "title": "Map",
            "description": "PNG: the same field as a picture, with contours and airports.",
            "schema": {
                "type": "string",
                "contentEncoding": "binary",
                "contentMediaType": MEDIA_TYPES["map"],
            },
        },
        "summary": {
            "title": "Summary",
            "description": "The grid, the largest, mean and median distance over its cells "
            "(each counts once, whatever its area), and the farthest cell's centre.",
            "schema": {
                "type": "object",
                "contentMediaType": "application/json",
                "properties": {
                    "airports": {"type": "integer"},
                    "bbox": {"type": "array", "items": {"type": "number"}},
                    "resolution": {"type": "number"},
                    "columns": {"type": "integer"},
                    "rows": {"type": "integer"},
                    "cells": {"type": "integer"},
                    "cells_beyond_100_km": {"type": "integer"},
                    "distance_km": {"type": "object"},
                    "farthest": {"type": "object"},
                },
            },
        },
    },
    "example": {"inputs": {"bbox": DEFAULT_BBOX, "resolution": DEFAULT_RESOLUTION}},
}


class NearestAirportProcessor(BaseProcessor):
    """Computes the distance to the nearest airport, block by block."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        """Take the processor's part of the pygeoapi configuration."""
        super().__init__(processor_def, PROCESS_METADATA)
        self.supports_outputs = True

    def execute(
        self, data: dict[str, Any], outputs: Collection[str] | None = None
    ) -> tuple[str | None, dict[str, Any] | None]:
        """Compute, publish the raster and the map through `job`, return the summary.

        Args:
            data: the inputs, as in the process description.
            outputs: the ids of the outputs that are wanted (a list, or a mapping by id); all of
                them if None or empty.

        Returns:
            `application/json` and the summary, or None twice if it was not asked for.

        Raises:
            ProcessorExecuteError: an input makes no sense, or the job was dismissed.
        """
        wanted = set(outputs or PROCESS_METADATA["outputs"])
        if unknown := wanted - set(PROCESS_METADATA["outputs"]):
            raise ProcessorExecuteError(user_msg=f"outputs: there is no {min(unknown)!r}")
        bbox, resolution, state = _inputs(data)
        try:
            airports, grid = read_airports(state), make_grid(bbox, resolution)
        except ValueError as error:
            raise ProcessorExecuteError(user_msg=str(error)) from error

        files = [name for name in MEDIA_TYPES if name in wanted]
        distances = compute_distances(grid, airports, steps_after=len(files))
        with tempfile.TemporaryDirectory() as folder:
            for number, name in enumerate(files, 1):
                path = Path(folder) / name
                if name == "raster":
                    write_geotiff(path, grid, distances)
                else:
                    draw_airport_map(path, grid, distances, airports, state)
                job.output(name, path, media_type=MEDIA_TYPES[name])
                job.progress(BLOCKS + number, BLOCKS + len(files), f"Wrote the {name}")
        if "summary" not in wanted:
            return None, None
        return "application/json", summarize(grid, distances, airports) | {"resolution": resolution}


def compute_distances(grid: Grid, airports: Airports, steps_after: int = 0) -> NDArray[np.float32]:
    """Compute the distance from every cell's centre to its nearest airport, in blocks of rows.

    Args:
        grid: the cells.
        airports: the airports that count.
        steps_after: how many steps the job will take afterwards, each counted as one block.

    Returns:
        Kilometres, shape (rows, columns).

    Raises:
        ProcessorExecuteError: the job was dismissed meanwhile.
    """
    finder = DistanceFinder(airports)
    longitudes, latitudes = grid.longitudes(), grid.latitudes()
    distances = np.empty((grid.rows, grid.columns), dtype=np.float32)
    for block in np.array_split(np.arange(grid.rows), min(BLOCKS, grid.rows)):
        if job.cancel_requested():
            raise ProcessorExecuteError(user_msg="stopped, because the job was dismissed")
        distances[block] = finder.kilometres(
            np.tile(longitudes, block.size), np.repeat(latitudes[block], grid.columns)
        ).reshape(block.size, grid.columns)
        first, last = int(block[0]) + 1, int(block[-1]) + 1
        job.progress(
            BLOCKS * last / grid.rows,
            BLOCKS + steps_after,
            f"Rows {first}-{last} of {grid.rows}",
        )
    return distances


def _inputs(data: dict[str, Any]) -> tuple[tuple[float, float, float, float], float, str | None]:
    # pygeoapi's own managers do not look at the schemas, so this does. What makes a box or a
    # state is for the computing to say.
    def is_degrees(value: object) -> bool:
        return isinstance(value, int | float) and type(value) is not bool and abs(value) <= 360

    bbox, state = data.get("bbox", DEFAULT_BBOX), data.get("state")
    resolution = data.get("resolution", DEFAULT_RESOLUTION)
    if not (isinstance(bbox, list | tuple) and len(bbox) == 4 and all(map(is_degrees, bbox))):
        raise ProcessorExecuteError(
            user_msg="bbox: must be four numbers of degrees: west, south, east, north"
        )
    if not (is_degrees(resolution) and 0 < resolution <= LARGEST_RESOLUTION):
        raise ProcessorExecuteError(
            user_msg=f"resolution: must be degrees above 0 and at most {LARGEST_RESOLUTION}"
        )
    west, south, east, north = bbox
    return (west, south, east, north), resolution, state


def draw_airport_map(
    path: Path,
    grid: Grid,
    distances: NDArray[np.float32],
    airports: Airports,
    state: str | None = None,
) -> None:
    """Draw the field with its airports as a PNG and mark the farthest cell."""
    longitude, latitude = farthest_cell(grid, distances)
    nearest = nearest_airport(airports, longitude, latitude)
    text = MapText(
        title=f"How far is the nearest airport{f' in {state}' if state else ''}?",
        subtitle=f"Geodesic distance on the WGS 84 ellipsoid from each of {grid.columns:,} by "
        f"{grid.rows:,} cells, {len(airports.codes):,} airports",
        source="Airports: airports.csv of vega_datasets 0.9.0, public domain. "
        "It lists airports of the United States; those of neighbouring countries do not count.",
        mark=f"Farthest: {kilometres(float(distances.max()))} km\n"
        f"from {airports.names[nearest]} ({airports.codes[nearest]})\n"
        f"at {degrees(latitude, 'N', 'S')}, {degrees(longitude, 'E', 'W')}",
    )
    draw_map(
        path,
        distances,
        grid.bounds,
        (airports.longitudes, airports.latitudes),
        (longitude, latitude),
        text,
    )
