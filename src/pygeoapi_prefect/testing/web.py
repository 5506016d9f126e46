"""pygeoapi's own web application over a service in memory: HTTP without a socket."""

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4
from warnings import catch_warnings, simplefilter

import httpx
import yaml
from pygeoapi.openapi import get_oas

from pygeoapi_prefect.faces.pygeoapi.generation import extend_generation
from pygeoapi_prefect.faces.pygeoapi.manager import PrefectManager
from pygeoapi_prefect.service.processes import ProcessService

URL = "http://pygeoapi.test"
# By the manager section's `connection`: pygeoapi makes managers by itself, from text alone.
_services: dict[str, ProcessService] = {}


class InMemoryManager(PrefectManager):
    """The manager of a service that is there already."""

    def _open_service(
        self, manager: Mapping[str, Any], resources: Mapping[str, Any]
    ) -> Callable[[], ProcessService]:
        service = _services[str(manager["connection"])]
        return lambda: service


def open_client(
    folder: Path, service: ProcessService, resources: Mapping[str, Any]
) -> httpx.Client:
    """Return an HTTP client of pygeoapi over a service.

    Args:
        folder: where pygeoapi finds its configuration.
        service: what does the work.
        resources: process id -> resource.
    """
    _services[str(folder)] = service
    configuration = _configuration(folder, resources)
    documents = {
        "PYGEOAPI_CONFIG": folder / "pygeoapi-config.yml",
        "PYGEOAPI_OPENAPI": folder / "openapi.yml",
    }
    documents["PYGEOAPI_CONFIG"].write_text(yaml.safe_dump(configuration), encoding="utf-8")
    variables = {name: str(path) for name, path in documents.items()}
    with patch.dict(os.environ, variables), catch_warnings():
        # pygeoapi has models in the old style of pydantic; that is not what is being tested.
        simplefilter("ignore", DeprecationWarning)
        extend_generation()
        openapi = yaml.safe_dump(get_oas(configuration, fail_on_invalid_collection=False))
        documents["PYGEOAPI_OPENAPI"].write_text(openapi, encoding="utf-8")
        application = _application()
    return httpx.Client(transport=httpx.WSGITransport(app=application), base_url=URL)


def forget(folder: Path) -> None:
    """Forget the service of a folder."""
    _services.pop(str(folder), None)


def _application() -> Any:
    """Return an application of its own: pygeoapi's module makes one when it is imported."""
    spec = importlib.util.find_spec("pygeoapi.flask_app")
    assert spec is not None and spec.loader is not None  # noqa: S101
    name = f"{__name__}_{uuid4().hex}"
    own = importlib.util.spec_from_file_location(name, str(spec.origin))
    assert own is not None and own.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(own)
    sys.modules[name] = module
    try:
        own.loader.exec_module(module)
    finally:
        del sys.modules[name]
    return module.APP


def _configuration(folder: Path, resources: Mapping[str, Any]) -> dict[str, Any]:
    """Return the least that pygeoapi needs to know beside the processes."""
    words = {"title": "Test", "description": "Test", "keywords": ["test"], "url": URL}
    roles = "name position address city stateorprovince postalcode country phone fax email hours"
    contact = dict.fromkeys((*roles.split(), "instructions", "role"), "-")
    return {
        "server": {
            "bind": {"host": "127.0.0.1", "port": 80},
            "url": URL,
            "mimetype": "application/json; charset=UTF-8",
            "encoding": "utf-8",
            "languages": ["en-US"],
            "limits": {"default_items": 20, "max_items": 500},
            "map": {"url": f"{URL}/{{z}}/{{x}}/{{y}}.png", "attribution": "none"},
            "manager": {
                "name": f"{InMemoryManager.__module__}.{InMemoryManager.__qualname__}",
                "connection": str(folder),
            },
        },
        "logging": {"level": "ERROR"},
        "metadata": {
            "identification": {**words, "keywords_type": "theme", "terms_of_service": URL},
            "license": {"name": "-", "url": URL},
            "provider": {"name": "-", "url": URL},
            "contact": {**contact, "url": URL},
        },
        "resources": dict(resources),
    }
