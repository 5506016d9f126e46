"""Datasets and arrays of xarray: NetCDF, and Zarr in one file."""

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from pygeoapi_prefect.results.writers.functions import Functions

# Without one of them xarray writes NetCDF 3, which knows neither 64-bit integers nor groups.
_ENGINES = {"netCDF4": "netcdf4", "h5netcdf": "h5netcdf"}


def _netcdf(dataset: Any, path: Path) -> None:
    installed = [engine for package, engine in _ENGINES.items() if find_spec(package)]
    if not installed:
        raise ModuleNotFoundError("xarray needs netCDF4 or h5netcdf for it", name="netCDF4")
    dataset.to_netcdf(path, engine=installed[0])


def _zarr(dataset: Any, path: Path) -> None:
    folder = path.with_name(f"{path.name}.zarr")
    with warnings.catch_warnings():
        # Readers that do not know it pass over it; xarray warns where it is missing.
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        dataset.to_zarr(folder, consolidated=True)
    # Written straight into the archive, metadata would be there once for each time it changed.
    # Nothing is compressed twice, so that readers find each chunk by its place.
    with ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))


DATASETS = Functions(
    {
        "application/x-netcdf": _netcdf,
        "application/netcdf": _netcdf,
        "application/zarr+zip": _zarr,
        "application/zip": _zarr,
    }
)
