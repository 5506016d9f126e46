"""Tables of pandas and geopandas: GeoJSON, GeoPackage, Parquet, CSV."""

from pathlib import Path
from typing import Any

from pygeoapi_prefect.results.writers.functions import Functions

_PARQUET = "application/vnd.apache.parquet"


def _geojson(frame: Any, path: Path) -> None:
    if frame.crs is None:
        raise ValueError(
            "GeoJSON is in longitude and latitude (RFC 7946), but the frame does not say in what "
            "its coordinates are; say it with `frame.set_crs(...)`"
        )
    # GDAL then turns coordinates into longitude and latitude, and rings the right way round.
    frame.to_file(path, driver="GeoJSON", engine="pyogrio", RFC7946="YES")


def _geopackage(frame: Any, path: Path) -> None:
    named = path.with_name(f"{path.name}.gpkg")  # the format's own rule
    frame.to_file(named, driver="GPKG", engine="pyogrio", layer=path.name)
    named.rename(path)


def _parquet(frame: Any, path: Path) -> None:
    frame.to_parquet(path, engine="pyarrow")


def _csv(frame: Any, path: Path) -> None:
    from pandas.api.types import is_integer_dtype

    # An index of nothing but numbers of rows says nothing; as in the files of geopandas.
    is_named = any(name is not None for name in frame.index.names)
    frame.to_csv(path, index=is_named or not is_integer_dtype(frame.index))


GEO_DATA_FRAMES = Functions(
    {
        "application/geo+json": _geojson,
        "application/geopackage+sqlite3": _geopackage,
        _PARQUET: _parquet,
    }
)
DATA_FRAMES = Functions({"text/csv": _csv, _PARQUET: _parquet})
