"""The OpenAPI 3.0 document of a service: what it offers, said so that programs understand it.

Pure: knows neither which processes there are nor who serves the document. Everything it refers to
is in itself.
"""

from pygeoapi_prefect.ogc.openapi.document import About, openapi_document
from pygeoapi_prefect.ogc.openapi.offers import OfferedInput, OfferedOutput, OfferedProcess
from pygeoapi_prefect.ogc.openapi.surface import NATIVE, PYGEOAPI, Surface

__all__ = [
    "NATIVE",
    "PYGEOAPI",
    "About",
    "OfferedInput",
    "OfferedOutput",
    "OfferedProcess",
    "Surface",
    "openapi_document",
]
