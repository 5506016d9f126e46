"""Where configurations of the earlier plugin look for the manager."""

from pygeoapi_prefect.faces.pygeoapi.manager import PrefectManager

__all__ = ["PrefectManager"]
