"""Reading a pygeoapi configuration file: the command line does what pygeoapi does by itself."""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from pygeoapi.config import validate_config
from pygeoapi.util import yaml_load

from pygeoapi_prefect.errors import ConfigurationError, Fault, pointer


def read_configuration_file(path: Path) -> dict[str, Any]:
    """Read a pygeoapi configuration, with environment variables put in.

    Args:
        path: the file, YAML.

    Returns:
        The configuration, valid by pygeoapi's own schema.

    Raises:
        ConfigurationError: the file cannot be read, or is no pygeoapi configuration.
    """
    try:
        with path.open(encoding="utf-8") as file:
            configuration = yaml_load(file)
    except FileNotFoundError:
        raise _wrong(
            path, "there is no such file; name one with --config or PYGEOAPI_CONFIG"
        ) from None
    except yaml.YAMLError as error:
        raise _wrong(path, f"this is not YAML: {error}") from None
    except UnicodeDecodeError:
        raise _wrong(path, "this is not text in UTF-8") from None
    except OSError as error:
        # pygeoapi raises this one, too, when an environment variable is missing.
        if error.strerror is None and (faults := _unset_variables(path)):
            raise ConfigurationError(str(path), faults) from None
        raise _wrong(path, error.strerror or str(error)) from None
    if not isinstance(configuration, dict):
        raise _wrong(path, "this is not a pygeoapi configuration: it must be a mapping")
    try:
        validate_config(_with_what_we_do_not_need(configuration))
    except jsonschema.ValidationError as error:
        fault = Fault(pointer(*error.absolute_path) or "/", error.message[:300])
        raise ConfigurationError(str(path), [fault]) from None
    return configuration


def _with_what_we_do_not_need(configuration: dict[str, Any]) -> dict[str, Any]:
    """Add the keys that pygeoapi's schema requires and that have defaults here.

    Everything about these sections is checked by our own settings; the servers of pygeoapi do not
    look at the schema at all.
    """
    server = configuration.get("server")
    manager: Any = server.get("manager") if isinstance(server, dict) else None
    if not isinstance(server, dict) or not isinstance(manager, dict):
        return configuration
    needless = {"connection": "-", "output_dir": "-"}
    return {
        **configuration,
        "server": {**server, "manager": {**needless, **manager}},
        "resources": _with_processor_names(configuration.get("resources")),
    }


def _with_processor_names(resources: Any) -> Any:
    """Name the processors that have no class: deployments in Prefect, and functions."""
    if not isinstance(resources, dict):
        return resources
    return {
        name: {**resource, "processor": {"name": "-", **resource["processor"]}}
        if isinstance(resource, dict)
        and isinstance(resource.get("processor"), dict)
        and resource["processor"].keys() & {"prefect", "function"}
        else resource
        for name, resource in resources.items()
    }


def process_resources(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return process id -> resource, as pygeoapi hands them to a manager."""
    return {
        name: resource
        for name, resource in configuration.get("resources", {}).items()
        if resource.get("type") == "process"
    }


def limits_of(configuration: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many entries a page of a list has if a client does not say, and at most."""
    limits = configuration["server"].get("limits") or {}
    # The defaults are pygeoapi's.
    return limits.get("default_items", 10), limits.get("max_items", 10)


def log_level_of(configuration: Mapping[str, Any]) -> int:
    """Return the level that a configuration of pygeoapi names, as in `logging`."""
    # pygeoapi's schema knows these names only.
    return logging.getLevelNamesMapping()[configuration["logging"]["level"]]


def _unset_variables(path: Path) -> list[Fault]:
    """Return where the file refers to variables that are not set; pygeoapi names only the first."""

    def look(node: yaml.Node | None, location: tuple[object, ...]) -> Iterator[Fault]:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                yield from look(value, (*location, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                yield from look(item, (*location, index))
        elif isinstance(node, yaml.ScalarNode) and node.style is None:  # not in quotes
            for name, default in re.findall(r"\$\{(\w+)(:-[^}]*)?\}", node.value):
                if not default and name not in os.environ:
                    message = f"the environment variable {name} is not set"
                    yield Fault(pointer(*location), message)

    return list(look(yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader), ()))


def _wrong(path: Path, message: str) -> ConfigurationError:
    return ConfigurationError(str(path), [Fault("/", message)])
