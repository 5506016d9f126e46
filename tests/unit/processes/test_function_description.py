"""The description of a process whose processor is a function: what the function says of itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple, NotRequired, TypedDict

import pytest
from pydantic import BaseModel, DirectoryPath, Field

from pygeoapi_prefect.errors import ProcessorUnusable
from pygeoapi_prefect.processes.description import description_faults
from pygeoapi_prefect.processes.openapi_dialect import in_openapi
from tests.support.functions import drawn, process_of, summarize

BINARY = {"type": "string", "format": "binary"}


def described(function: Callable[..., Any], **metadata: Any) -> dict[str, Any]:
    return dict(process_of(function, metadata=metadata).description)


def outputs_of(annotation: Any) -> dict[str, Any]:
    def run() -> None: ...

    run.__annotations__ = {"return": annotation}
    outputs: dict[str, Any] = described(run)["outputs"]
    return outputs


# ---- what the docstring says


def google(first_day: str, days: int = 1) -> float:
    """Resample a dataset in time.

    Means of the days in each month.

    Those without a value are left out.

    Args:
        first_day: the first day, and
            the month with it.
        days: how many.

    Returns:
        The mean of all.
    """
    return float(days)


def numpy_style(first_day: str, days: int = 1) -> float:
    """Resample a dataset in time.

    Means of the days in each month.

    Those without a value are left out.

    Parameters
    ----------
    first_day : str
        the first day, and
        the month with it.
    days : int, optional
        how many.

    Returns
    -------
    float
        The mean of all.
    """
    return float(days)


def sphinx(first_day: str, days: int = 1) -> float:
    """Resample a dataset in time.

    Means of the days in each month.

    Those without a value are left out.

    :param first_day: the first day, and
        the month with it.
    :param days: how many.
    :returns: The mean of all.
    """
    return float(days)


@pytest.mark.parametrize("function", [google, numpy_style, sphinx])
def test_a_docstring_says_what_things_are(function: Callable[..., Any]) -> None:
    description = described(function)
    assert description["title"] == "Resample a dataset in time"
    assert description["description"] == (
        "Means of the days in each month.\n\nThose without a value are left out."
    )
    first, days = description["inputs"]["first_day"], description["inputs"]["days"]
    assert first["title"] == "First day"
    assert first["description"] == "the first day, and the month with it."
    assert days["description"] == "how many."
    assert description["outputs"]["result"]["description"] == "The mean of all."


def test_a_function_without_a_docstring_is_called_by_its_name() -> None:
    def run(first_day: str) -> float: ...  # type: ignore[empty-body]

    description = described(run)
    assert description["title"] == "Run"
    assert description["description"] == "Runs made_for_a_test.run."
    assert "description" not in description["inputs"]["first_day"]


def test_what_a_field_says_of_an_input_wins_over_the_docstring() -> None:
    def run(days: Annotated[int, Field(title="Days", description="How many days.")]) -> None:
        """Run.

        Args:
            days: something else.
        """

    days = described(run)["inputs"]["days"]
    assert (days["title"], days["description"]) == ("Days", "How many days.")
    assert days["schema"] == {"type": "integer"}


def test_services_are_no_inputs() -> None:
    assert list(described(summarize)["inputs"]) == ["start", "days", "where", "seconds"]


def test_the_description_is_whole_and_can_be_shown() -> None:
    for function in (summarize, drawn, google):
        description = described(function)
        assert description_faults(description) == []
        assert "$ref" not in str(in_openapi(description))
        assert description["jobControlOptions"] == ["sync-execute", "async-execute"]


def test_one_who_changes_a_description_does_not_change_that_of_the_next() -> None:
    described(google)["inputs"]["days"]["schema"]["type"] = "changed"
    assert described(google)["inputs"]["days"]["schema"]["type"] == "integer"


# ---- what the return annotation says


class Statistics(TypedDict):
    mean: Annotated[float, Field(title="Mean", description="Of all.")]
    map: NotRequired[Path]
    table: Annotated[bytes, Field(json_schema_extra={"contentMediaType": "text/csv"})]
    model: "Model"


class Model(BaseModel):
    name: str


class Pair(NamedTuple):
    low: float
    high: float


class UnknownToPydantic:
    pass


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (float, {"type": "number"}),
        (Path, BINARY),
        (bytes, BINARY),
        (tuple[str, bytes], BINARY),
        (
            Annotated[Path, Field(json_schema_extra={"contentMediaType": "image/png"})],
            {**BINARY, "contentMediaType": "image/png"},
        ),
        (dict[str, Any], {"type": "object", "additionalProperties": True}),
        (
            Model,
            {
                "type": "object",
                "properties": {"name": {"type": "string", "title": "Name"}},
                "required": ["name"],
            },
        ),
        (UnknownToPydantic, {}),
        ("NotToBeFoundAtRunTime", {}),
        (Any, {}),
    ],
    ids=str,
)
def test_what_is_returned_is_one_output(annotation: Any, schema: dict[str, Any]) -> None:
    outputs = outputs_of(annotation)
    assert outputs.keys() == {"result"}
    assert outputs["result"]["title"] == "Result" and outputs["result"]["schema"] == schema


def test_a_typed_dictionary_is_an_output_for_each_of_its_keys() -> None:
    outputs = outputs_of(Statistics)
    assert list(outputs) == ["mean", "map", "table", "model"]
    assert outputs["mean"] == {
        "title": "Mean",
        "description": "Of all.",
        "schema": {"type": "number"},
    }
    assert outputs["map"]["schema"]["format"] == "binary"
    assert outputs["table"]["schema"] == {**BINARY, "contentMediaType": "text/csv"}
    assert outputs["model"]["schema"]["required"] == ["name"]


class Partly(TypedDict):
    grid: Annotated[UnknownToPydantic, Field(description="The means.")]


class OnlyForTypeChecks(TypedDict):
    grid: "NotToBeFoundAtRunTime"  # type: ignore[name-defined] # noqa: F821


def test_keys_of_types_that_are_not_known_are_outputs_of_any_kind() -> None:
    grid = {"title": "Grid", "schema": {}}
    assert outputs_of(OnlyForTypeChecks) == {"grid": grid}
    assert outputs_of(Partly) == {"grid": {**grid, "description": "The means."}}


def test_a_named_tuple_is_one_output() -> None:
    outputs = outputs_of(Pair)
    assert outputs.keys() == {"result"} and outputs["result"]["schema"]["type"] == "array"


def test_a_function_that_returns_nothing_promises_nothing() -> None:
    assert outputs_of(None) == {}


def test_a_function_that_does_not_say_what_it_returns_has_one_output_of_any_kind() -> None:
    def run(): ...  # type: ignore[no-untyped-def]

    assert described(run)["outputs"] == {"result": {"title": "Result", "schema": {}}}


# ---- what is written takes the place of it


def test_what_is_written_takes_the_place_of_what_is_derived_member_by_member() -> None:
    description = described(
        google,
        title="Other",
        version="2.1.0",
        inputs={"first_day": {"title": "Start"}},
        outputs={"result": {"description": "Another."}},
    )
    assert (description["title"], description["version"]) == ("Other", "2.1.0")
    first = description["inputs"]["first_day"]
    assert first["title"] == "Start" and first["schema"] == {"type": "string"}
    assert list(description["inputs"]) == ["first_day", "days"]
    result = description["outputs"]["result"]
    assert result["description"] == "Another." and result["schema"] == {"type": "number"}


def test_an_input_that_has_a_default_may_be_hidden() -> None:
    assert list(described(google, inputs={"days": None})["inputs"]) == ["first_day"]


def test_the_one_output_may_be_called_otherwise() -> None:
    outputs = described(google, outputs={"mean": {"title": "Mean"}})["outputs"]
    assert outputs.keys() == {"mean"}
    assert outputs["mean"]["title"] == "Mean" and outputs["mean"]["schema"] == {"type": "number"}


def test_several_written_outputs_are_those_of_a_function_that_returns_one_value() -> None:
    written = {"a": {"schema": {}}, "b": {"schema": {}}}
    assert described(google, outputs=written)["outputs"] == written


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        (
            {"inputs": {"dayz": {"title": "Days"}}},
            "/inputs/dayz: the function has no such parameter; it has: first_day, days",
        ),
        ({"inputs": {"first_day": None}}, "/inputs/first_day: cannot be hidden"),
        ({"inputs": {"days": "how many"}}, "/inputs/days: must be a mapping"),
        ({"inputs": ["days"]}, "/inputs: must be a mapping"),
        ({"outputs": {"result": "a mean"}}, "/outputs/result: must be a mapping"),
    ],
)
def test_what_is_written_and_cannot_be_is_told(metadata: dict[str, Any], told: str) -> None:
    with pytest.raises(ProcessorUnusable) as caught:
        described(google, **metadata)
    assert told in str(caught.value)
    assert "'made_for_a_test.run' of process 'p'" in str(caught.value)


# ---- files as inputs


class Archive(BaseModel):
    folder: Path


def with_file(x: Path) -> None: ...


def with_files(x: tuple[Path, ...] | None = None) -> None: ...


def with_file_in_object(x: dict[str, Path]) -> None: ...


def with_model(x: Archive) -> None: ...


def with_folder(x: DirectoryPath) -> None: ...


def with_hidden_folder(x: DirectoryPath = Path("/srv")) -> None: ...


CONTENT = {"type": "string", "contentEncoding": "binary"}


def test_a_file_is_described_as_binary_content() -> None:
    assert process_of(with_file).description["inputs"]["x"]["schema"] == CONTENT
    assert process_of(with_files).description["inputs"]["x"]["schema"]["anyOf"] == [
        {"type": "array", "items": CONTENT},
        {"type": "null"},
    ]


@pytest.mark.parametrize(
    "function", [with_file_in_object, with_model, with_folder, with_hidden_folder]
)
def test_paths_that_a_client_would_name_are_refused_with_the_remedy(
    function: Callable[..., None],
) -> None:
    with pytest.raises(ProcessorUnusable, match=r"parameter 'x'.*name files of this machine.*hide"):
        process_of(function)


def test_a_folder_of_the_author_may_be_hidden() -> None:
    processor = process_of(with_hidden_folder, metadata={"inputs": {"x": None}})
    assert processor.description["inputs"] == processor.input_forms == {}
