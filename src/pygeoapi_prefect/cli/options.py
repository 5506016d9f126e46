"""Options that many commands have; as light as the package itself."""

from pathlib import Path

import click

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="PYGEOAPI_CONFIG",
    required=True,
    show_envvar=True,
    help="The pygeoapi configuration.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for programs, and nothing else."
)
