"""Figures of matplotlib and images of Pillow: PNG, and what else each of them is asked for."""

from pygeoapi_prefect.results.writers.functions import Functions

FIGURES = Functions(
    {
        "image/png": lambda figure, path: figure.savefig(path, format="png"),
        "image/svg+xml": lambda figure, path: figure.savefig(path, format="svg"),
        "application/pdf": lambda figure, path: figure.savefig(path, format="pdf"),
    }
)
IMAGES = Functions(
    {
        "image/png": lambda image, path: image.save(path, format="PNG"),
        "image/jpeg": lambda image, path: image.save(path, format="JPEG"),
    }
)
