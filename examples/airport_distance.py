"""Distances from the cells of a grid to the nearest airport. Knows nothing of jobs or pygeoapi."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import Geod
from rasterio.transform import from_bounds
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]

AIRPORTS_CSV = Path(__file__).parent / "data" / "airports.csv"
MAXIMUM_CELLS = 4_000_000
NODATA = -9999.0  # every cell has a distance; declared for those who mosaic or clip
WGS84 = Geod(ellps="WGS84")


@dataclass(frozen=True)
class Airports:
    """Airports; all four fields have one length. Coordinates in degrees, WGS 84."""

    codes: tuple[str, ...]
    names: tuple[str, ...]
    longitudes: Floats
    latitudes: Floats


@dataclass(frozen=True)
class Grid:
    """A box in degrees, filled exactly by rows of equal cells; the first row is northernmost."""

    west: float
    south: float
    east: float
    north: float
    columns: int
    rows: int

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north edge."""
        return self.west, self.south, self.east, self.north

    def longitudes(self) -> Floats:
        """Return the longitudes of the cell centres, from west to east."""
        return self.west + (np.arange(self.columns) + 0.5) * (self.east - self.west) / self.columns

    def latitudes(self) -> Floats:
        """Return the latitudes of the cell centres, from north to south."""
        return self.north - (np.arange(self.rows) + 0.5) * (self.north - self.south) / self.rows


def read_airports(state: str | None = None) -> Airports:
    """Read the airports of the list, or only those of one state.

    Args:
        state: the postal code of the state, for example `TX`; None for all airports.

    Raises:
        ValueError: the list has no airport in that state.
    """
    with AIRPORTS_CSV.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if state in (None, row["state"])]
    if not rows:
        raise ValueError(f"state: no airport is listed for {state!r}; give a code such as 'TX'")
    return Airports(
        codes=tuple(row["iata"] for row in rows),
        names=tuple(row["name"] for row in rows),
        longitudes=np.array([float(row["longitude"]) for row in rows]),
        latitudes=np.array([float(row["latitude"]) for row in rows]),
    )


def make_grid(bbox: tuple[float, float, float, float], resolution: float) -> Grid:
    """Lay a grid over a box.

    Args:
        bbox: west, south, east and north edge in degrees.
        resolution: the largest side of a cell in degrees. Cells are made just so much smaller
            that a whole number of them fills the box.

    Raises:
        ValueError: the box is none, or the grid would have more than 4 million cells.
    """
    west, south, east, north = map(float, bbox)
    if not -180 <= west < east <= 180:
        raise ValueError(
            f"bbox: west must be less than east, both from -180 to 180, not {west:g} and {east:g}; "
            "split a box that crosses the antimeridian in two"
        )
    if not -90 <= south < north <= 90:
        raise ValueError(
            f"bbox: south must be less than north, both from -90 to 90, not {south:g} and {north:g}"
        )
    if not 0 < resolution < math.inf:
        raise ValueError(f"resolution: must be above 0, not {resolution:g}")
    # A millionth of a cell is forgiven: (0.7 - 0.1) / 0.1 is a little more than 6 in floats.
    across = max((east - west) / resolution - 1e-6, 1)
    down = max((north - south) / resolution - 1e-6, 1)
    # Compared before rounding too: a tiny resolution makes infinity, which cannot be rounded.
    if across * down > MAXIMUM_CELLS or math.ceil(across) * math.ceil(down) > MAXIMUM_CELLS:
        raise ValueError(
            f"resolution: {resolution:g} degrees makes more than {MAXIMUM_CELLS:,} cells of this "
            "box; ask for larger cells or a smaller box"
        )
    return Grid(west, south, east, north, columns=math.ceil(across), rows=math.ceil(down))


class DistanceFinder:
    """Finds the exact distance to the nearest of some airports."""

    # Why the geodesic to a few candidates is enough. How long a piece of a path is for its angle
    # depends on the radius of curvature, which on an ellipsoid lies between b^2/a (along the
    # meridian at the equator) and a^2/b (at the poles). So every geodesic is between b^2/a and
    # a^2/b times as long as the angle between its ends on a sphere with the same coordinates, and
    # the nearest airport is never more than (a/b)^3 = 1.0101 times as far by angle as the airport
    # nearest by angle. All airports up to there are candidates, mostly one or two. Nothing is
    # approximate; the small extras below only cover rounding.
    _SPREAD = (WGS84.a / WGS84.b) ** 3 + 1e-5

    def __init__(self, airports: Airports) -> None:
        """Build the search tree over the airports as points on the unit sphere."""
        self._airports = airports
        self._tree = cKDTree(_unit_vectors(airports.longitudes, airports.latitudes))

    def kilometres(self, longitudes: Floats, latitudes: Floats) -> Floats:
        """Return the distance from each place to its nearest airport; all arrays are flat."""
        places = _unit_vectors(longitudes, latitudes)
        chords, _ = self._tree.query(places)
        angles = 2 * np.arcsin(np.minimum(chords / 2, 1)) * self._SPREAD + 1e-9
        reach = 2 * np.sin(np.minimum(angles, np.pi) / 2) + 1e-12
        candidates = self._tree.query_ball_point(places, reach)
        counts = np.fromiter(map(len, candidates), dtype=np.intp, count=len(candidates))
        airport = np.concatenate(candidates).astype(np.intp)
        metres = WGS84.inv(
            np.repeat(longitudes, counts),
            np.repeat(latitudes, counts),
            self._airports.longitudes[airport],
            self._airports.latitudes[airport],
        )[2]
        first_of_each = np.cumsum(counts) - counts
        nearest: Floats = np.minimum.reduceat(metres, first_of_each)
        return nearest / 1000


def nearest_airport(airports: Airports, longitude: float, latitude: float) -> int:
    """Return the row number of the airport nearest to one place, by looking at all of them."""
    number = len(airports.codes)
    metres = WGS84.inv(
        np.full(number, longitude),
        np.full(number, latitude),
        airports.longitudes,
        airports.latitudes,
    )[2]
    return int(np.argmin(metres))


def farthest_cell(grid: Grid, distances: NDArray[np.float32]) -> tuple[float, float]:
    """Return longitude and latitude of the farthest cell's centre, the northernmost of several."""
    row, column = np.unravel_index(np.argmax(distances), distances.shape)
    return float(grid.longitudes()[column]), float(grid.latitudes()[row])


def summarize(grid: Grid, distances: NDArray[np.float32], airports: Airports) -> dict[str, Any]:
    """Put the field in figures; the same field always gives the same figures."""
    longitude, latitude = farthest_cell(grid, distances)
    nearest = nearest_airport(airports, longitude, latitude)
    return {
        "airports": len(airports.codes),
        "bbox": list(grid.bounds),
        "columns": grid.columns,
        "rows": grid.rows,
        "cells": distances.size,
        "cells_beyond_100_km": int(np.count_nonzero(distances > 100)),
        "distance_km": {
            "maximum": round(float(distances.max()), 3),
            "mean": round(float(distances.mean(dtype=np.float64)), 3),
            "median": round(float(np.median(distances)), 3),
        },
        "farthest": {
            "longitude": round(longitude, 6),
            "latitude": round(latitude, 6),
            "airport_code": airports.codes[nearest],
            "airport_name": airports.names[nearest],
        },
    }


def write_geotiff(path: Path, grid: Grid, distances: NDArray[np.float32]) -> None:
    """Write distances (kilometres, shape (rows, columns)) as a deflate-compressed GeoTIFF."""
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=grid.columns,
        height=grid.rows,
        count=1,
        dtype="float32",
        crs="EPSG:4326",
        transform=from_bounds(*grid.bounds, grid.columns, grid.rows),
        nodata=NODATA,
        compress="deflate",
        predictor=3,
        tiled=True,
        blockxsize=256,
        blockysize=256,
    ) as raster:
        raster.write(distances, 1)
        raster.set_band_description(1, "distance to the nearest airport")
        raster.units = ("km",)


def _unit_vectors(longitudes: Floats, latitudes: Floats) -> Floats:
    east, north = np.radians(longitudes), np.radians(latitudes)
    return np.column_stack(
        (np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north))
    )
