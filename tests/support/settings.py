"""Builds checked configurations for tests that need no file."""

from collections.abc import Mapping
from typing import Any

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.manager_settings import ManagerSettings
from pygeoapi_prefect.processes.registry import Registry


def configured(resources: Mapping[str, Any], **settings: Any) -> Configuration:
    """Return a configuration of some processes and settings of the manager."""
    return Configuration(ManagerSettings(**settings), resources)


def registry_of(resources: Mapping[str, Any]) -> Registry:
    """Return the registry of some processes."""
    return Registry(configured(resources))
