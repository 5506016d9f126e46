"""Puts what a service says of its processes into the document that pygeoapi generates.

pygeoapi makes a manager only in the middle of generating, when the patches of `patches` come too
late for that one document. So this is done when pygeoapi loads our command line, which it does
whenever it is imported: it must cost nothing, and imports nothing of pygeoapi.
"""

import functools
import sys
from typing import Any

_OPENAPI = "pygeoapi.openapi"
_MANAGER = "pygeoapi_prefect.faces.pygeoapi.manager"
_MARK = "extended_by_pygeoapi_prefect"


def extend_generation() -> None:
    """Let pygeoapi generate documents with our paths; doing it again changes nothing.

    Does nothing before pygeoapi is imported, and to documents of services with another manager.
    """
    module: Any = sys.modules.get(_OPENAPI)
    generate = getattr(module, "get_oas_30", None)
    if generate is None or hasattr(generate, _MARK):
        return

    @functools.wraps(generate)
    def extended(cfg: dict[str, Any], *args: Any, **options: Any) -> dict[str, Any]:
        document: dict[str, Any] = generate(cfg, *args, **options)
        if _MANAGER not in sys.modules:
            return document  # a manager of ours would have been made
        from pygeoapi_prefect.faces.pygeoapi.documents import with_own_paths

        return with_own_paths(cfg, document)

    setattr(extended, _MARK, True)
    module.get_oas_30 = extended
