"""A plain function as a processor: how it is found and called, what it returns, how it fails."""

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from datetime import date
from enum import Enum
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy
import pytest
from pydantic import BaseModel, Field
from pygeoapi.process.base import ProcessorExecuteError

from pygeoapi_prefect import job
from pygeoapi_prefect.config.process_settings import FunctionSettings
from pygeoapi_prefect.errors import InvalidInputs, ProcessorFailed, ProcessorUnusable
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.processes.function import FunctionProcessor
from pygeoapi_prefect.processes.processor import Returned
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.testing import ProcessContract
from tests.support.functions import drawn, process_of, summarize
from tests.support.settings import registry_of

if TYPE_CHECKING:
    from decimal import Decimal


def run(function: Callable[..., Any], inputs: dict[str, Any] | None = None) -> Returned:
    processor = process_of(function)
    return processor.execute(ExecutionRequest(process_id="p"), inputs or {}, "4711")


def stored(
    function: Callable[..., Any], folder: Path, inputs: dict[str, Any] | None = None
) -> dict[str, tuple[str, bytes]]:
    """Return id -> media type and content of what is stored of a function's outputs."""
    storage = ResultStorage(folder.as_uri())
    collector = Collector(storage, "4711", 1, list(process_of(function).description["outputs"]))
    returned = run(function, inputs)
    collector.take_returned(returned.media_type, returned.value)
    return {
        each.id: (each.media_type, storage.read_output("4711", each)) for each in collector.outputs
    }


def failure_of(function: Callable[..., Any]) -> ProcessorFailed:
    with pytest.raises(ProcessorFailed) as caught:
        run(function)
    return caught.value


class Channel:
    """What a running job says, kept."""

    job_id = "4711"
    attempt = 2

    def __init__(self) -> None:
        self.told: list[tuple[float, float, str | None]] = []
        self.checkpoint: Any = {"month": 3}

    def progress(self, done: float, total: float, message: str | None) -> None:
        self.told.append((done, total, message))

    def cancel_requested(self) -> bool:
        return True

    def output(self, name: str, data: bytes | str | PathLike[str], media_type: str) -> None: ...

    def load_checkpoint(self) -> Any:
        return self.checkpoint

    def save_checkpoint(self, value: Any) -> None:
        self.checkpoint = value


@pytest.fixture
def channel() -> Iterator[Channel]:
    channel = Channel()
    with job.running(channel):
        yield channel


# ---- services


def test_a_function_gets_the_services_it_has_parameters_for(channel: Channel) -> None:
    def resume(
        months: int,
        on_progress: Any,
        is_cancel_requested: Any,
        load_checkpoint: Any,
        save_checkpoint: Any,
        job: Any,
    ) -> list[Any]:
        on_progress(1, months, "one")
        on_progress(2, months)
        at = load_checkpoint()
        save_checkpoint({"month": 4})
        return [at, is_cancel_requested(), job.id, job.attempt]

    assert run(resume, {"months": 4}).value == [{"month": 3}, True, "4711", 2]
    assert channel.told == [(1, 4, "one"), (2, 4, None)]
    assert channel.checkpoint == {"month": 4}


def test_a_function_without_parameters_for_services_is_called_without_them() -> None:
    assert run(lambda: 3).value == 3


def test_a_parameter_may_have_any_name() -> None:
    def names(function: str, self: str, arguments: str) -> str:
        return f"{function} {self} {arguments}"

    assert run(names, {"function": "a", "self": "b", "arguments": "c"}).value == "a b c"


def test_the_same_function_runs_without_any_service() -> None:
    made = summarize(date(2005, 1, 31), days=2)
    assert made == {"days": 2, "text": b"31.01.2005,2,5.0\n"}


def test_a_client_cannot_give_a_service() -> None:
    def resume(on_progress: Any = None) -> None: ...

    with pytest.raises(InvalidInputs, match="/inputs/on_progress: is not an input"):
        run(resume, {"on_progress": 3})


# ---- async


def test_a_coroutine_function_runs_in_the_job_and_in_a_test() -> None:
    async def add(a: int, b: int = 2) -> int:
        await asyncio.sleep(0)
        return a + b

    assert run(add, {"a": 1}).value == 3
    assert asyncio.run(add(1)) == 3


def test_what_a_coroutine_function_raises_is_its_failure() -> None:
    async def fail() -> None:
        raise KeyError("start")

    failure = failure_of(fail)
    assert (str(failure), failure.error_type) == ("'start'", "KeyError")


# ---- what is returned


class Method(Enum):
    MEAN = "mean"


class Station(BaseModel):
    name: str


@dataclasses.dataclass
class Window:
    first: date


class OfTheField:
    """What a library of the field returns."""


@pytest.mark.parametrize(
    ("value", "media_type", "content"),
    [
        (None, "application/json", b"null"),
        (3.5, "application/json", b"3.5"),
        ("text", "text/plain", b"text"),
        (b"\x89", "application/octet-stream", b"\x89"),
        ([1, (2, 3)], "application/json", b"[1,[2,3]]"),
        ({"a": {date(2005, 1, 1): 1}}, "application/json", b'{"a":{"2005-01-01":1}}'),
        (date(2005, 1, 31), "application/json", b'"2005-01-31"'),
        (Method.MEAN, "application/json", b'"mean"'),
        (Station(name="Bonn"), "application/json", b'{"name":"Bonn"}'),
        (Window(date(2005, 1, 1)), "application/json", b'{"first":"2005-01-01"}'),
        (numpy.array([1, 2]), "application/json", b"[1,2]"),
        (("image/png", b"\x89"), "image/png", b"\x89"),
        (("text", "b"), "application/json", b'["text","b"]'),
        (["text/csv", "a,b"], "application/json", b'["text/csv","a,b"]'),
    ],
    ids=repr,
)
def test_what_a_function_returns_is_its_result(
    value: Any, media_type: str, content: bytes, tmp_path: Path
) -> None:
    assert stored(lambda: value, tmp_path) == {"result": (media_type, content)}


def test_an_object_that_is_not_known_here_is_left_as_it_is() -> None:
    value = OfTheField()
    assert run(lambda: value).value is value


def test_a_file_that_is_returned_is_copied(tmp_path: Path) -> None:
    outputs = stored(drawn, tmp_path, {"name": "Bonn"})
    assert outputs == {"result": ("text/plain", b"drawn for Bonn")}


def test_what_a_typed_dictionary_promises_are_outputs_with_their_media_types(
    tmp_path: Path,
) -> None:
    assert stored(summarize, tmp_path, {"start": "2005-01-31"}) == {
        "days": ("application/json", b"3"),
        "text": ("text/csv", b"31.01.2005,3,5.0\n"),
    }


def test_a_media_type_that_an_annotation_promises_is_that_of_the_result(tmp_path: Path) -> None:
    def table() -> Annotated[str, Field(json_schema_extra={"contentMediaType": "text/csv"})]:
        return "a,b\n"

    assert stored(table, tmp_path) == {"result": ("text/csv", b"a,b\n")}


def test_a_path_where_no_file_is_is_told() -> None:
    failure = failure_of(lambda: Path("/folder/of/the/operator/none.nc"))
    assert "'none.nc'" in str(failure) and "operator" not in str(failure)


# ---- failing


def test_what_a_function_raises_is_its_failure() -> None:
    def fail() -> None:
        raise ConnectionError("the archive does not answer")

    failure = failure_of(fail)
    assert str(failure) == "the archive does not answer"
    assert (failure.error_type, failure.is_final) == ("ConnectionError", False)


def test_pygeoapi_s_own_error_says_whether_it_is_final() -> None:
    def fail() -> None:
        error = ProcessorExecuteError(user_msg="no such dataset")
        error.http_status_code = 404
        raise error

    failure = failure_of(fail)
    assert (str(failure), failure.error_type, failure.is_final) == ("no such dataset", None, True)


# ---- functions that cannot be processes


def unusable(path: str) -> str:
    settings = FunctionSettings(function=path)
    with pytest.raises(ProcessorUnusable) as caught:
        FunctionProcessor("p", {}, settings)
    message = str(caught.value)
    assert message.startswith(f"The function {path!r} of process 'p' ")
    return message


def unusable_function(function: Any) -> str:
    with pytest.raises(ProcessorUnusable) as caught:
        process_of(function)
    assert caught.value.for_client.startswith("The process 'p' cannot be used just now")
    return str(caught.value)


def test_a_module_that_is_missing_is_named_with_the_remedy() -> None:
    assert "Install the package that has 'no_such_package'" in unusable("no_such_package.x.run")


def test_a_module_that_cannot_be_imported_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_module_of_a_test.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "ZeroDivisionError: division by zero" in unusable("broken_module_of_a_test.run")


def test_a_function_that_is_missing_is_named() -> None:
    assert "the module tests.support.functions has no 'resample'" in unusable(
        "tests.support.functions.resample"
    )


@pytest.mark.parametrize(("name", "kind"), [("MODULE", "str"), ("GERMANY", "BoundingBox")])
def test_what_is_no_function_is_told(name: str, kind: str) -> None:
    assert f"is no function, but a {kind}" in unusable(f"tests.support.functions.{name}")


def test_a_function_whose_signature_cannot_be_read_is_told() -> None:
    assert "has no signature" in unusable_function(max)


def positional(x: int, /) -> None: ...


def many(*values: int) -> None: ...


def anything(**inputs: int) -> None: ...


def unknown_type(x: OfTheField) -> None: ...


def only_for_type_checks(x: "Decimal") -> None: ...


@pytest.mark.parametrize(
    ("function", "parameter", "remedy"),
    [
        (positional, "x", "leave out the `/`"),
        (many, "values", "take a list"),
        (anything, "inputs", "name each input"),
        (unknown_type, "x", "use a type that pydantic knows"),
        (only_for_type_checks, "x", "import the type where the function is defined"),
    ],
)
def test_a_parameter_that_cannot_be_an_input_is_named_with_the_remedy(
    function: Callable[..., Any], parameter: str, remedy: str
) -> None:
    message = unusable_function(function)
    assert f"has the parameter {parameter!r}" in message and remedy in message


# ---- among the other kinds


def test_a_registry_knows_functions() -> None:
    process = {
        "type": "process",
        "processor": {"function": "tests.support.functions.summarize"},
    }
    registry = registry_of({"summarize": process})
    assert registry.modules() == ["tests.support.functions"]
    assert registry.describable("summarize").description["title"] == "Summarize some days"
    registry.release("summarize", ["4711"])


class TestSummarize(ProcessContract):
    resource: ClassVar = {"processor": {"function": "tests.support.functions.summarize"}}
    inputs: ClassVar = {"start": "2005-01-31"}


class TestDrawn(ProcessContract):
    resource: ClassVar = {"processor": {"function": "tests.support.functions.drawn"}}
    inputs: ClassVar = {"name": "Bonn"}
