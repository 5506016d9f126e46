"""Prefect's own code still has everything that the engine uses of it, the private parts above all.

Reads the source of `engine/` instead of a list kept here, so that nothing is forgotten. Fails
with one line for each thing that moved: where it is used, and what is wrong with it now.
"""

import ast
import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import prefect.workers.base
import pytest
from prefect.client.orchestration import PrefectClient, SyncPrefectClient
from prefect.utilities.schema_tools.hydration import HydrationContext, hydrate
from prefect.workers.base import BaseWorker

import pygeoapi_prefect.engine
from pygeoapi_prefect.engine import _compat
from pygeoapi_prefect.engine._compat import PrefectWorker
from pygeoapi_prefect.engine.worker import worker
from pygeoapi_prefect.engine.worker.worker import JobWorker

ENGINE = Path(pygeoapi_prefect.engine.__file__).parent
MODULES = sorted(ENGINE.rglob("*.py"))


@dataclass
class Uses:
    """What a module of the engine uses of Prefect.

    Attributes:
        place: the module's file name.
        imports: local name -> module and name in Prefect.
        calls: calls of imported names: line, local name, the call.
        own_attributes: line and name of every `self.<name>` in classes derived from Prefect's.
        defined: names that those classes define themselves.
        method_calls: line, name and call of every `self.<name>(...)` in them.
        client_attributes: line and name of every `client.<name>`.
        client_calls: line, name and call of every `client.<name>(...)`.
    """

    location: str
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    calls: list[tuple[int, str, ast.Call]] = field(default_factory=list)
    own_attributes: list[tuple[int, str]] = field(default_factory=list)
    defined: set[str] = field(default_factory=set)
    method_calls: list[tuple[int, str, ast.Call]] = field(default_factory=list)
    client_attributes: list[tuple[int, str]] = field(default_factory=list)
    client_calls: list[tuple[int, str, ast.Call]] = field(default_factory=list)


def uses_of(path: Path) -> Uses:
    tree, uses = ast.parse(path.read_text(encoding="utf-8")), Uses(path.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "prefect":
            for alias in node.names:
                uses.imports[alias.asname or alias.name] = (str(node.module), alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "prefect":
                    uses.imports[alias.name] = (alias.name, "")
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in uses.imports
        ):
            uses.calls.append((node.lineno, node.func.id, node))
        if isinstance(node, ast.ClassDef) and any(
            getattr(getattr(base, "value", base), "id", None) in {"BaseWorker", "PrefectWorker"}
            for base in node.bases
        ):
            _look_into(node, uses)
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", None) == "client":
            uses.client_attributes.append((node.lineno, node.attr))
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and getattr(node.func.value, "id", None) == "client"
        ):
            uses.client_calls.append((node.lineno, node.func.attr, node))
    return uses


def _look_into(node: ast.ClassDef, uses: Uses) -> None:
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            uses.defined.add(inner.name)
        if isinstance(inner, ast.Attribute) and getattr(inner.value, "id", None) == "self":
            if isinstance(inner.ctx, ast.Store):
                uses.defined.add(inner.attr)
            uses.own_attributes.append((inner.lineno, inner.attr))
        if (
            isinstance(inner, ast.Call)
            and isinstance(inner.func, ast.Attribute)
            and getattr(inner.func.value, "id", None) == "self"
        ):
            uses.method_calls.append((inner.lineno, inner.func.attr, inner))


def misfit(target: Callable[..., Any], call: ast.Call, *first: None) -> str | None:
    """Say why a call does not fit what it calls; None if it does or nobody can know."""
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return None
    if any(keyword.arg is None for keyword in call.keywords):
        return None
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):
        return None
    try:
        keywords = {str(keyword.arg): None for keyword in call.keywords}
        signature.bind(*first, *[None for _ in call.args], **keywords)
    except TypeError as error:
        return f"{error}; its signature is {signature}"
    return None


def moved(uses: Uses) -> Iterator[str]:
    found: dict[str, Any] = {}
    for local, (module, name) in uses.imports.items():
        try:
            imported = importlib.import_module(module)
            found[local] = getattr(imported, name) if name else imported
        except (ImportError, AttributeError) as error:
            yield f"{uses.location}: {module}.{name} is gone: {error}"
    for line, local, call in uses.calls:
        if local in found and (reason := misfit(found[local], call)):
            yield f"{uses.location}:{line}: {local}(...) does not fit: {reason}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ENGINE)))
def test_what_we_import_of_prefect_is_there_and_takes_what_we_give_it(path: Path) -> None:
    found = list(moved(uses_of(path)))
    assert not found, "Prefect moved:\n" + "\n".join(found)


# A module imports the client whose methods it calls.
CLIENTS: dict[str, type[PrefectClient | SyncPrefectClient]] = {
    "PrefectClient": PrefectClient,
    "SyncPrefectClient": SyncPrefectClient,
}
WITH_CLIENT = [path for path in MODULES if CLIENTS.keys() & uses_of(path).imports.keys()]


@pytest.mark.parametrize("path", WITH_CLIENT, ids=lambda path: str(path.relative_to(ENGINE)))
def test_what_we_ask_of_prefect_s_client_is_there_and_takes_what_we_give_it(path: Path) -> None:
    uses = uses_of(path)
    (name,) = CLIENTS.keys() & uses.imports.keys()
    # Some of it exists on an instance only.
    client = CLIENTS[name]("http://127.0.0.1:9/api")
    lost = [
        f"{uses.location}:{line}: {name}.{attribute} is gone"
        for line, attribute in uses.client_attributes
        if not hasattr(client, attribute)
    ]
    misfits = [
        f"{uses.location}:{line}: {name}.{method}(...) does not fit: {reason}"
        for line, method, call in uses.client_calls
        if hasattr(client, method) and (reason := misfit(getattr(client, method), call))
    ]
    assert not lost + misfits, "Prefect moved:\n" + "\n".join(lost + misfits)


def test_the_private_parts_of_the_client_are_looked_at_too() -> None:
    assert any(
        name.startswith("_") for path in WITH_CLIENT for _, name in uses_of(path).client_attributes
    )


@pytest.mark.parametrize("module", [_compat, worker], ids=lambda module: str(module.__name__))
def test_what_our_worker_uses_of_prefect_s_is_there_and_takes_what_we_give_it(
    module: ModuleType,
) -> None:
    uses = uses_of(Path(str(module.__file__)))
    base = JobWorker("pool", 1)
    inherited = {name for _, name in uses.own_attributes} - uses.defined
    # Some exist on the class, some on an instance only.
    lost = [
        f"{uses.location}:{line}: self.{name} is gone"
        for line, name in uses.own_attributes
        if name in inherited and not (hasattr(PrefectWorker, name) or name in vars(base))
    ]
    misfits = [
        f"{uses.location}:{line}: self.{name}(...) does not fit: {reason}"
        for line, name, call in uses.method_calls
        if name in inherited
        and hasattr(PrefectWorker, name)
        and (reason := misfit(getattr(PrefectWorker, name), call, None))
    ]
    assert inherited and not lost + misfits, "Prefect moved:\n" + "\n".join(lost + misfits)


OVERRIDDEN = [
    (each, name)
    for each in (PrefectWorker, JobWorker)
    for name in sorted(vars(each))
    # Only we make our worker.
    if callable(getattr(BaseWorker, name, None)) and not name.startswith("__")
]


@pytest.mark.parametrize(("ours", "name"), OVERRIDDEN)
def test_what_our_worker_overrides_can_be_called_as_prefect_calls_it(
    ours: type[BaseWorker[Any, Any, Any]], name: str
) -> None:
    theirs = inspect.signature(getattr(BaseWorker, name))
    assert list(inspect.signature(getattr(ours, name)).parameters) == list(theirs.parameters)


def test_prefect_s_own_loop_still_asks_our_worker_for_runs() -> None:
    source = inspect.getsource(prefect.workers.base.BaseWorker.start)
    assert "self.get_and_submit_flow_runs" in source


def test_prefect_decodes_what_we_escape_once_and_looks_no_further() -> None:
    # Without this, a client's {"__prefect_kind": "jinja"} is evaluated by the server.
    text = '{"__prefect_kind": "jinja", "template": "{{ 1 + 1 }}"}'
    hydrated = hydrate({"a": {"__prefect_kind": "json", "value": text}}, HydrationContext())
    assert hydrated == {"a": {"__prefect_kind": "jinja", "template": "{{ 1 + 1 }}"}}


# ---- private names are in one place

PACKAGE = ENGINE.parent
# The server is a program of its own that changes what it serves.
MAY_BE_PRIVATE = {ENGINE / "_compat.py", ENGINE / "embedded" / "server.py"}
OTHERS = sorted({*PACKAGE.rglob("*.py")} - MAY_BE_PRIVATE)


def private_uses(tree: ast.Module) -> Iterator[str]:
    """Go through the private names of Prefect that a module uses, and what it changes there."""
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "prefect":
            for alias in node.names:
                imported.add(alias.asname or alias.name)
                if any(is_private(part) for part in (*str(node.module).split("."), alias.name)):
                    yield f"{node.lineno}: {node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "prefect":
                    imported.add(alias.asname or "prefect")
                    if any(map(is_private, alias.name.split("."))):
                        yield f"{node.lineno}: {alias.name}"
    is_worker = any(
        getattr(base, "id", None) == "PrefectWorker"
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = getattr(node.value, "id", None)
            if isinstance(node.ctx, ast.Store) and owner in imported:
                yield f"{node.lineno}: {owner}.{node.attr} is changed"
            if is_private(node.attr) and imported and owner not in {"self", "cls", "os"}:
                yield f"{node.lineno}: {ast.unparse(node)}"
            if is_private(node.attr) and is_worker and node.attr in BASE:
                yield f"{node.lineno}: {ast.unparse(node)} is the base class's"
        elif isinstance(node, ast.Call) and getattr(node.func, "id", None) in {
            "setattr",
            "getattr",
        }:
            if node.args and getattr(node.args[0], "id", None) in imported:
                yield f"{node.lineno}: {ast.unparse(node)}"


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


BASE = {*dir(BaseWorker), *vars(PrefectWorker("pool"))}


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_other_module_uses_what_is_private_in_prefect(path: Path) -> None:
    assert not list(private_uses(ast.parse(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize(
    "source",
    [
        "from prefect.concurrency._leases import maintain_concurrency_lease",
        "from prefect.workers.base import _is_transient_api_error",
        "import prefect._internal.concurrency",
        "from prefect import serializers\nserializers.encoder = None",
        "from prefect import serializers\nsetattr(serializers, 'encoder', None)",
        "from prefect.client.orchestration import get_client\nget_client()._client.post('/')",
        "class Worker(PrefectWorker):\n    def act(self):\n        self._work_pool_name",
    ],
)
def test_a_private_name_would_be_noticed(source: str) -> None:
    assert list(private_uses(ast.parse(source)))
