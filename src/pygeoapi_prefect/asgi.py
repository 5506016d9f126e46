"""The complete API as ASGI applications: beside pygeoapi, or in an application of your own.

`uvicorn pygeoapi_prefect.asgi:app` serves the pygeoapi whose configuration the environment variable
PYGEOAPI_CONFIG names; `Processes(...).router` needs no pygeoapi configuration.
"""

import importlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.types import ASGIApp

from pygeoapi_prefect.composition import open_service
from pygeoapi_prefect.config.configuration_file import limits_of
from pygeoapi_prefect.errors import ConfigurationError, Fault
from pygeoapi_prefect.faces.asgi.application import application_of, router_of
from pygeoapi_prefect.faces.asgi.face import Site
from pygeoapi_prefect.faces.asgi.languages import in_language
from pygeoapi_prefect.faces.pygeoapi.generation import extend_generation

_APPLICATION = "pygeoapi.starlette_app"
_CONFIG, _OPENAPI = "PYGEOAPI_CONFIG", "PYGEOAPI_OPENAPI"
_MANAGER = "pygeoapi_prefect.PrefectManager"


class Processes:
    """Processes as routes for a FastAPI application: `app.include_router(processes.router)`.

    Their jobs are those of the same service wherever it is served: nothing is stored here.

    Args:
        processes_dir: the folder of process files, or several.
        prefect_api_url: API of a Prefect server; None = as PREFECT_API_URL says, else the embedded
            one, which starts with the first request.
        title: what the API is called.
        description: what it is for.
        url: where the routes are for clients, without a slash at the end; None = where requests
            say, with what a proxy that uvicorn trusts says of them.
        settings: further ones of the manager, such as `result_storage` or `sync_timeout`.

    Attributes:
        router: the routes; all paths of the standard are relative to its prefix.

    Raises:
        ConfigurationError: a setting is unknown or wrong; every fault is listed.
    """

    def __init__(
        self,
        processes_dir: str | Path | Sequence[str | Path] = (),
        prefect_api_url: str | None = None,
        *,
        title: str = "Processes",
        description: str = "OGC API - Processes",
        url: str | None = None,
        **settings: Any,
    ) -> None:
        """Read the settings and the process files; ask nothing of Prefect yet."""
        folders = [processes_dir] if isinstance(processes_dir, str | Path) else processes_dir
        own = {"processes_dir": list(map(str, folders)), "prefect_api_url": prefect_api_url}
        # Of further settings, 0 and None are choices.
        manager = {**{name: value for name, value in own.items() if value}, **settings}
        level = logging.getLogger().level or logging.INFO
        try:
            service = open_service(manager, {}, level)
        except ConfigurationError as error:
            faults = [
                Fault(each.pointer.removeprefix("/server/manager") or "/", each.message)
                for each in error.faults
            ]
            raise ConfigurationError("the arguments of Processes", faults) from None
        site = Site(
            title,
            description,
            url.rstrip("/") if url else None,
            has_logs=service().exposes_job_logs,
        )
        self.router: APIRouter = router_of(service, site)


def create_app(config: str | Path | None = None) -> ASGIApp:
    """Return pygeoapi with the complete API for its processes in front of it.

    pygeoapi has one configuration in each process, so all applications of a process are of one.

    Args:
        config: the pygeoapi configuration; None = the one that PYGEOAPI_CONFIG names.

    Raises:
        ConfigurationError: there is none, its manager is another one, or pygeoapi has been loaded
            with another configuration already.
    """
    return _complete(_pygeoapi(config))


def request_threads() -> int:
    """Return how many threads pygeoapi needs for its requests; once `create_app` was called."""
    count: int = sys.modules[_APPLICATION].api_.manager.request_threads
    return count


def _complete(pygeoapi: Any) -> ASGIApp:
    configuration, api = pygeoapi.CONFIG, pygeoapi.api_
    service: Callable[[], Any] | None = getattr(api.manager, "open_service", None)
    if service is None:
        name = type(api.manager).__name__
        fault = Fault("/server/manager/name", f"must be {_MANAGER}, not {name}")
        raise ConfigurationError(os.environ.get(_CONFIG, "the configuration"), [fault])
    limits = configuration["server"].get("limits") or {}
    default, most = limits_of(configuration)
    words = configuration["metadata"]["identification"]
    languages = _languages(configuration["server"])
    site = Site(
        title=str(in_language(words["title"], languages[0])),
        description=str(in_language(words["description"], languages[0])),
        url=api.base_url.rstrip("/"),
        default_items=default,
        max_items=most,
        has_logs=service().exposes_job_logs,
        languages=languages,
        refuses_more=limits.get("on_exceed") == "error",
    )
    return application_of(
        router_of(service, site, pygeoapi.APP),
        pygeoapi.url_prefix,
        pygeoapi.APP,
        has_cors=bool(configuration["server"].get("cors", False)),
        max_body_size=service().max_body_size,
    )


def _languages(server: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the languages of a configuration, its own first, in the form of RFC 5646."""
    named = server.get("languages") or server.get("language") or ["en"]
    listed = [named] if isinstance(named, str) else named
    return tuple(str(each).replace("_", "-") for each in listed)


def _pygeoapi(config: str | Path | None) -> Any:
    """Return pygeoapi's module of its ASGI application, with a configuration."""
    path = str(Path(config).absolute()) if config is not None else os.environ.get(_CONFIG)
    if not path:
        fault = Fault(f"/{_CONFIG}", "is not set; it names the pygeoapi configuration")
        raise ConfigurationError("the environment", [fault])
    if _APPLICATION in sys.modules:
        if os.environ.get(_CONFIG) != path:
            fault = Fault(f"/{_CONFIG}", f"pygeoapi is loaded with {os.environ.get(_CONFIG)}")
            raise ConfigurationError(path, [fault])
        return sys.modules[_APPLICATION]
    os.environ[_CONFIG] = path
    if _OPENAPI in os.environ:
        return importlib.import_module(_APPLICATION)
    return _with_own_document(Path(path))


def _with_own_document(config: Path) -> Any:
    """Return pygeoapi's module; the document that it wants to have is made here."""
    from pygeoapi.openapi import generate_openapi_document

    extend_generation()
    with tempfile.TemporaryDirectory() as folder:
        document = Path(folder) / "openapi.json"
        document.write_text(
            generate_openapi_document(config, "json", fail_on_invalid_collection=False),
            encoding="utf-8",
        )
        os.environ[_OPENAPI] = str(document)
        try:
            return importlib.import_module(_APPLICATION)
        finally:
            del os.environ[_OPENAPI]


def __getattr__(name: str) -> Any:
    """Make `app` when it is first asked for: `Processes` needs no configuration."""
    if name == "app":
        globals()["app"] = create_app()
        return globals()["app"]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Processes", "app", "create_app"]  # noqa: F822
