"""The OpenAPI document that pygeoapi generates, with the truth about processes and jobs.

pygeoapi's own says of every process that it takes anything, and refers to files on other servers.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pygeoapi.process.manager.base import get_manager

from pygeoapi_prefect.config.configuration_file import limits_of
from pygeoapi_prefect.faces.pygeoapi.manager import PrefectManager
from pygeoapi_prefect.ogc.openapi import PYGEOAPI, OfferedProcess, Surface
from pygeoapi_prefect.ogc.openapi.document import components_of, paths_of, tags_of

_OURS = ("/processes", "/jobs")
# Of pygeoapi's own parameters, the one that we use.
_FORMAT = "f"
_REFERENCE = "#/components/"


def with_own_paths(configuration: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Return a document of pygeoapi with what our service says of processes and jobs.

    Args:
        configuration: pygeoapi's.
        document: as pygeoapi made it; of a service with another manager it stays as it is.
    """
    manager = get_manager(configuration)
    if not isinstance(manager, PrefectManager):
        return document
    default, most = limits_of(configuration)
    surface = replace(PYGEOAPI, default_items=default, max_items=most)
    return merged(document, manager.service.offers.all(), surface)


def merged(
    document: Mapping[str, Any],
    processes: Mapping[str, OfferedProcess],
    surface: Surface = PYGEOAPI,
) -> dict[str, Any]:
    """Return a document with the paths of processes and jobs replaced by ours.

    Args:
        document: as pygeoapi made it.
        processes: id -> process.
        surface: of pygeoapi's routes.
    """
    # JSON in between: nothing in it is the same object twice, which YAML would say with anchors.
    ours = json.loads(
        json.dumps(
            _renamed(
                {
                    "tags": tags_of(processes)[1:],
                    "paths": paths_of(processes, surface),
                    "components": components_of(surface),
                }
            )
        )
    )
    theirs = {
        path: each
        for path, each in document["paths"].items()
        if not any(path == own or path.startswith(f"{own}/") for own in _OURS)
    }
    names = {tag["name"] for tag in ours["tags"]}
    components = {kind: dict(each) for kind, each in document.get("components", {}).items()}
    for kind, each in ours["components"].items():
        components[kind] = {
            **components.get(kind, {}),
            **{_own(kind, name): component for name, component in each.items()},
        }
    return {
        **document,
        "tags": [tag for tag in document["tags"] if tag["name"] not in names] + ours["tags"],
        "paths": {**theirs, **ours["paths"]},
        "components": components,
    }


def _renamed(value: Any) -> Any:
    """Return what refers to our components by the names that they get beside pygeoapi's."""
    if isinstance(value, list):
        return [_renamed(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    reference = value.get("$ref")
    if isinstance(reference, str) and reference.startswith(_REFERENCE):
        kind, _, name = reference.removeprefix(_REFERENCE).partition("/")
        return {"$ref": f"{_REFERENCE}{kind}/{_own(kind, name)}"}
    return {name: _renamed(each) for name, each in value.items()}


def _own(kind: str, name: str) -> str:
    return name if (kind, name) == ("parameters", _FORMAT) else f"processes-{name}"
