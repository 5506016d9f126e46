"""The Prefect block through which flows store what they return, where that is an object store."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pygeoapi_prefect.config.manager_settings import ManagerSettings
from pygeoapi_prefect.engine.prefect_api.names import names_of
from pygeoapi_prefect.results.files import is_secret, local_folder
from pygeoapi_prefect.results.storage import RETURNED


@dataclass(frozen=True)
class ResultsBlock:
    """A block.

    Attributes:
        name: `<block type>/<name>`.
        data: what it is to hold; None = it exists, an operator made it.
    """

    name: str
    data: Mapping[str, Any] | None = None


def results_block(settings: ManagerSettings) -> ResultsBlock | None:
    """Return the block of a service, None if its results are in a folder."""
    if settings.results_block:
        return ResultsBlock(settings.results_block)
    if local_folder(settings.results_url) is not None:
        return None
    name = names_of(settings.work_pool).block
    data = {
        "basepath": f"{settings.results_url.rstrip('/')}/{RETURNED}",
        # No secrets: all who may read blocks could read them. Flows find theirs where their
        # worker or their image has them.
        "settings": public_options(settings),
    }
    return ResultsBlock(f"remote-file-system/{name}", data)


def public_options(settings: ManagerSettings) -> dict[str, Any]:
    """Return the options of result storage that are no secrets."""
    options = settings.result_storage_options
    return _public(options.get_secret_value()) if options else {}


def _public(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _public(value) if isinstance(value, Mapping) else value
        for key, value in options.items()
        if not is_secret(key)
    }
