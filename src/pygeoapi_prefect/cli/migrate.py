"""`doctor --migrate`: the configuration of the earlier plugin, as it is written now."""

from pathlib import Path
from typing import Any

import click
import yaml

from pygeoapi_prefect.config.configuration_file import process_resources
from pygeoapi_prefect.config.earlier_plugin import translated
from pygeoapi_prefect.errors import ConfigurationError, Fault

_NAME = "pygeoapi_prefect.PrefectManager"


def print_present_form(config: Path) -> None:
    """Print `server.manager` and the processes of a configuration in the present words.

    References to variables of the environment stay what they are; comments are lost.

    Args:
        config: the pygeoapi configuration.

    Raises:
        ConfigurationError: it cannot be read, or is no pygeoapi configuration.
    """
    try:
        # Without pygeoapi's loader, which puts in the environment, secrets and all.
        content = yaml.safe_load(config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _wrong(config, f"cannot be read: {error}") from None
    server: Any = content.get("server") if isinstance(content, dict) else None
    if not isinstance(server, dict) or not isinstance(content.get("resources") or {}, dict):
        raise _wrong(config, "this is not a pygeoapi configuration")
    content["resources"] = {
        name: each
        for name, each in (content.get("resources") or {}).items()
        if isinstance(each, dict)
    }
    manager = server.get("manager")
    found = translated(manager if isinstance(manager, dict) else {}, process_resources(content))
    section: dict[str, Any] = {**found.section["manager"], "name": _NAME}
    for note in found.notes:
        click.echo(f"# {note}")
    if not {"output_dir", "result_storage"} & section.keys():
        click.echo(
            "# With a Prefect server elsewhere (PREFECT_API_URL, or prefect_api_url below), add\n"
            "# output_dir or result_storage to server.manager: the place for results."
        )
    present = {"server": {"manager": section}, "resources": found.section["resources"]}
    click.echo(yaml.safe_dump(present, sort_keys=False, allow_unicode=True), nl=False)


def _wrong(config: Path, message: str) -> ConfigurationError:
    return ConfigurationError(str(config), [Fault("/", message)])
