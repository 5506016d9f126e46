"""A processor on libraries that are imported before the fork and used after it."""

from typing import Any

import numpy
import rasterio
import requests
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from tests.support.processors import BaseProcessor, description

# Makes the thread pool of the linear algebra library before the fork, as an import may.
SQUARE = numpy.ones((400, 400)) @ numpy.ones((400, 400))


class LibrariesProcessor(BaseProcessor):
    """Multiplies with threads, writes a raster with GDAL, asks a server."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(processor_def, description("libraries"))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        product = SQUARE @ SQUARE
        shape = {"width": 10, "height": 10, "count": 1, "dtype": "float32"}
        location = {"crs": "EPSG:4326", "transform": from_origin(5, 50, 1, 1)}
        with MemoryFile() as memory:
            with memory.open(driver="GTiff", **shape, **location) as raster:
                raster.write(product[:10, :10].astype("float32"), 1)
            with memory.open() as raster:
                bounds = list(raster.bounds)
        answer = requests.get(data["url"], timeout=10)
        return "application/json", {
            "product": float(product[0, 0]),
            "bounds": bounds,
            "status": answer.status_code,
            "gdal": rasterio.__gdal_version__,
        }
