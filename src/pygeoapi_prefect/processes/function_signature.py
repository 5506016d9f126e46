"""The signature of a function, read as the description of a process.

Parameters are inputs, or services of the job by their name; annotations are pydantic's to read, and
the docstring says the rest. Must not know which process the function is for.
"""

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, get_type_hints

import docstring_parser
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticSerializationError, to_jsonable_python

from pygeoapi_prefect.processes.derived import described
from pygeoapi_prefect.processes.function_outputs import UNKNOWN, outputs_of
from pygeoapi_prefect.processes.input_forms import (
    Form,
    Forms,
    forms_of,
    names_files_in,
    with_files_published,
)
from pygeoapi_prefect.running_job import Job
from pygeoapi_prefect.text import text_of

# Parameters of these names are not inputs: the job gives them.
SERVICES: Mapping[str, Callable[[Job], Any]] = {
    "job": lambda job: job,
    "on_progress": lambda job: job.progress,
    "is_cancel_requested": lambda job: job.cancel_requested,
    "load_checkpoint": lambda job: job.load_checkpoint,
    "save_checkpoint": lambda job: job.save_checkpoint,
}
_KNOWN_FUNCTIONS = 1_000  # more than one service has
_EMPTY = inspect.Parameter.empty


class SignatureUnusable(Exception):
    """A function's signature cannot be that of a process; the message says why."""


@dataclass(frozen=True)
class Input:
    """A parameter that is an input.

    Attributes:
        name: of the parameter.
        type: what values are made of what clients send, and held against.
        is_required: whether the function has no default for it.
        description: OGC 18-062r2, inputDescription.yaml.
        forms: what the function gets where the client sends no plain value.
        names_files: whether who sends a value would name files of this machine.
    """

    name: str
    type: TypeAdapter[Any]
    is_required: bool
    description: Mapping[str, Any]
    forms: Forms
    names_files: bool


@dataclass(frozen=True)
class FunctionSignature:
    """What a function says of itself.

    Attributes:
        title: the first line of its docstring; empty if there is none.
        description: the rest of it.
        inputs: by name, in order.
        services: names of the parameters that the job gives.
        outputs: id -> description (OGC 18-062r2, outputDescription.yaml).
    """

    title: str
    description: str
    inputs: Mapping[str, Input]
    services: tuple[str, ...]
    outputs: Mapping[str, Mapping[str, Any]]


@lru_cache(_KNOWN_FUNCTIONS)
def signature_of(function: Callable[..., Any]) -> FunctionSignature:
    """Read a function. It takes milliseconds, so it is done once for each.

    Raises:
        SignatureUnusable: no process can be made of it; the message names the parameter.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise SignatureUnusable(
            f"has no signature that can be read ({text_of(error)}); wrap it in a function"
        ) from None
    said = _Said(function)
    parameters = signature.parameters.values()
    for parameter in parameters:
        _check_kind(parameter)
    inputs = (
        _input(each, function, said.of_inputs.get(each.name, ""))
        for each in parameters
        if each.name not in SERVICES
    )
    return FunctionSignature(
        title=said.title,
        description=said.description,
        inputs={each.name: each for each in inputs},
        services=tuple(each.name for each in parameters if each.name in SERVICES),
        outputs=outputs_of(_annotation_of_result(signature, function), said.of_outputs),
    )


class _Said:
    """What a docstring says, in Google's style, numpy's or Sphinx's."""

    def __init__(self, function: Callable[..., Any]) -> None:
        text = inspect.getdoc(function) or ""
        try:
            parsed = docstring_parser.parse(text)
        except docstring_parser.ParseError:
            parsed = docstring_parser.Docstring()
            parsed.short_description, _, parsed.long_description = text.partition("\n")
        self.title = (parsed.short_description or "").strip().removesuffix(".")
        self.description = (parsed.long_description or "").strip()
        self.of_inputs = {
            name.strip(): _in_one_line(each.description)
            for each in parsed.params
            for name in each.arg_name.split(",")
        }
        self.of_outputs = _in_one_line(parsed.returns.description) if parsed.returns else ""


def _in_one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _check_kind(parameter: inspect.Parameter) -> None:
    remedies: dict[object, str] = {
        inspect.Parameter.POSITIONAL_ONLY: (
            "is positional-only, and inputs are given by name; leave out the `/`"
        ),
        inspect.Parameter.VAR_POSITIONAL: (
            "takes any number of values; take a list instead, such as `values: list[float]`"
        ),
        inspect.Parameter.VAR_KEYWORD: (
            "takes anything; name each input, or take a `dict[str, Any]` instead"
        ),
    }
    if remedy := remedies.get(parameter.kind):
        raise SignatureUnusable(f"has the parameter {parameter.name!r}, which {remedy}")


def _input(parameter: inspect.Parameter, function: Callable[..., Any], in_docstring: str) -> Input:
    annotation = Any
    try:
        if parameter.annotation is not _EMPTY:
            annotation = _evaluated(parameter.annotation, function)
        adapter = TypeAdapter(annotation)
        schema = adapter.json_schema(ref_template="#/definitions/{model}")
        field = FieldInfo.from_annotation(annotation)
    except Exception as error:  # pydantic has many, and annotations may raise any
        raise SignatureUnusable(_unreadable(parameter, annotation, error)) from error
    # Which default there is, the signature says.
    schema.pop("default", None)
    is_required = parameter.default is _EMPTY
    if not is_required:
        schema |= _default(parameter.default)
    about = described(parameter.name, schema, schema.pop("$defs", {}))
    forms = forms_of(about["schema"], Form.TEXT)
    names_files = names_files_in(about["schema"])
    about["schema"] = with_files_published(about["schema"])
    title = field.title or parameter.name.replace("_", " ").strip().capitalize()
    if said := field.description or in_docstring:
        about["description"] = said
    occurs = {"minOccurs": 1 if is_required else 0, "maxOccurs": 1}
    description = {**about, "title": title, **occurs}
    return Input(parameter.name, adapter, is_required, description, forms, names_files)


def _default(value: Any) -> dict[str, Any]:
    """Return what a schema says of a default: nothing of one that JSON cannot hold."""
    try:
        return {"default": to_jsonable_python(value)}
    except (PydanticSerializationError, ValueError):
        return {}


def _evaluated(annotation: Any, function: Callable[..., Any]) -> Any:
    """Return an annotation that may be text, each for itself: one cannot spoil the others."""
    module = sys.modules.get(getattr(inspect.unwrap(function), "__module__", ""), None)
    holder = SimpleNamespace(__annotations__={"it": annotation})
    return get_type_hints(holder, vars(module) if module else {}, include_extras=True)["it"]


def _unreadable(parameter: inspect.Parameter, annotation: Any, error: Exception) -> str:
    shown = parameter.annotation if annotation is Any else annotation
    reason = text_of(error).strip().partition("\n")[0]
    if isinstance(error, NameError):
        return (
            f"has the parameter {parameter.name!r} of type {shown!r}, which cannot be looked up "
            f"({reason}); import the type where the function is defined, not only for type checks"
        )
    return (
        f"has the parameter {parameter.name!r} of type {inspect.formatannotation(shown)}, of which "
        f"no client can send a value ({type(error).__name__}: {reason}); use a type that pydantic "
        "knows, such as float, date, Path, Literal, a dataclass or a model"
    )


def _annotation_of_result(signature: inspect.Signature, function: Callable[..., Any]) -> Any:
    if signature.return_annotation is inspect.Signature.empty:
        return UNKNOWN
    try:
        return _evaluated(signature.return_annotation, function)
    except Exception:  # of a type that is imported for type checks only, as large ones are
        return UNKNOWN
