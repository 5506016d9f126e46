"""Open datasets of rasterio: cloud-optimized GeoTIFF."""

from pathlib import Path
from typing import Any

from pygeoapi_prefect.results.writers.functions import Functions


def _cog(dataset: Any, path: Path) -> None:
    from rasterio.shutil import copy

    if dataset.closed:
        raise ValueError(
            f"the dataset {dataset.name!r} is closed; return it before its `with` block ends, or "
            "return the path of a file"
        )
    copy(dataset, path, driver="COG")


RASTERS = Functions({"image/tiff; application=geotiff; profile=cloud-optimized": _cog})
