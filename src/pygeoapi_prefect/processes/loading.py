"""Loading the functions that a configuration names."""

import importlib
from collections.abc import Callable, Hashable
from typing import Any

from pygeoapi_prefect.processes.failures import remedy_of_missing_module
from pygeoapi_prefect.text import text_of


class Unloadable(Exception):
    """A function cannot be loaded; the message says why and what to do."""


def load_function(path: str, key: str) -> Callable[..., Any]:
    """Return a function.

    Args:
        path: where it is: `package.module.name`.
        key: of the configuration, which names it.

    Raises:
        Unloadable: it cannot be loaded, or is none.
    """
    module_name, _, name = path.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        remedy = remedy_of_missing_module(error, key)
        raise Unloadable(
            f"cannot be loaded: {type(error).__name__}: {text_of(error)}{remedy}"
        ) from error
    if not hasattr(module, name):
        raise Unloadable(
            f"cannot be loaded: the module {module_name} has no {name!r}; define it there, or "
            f"correct {key}"
        )
    function: Callable[..., Any] = getattr(module, name)
    if not (callable(function) and isinstance(function, Hashable)):
        kind = type(function).__name__
        raise Unloadable(f"is no function, but a {kind}; correct {key}")
    return function
