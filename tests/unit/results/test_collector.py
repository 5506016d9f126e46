"""How what a processor publishes and returns becomes the outputs of its job."""

import json
import threading
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest
from PIL import Image
from pydantic import BaseModel

from pygeoapi_prefect.errors import ProcessorFailed, StorageUnavailable
from pygeoapi_prefect.ogc.formats import Formats
from pygeoapi_prefect.results import collector
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.manifest import Kind, Output
from pygeoapi_prefect.results.storage import ResultStorage

UMLAUT = '["ü"]'.encode()
JOB = "0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10"


class Outputs:
    """A collector, and what its outputs are in the end."""

    def __init__(
        self,
        storage: ResultStorage,
        *declared: str,
        requested: list[str] | None = None,
        formats: dict[str, Formats] | None = None,
    ) -> None:
        self.collector = Collector(storage, JOB, 1, declared, requested, formats)
        self._storage = storage

    def all(self) -> tuple[Output, ...]:
        return self.collector.manifest("p", as_document=False).outputs

    def media_types(self) -> dict[str, str]:
        return {output.id: output.media_type for output in self.all()}

    def contents(self) -> dict[str, bytes]:
        return {output.id: self._storage.read_output(JOB, output) for output in self.all()}


@pytest.fixture
def outputs(storage: ResultStorage) -> Outputs:
    return Outputs(storage, "result")


# ---- what a processor returns


@pytest.mark.parametrize(
    ("returned", "media_type", "kind", "content"),
    [
        (("application/json", [1]), "application/json", Kind.JSON, b"[1]"),
        (("application/json", 42), "application/json", Kind.JSON, b"42"),
        (("application/json", True), "application/json", Kind.JSON, b"true"),
        (("application/geo+json", {}), "application/geo+json", Kind.JSON, b"{}"),
        (("application/json", '{"a":1}'), "application/json", Kind.JSON, b'{"a":1}'),
        (("application/json", "no json"), "application/json", Kind.JSON, b'"no json"'),
        (("application/json", b'{"a":1}'), "application/json", Kind.JSON, b'{"a":1}'),
        (("application/json", '["ü"]'.encode("utf-16")), "application/json", Kind.JSON, UMLAUT),
        (("application/json", b"\xef\xbb\xbf{}"), "application/json", Kind.JSON, b"{}"),
        (("text/plain", "ü"), "text/plain", Kind.TEXT, "ü".encode()),
        (("application/xml", "<a/>"), "application/xml", Kind.TEXT, b"<a/>"),
        (("application/gml+xml", b"<a/>"), "application/gml+xml", Kind.TEXT, b"<a/>"),
        (("text/csv", b"a,b"), "text/csv", Kind.TEXT, b"a,b"),
        (("text/csv", "ü".encode("latin-1")), "text/csv", Kind.BINARY, b"\xfc"),
        (("image/png", b"\x89PNG"), "image/png", Kind.BINARY, b"\x89PNG"),
        ((None, {}), "application/json", Kind.JSON, b"{}"),
        ((None, "text"), "text/plain", Kind.TEXT, b"text"),
        ((None, b"\x00"), "application/octet-stream", Kind.BINARY, b"\x00"),
        ((None, None), "application/json", Kind.JSON, b"null"),
        (("application/json", None), "application/json", Kind.JSON, b"null"),
        (("text/plain", None), "text/plain", Kind.TEXT, b""),
        (("image/png", None), "image/png", Kind.BINARY, b""),
        (("text/plain", {}), "text/plain", Kind.JSON, b"{}"),
        (("application/json", ""), "application/json", Kind.JSON, b'""'),
        (("application/octet-stream", b""), "application/octet-stream", Kind.BINARY, b""),
    ],
    ids=repr,
)
def test_a_returned_value_becomes_an_output_of_its_kind(
    outputs: Outputs, returned: tuple[str | None, Any], media_type: str, kind: Kind, content: bytes
) -> None:
    outputs.collector.take_returned(*returned)
    (output,) = outputs.all()
    assert (output.media_type, output.kind) == (media_type, kind)
    assert outputs.contents() == {"result": content}


NO_JSON = [b"no json", b"", b"{'a': 1}", b'{"a": 1', b"\xff\xfe\xff", b"\x89PNG", b"[" * 100_000]


@pytest.mark.parametrize("content", NO_JSON, ids=lambda content: f"{content[:8]!r}")
@pytest.mark.parametrize("media_type", ["application/json", "application/geo+json; a=b"])
def test_bytes_that_are_called_json_and_are_none_fail_the_job_in_words(
    outputs: Outputs, tmp_path: Path, content: bytes, media_type: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    expected = rf"{len(content)} bytes of {media_type.replace('+', '.')} that are no JSON"
    with pytest.raises(ProcessorFailed, match=expected):
        outputs.collector.take_returned(media_type, content)
    for published in (content, path):
        with pytest.raises(ProcessorFailed, match=expected):
            outputs.collector.publish("map", published, media_type)
    assert outputs.all() == ()


def test_a_large_file_of_json_is_believed(
    outputs: Outputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "_MAX_READ_BYTES", 3)
    path = tmp_path / "large.json"
    path.write_bytes(b"[1,2")
    outputs.collector.publish("map", path, "application/json")
    assert outputs.contents() == {"map": b"[1,2"}


@pytest.mark.parametrize(
    ("name", "why"), [("half \udcff", "UTF-8 cannot hold"), ("x" * 600, "it may have 500")]
)
def test_a_name_that_cannot_be_kept_fails_the_job_in_words(
    outputs: Outputs, name: str, why: str
) -> None:
    with pytest.raises(ProcessorFailed, match=why):
        outputs.collector.publish(name, b"{}", "text/plain")
    with pytest.raises(ProcessorFailed, match=why):
        outputs.collector.publish("map", b"{}", f"image/{name}")
    with pytest.raises(ProcessorFailed, match=why):
        outputs.collector.take_returned(f"image/{name}", b"")
    assert outputs.all() == ()


def test_text_that_utf_8_cannot_hold_fails_the_job_in_words(outputs: Outputs) -> None:
    with pytest.raises(ProcessorFailed, match="text that UTF-8 cannot hold"):
        outputs.collector.take_returned("text/plain", "half \udcff")


def test_an_output_may_have_a_longer_name_than_files_can(storage: ResultStorage) -> None:
    outputs = Outputs(storage)
    for name in ("x" * 400 + "1", "x" * 400 + "2"):
        outputs.collector.publish(name, name.encode(), "text/plain")
    assert outputs.contents() == {output.id: output.id.encode() for output in outputs.all()}


def test_an_object_is_stored_as_json(outputs: Outputs) -> None:
    outputs.collector.take_returned("application/json", {"a": [1, {"b": "ü"}]})
    assert json.loads(outputs.contents()["result"]) == {"a": [1, {"b": "ü"}]}


def test_text_that_is_json_already_is_not_touched(outputs: Outputs) -> None:
    outputs.collector.take_returned("application/json", ' {"a":   1}')
    assert outputs.contents()["result"] == b' {"a":   1}'


def test_a_returned_value_has_the_name_of_the_output_in_the_description(
    storage: ResultStorage,
) -> None:
    outputs = Outputs(storage, "echo")
    outputs.collector.take_returned("text/plain", "text")
    assert list(outputs.contents()) == ["echo"]


def test_a_returned_value_of_a_process_without_described_outputs_is_called_result(
    storage: ResultStorage,
) -> None:
    outputs = Outputs(storage)
    outputs.collector.take_returned("text/plain", "text")
    assert list(outputs.contents()) == ["result"]


def test_a_returned_value_takes_the_first_name_that_was_not_published(
    storage: ResultStorage,
) -> None:
    outputs = Outputs(storage, "map", "summary", "more")
    outputs.collector.publish("map", b"\x89PNG", "image/png")
    outputs.collector.take_returned("application/json", 3)
    assert outputs.contents() == {"map": b"\x89PNG", "summary": b"3"}


@pytest.mark.parametrize(
    ("requested", "name"),
    [
        (None, "map"),
        (["summary"], "summary"),
        (["summary", "map"], "map"),
        (["other"], "map"),
        ([], "map"),
    ],
)
def test_a_returned_value_is_the_output_that_was_asked_for(
    local_storage: ResultStorage, requested: list[str] | None, name: str
) -> None:
    outputs = Outputs(local_storage, "map", "summary", requested=requested)
    outputs.collector.take_returned("text/plain", "text")
    assert list(outputs.contents()) == [name]


def test_returning_nothing_after_publishing_adds_no_output(storage: ResultStorage) -> None:
    outputs = Outputs(storage, "map", "summary")
    outputs.collector.publish("map", b"\x89PNG", "image/png")
    outputs.collector.take_returned(None, None)
    assert list(outputs.contents()) == ["map"]


@pytest.mark.parametrize(
    ("value", "are_outputs"),
    [
        ({"a": 1}, True),
        ({"a": 1, "b": 2}, True),
        ({"a": 1, "c": 3}, False),
        ({}, False),
        (["a"], False),
        ("a", False),
    ],
    ids=repr,
)
def test_an_object_with_the_described_names_holds_several_outputs(
    storage: ResultStorage, value: Any, are_outputs: bool
) -> None:
    outputs = Outputs(storage, "a", "b")
    outputs.collector.take_returned("application/json", value)
    assert outputs.all()[0].members_are_outputs is are_outputs


# ---- what a processor publishes


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [
        ("image/tiff; application=geotiff", Kind.BINARY),
        ("application/geo+json", Kind.JSON),
        ("Application/JSON; charset=utf-8", Kind.JSON),
        ("text/csv; charset=utf-8", Kind.TEXT),
        ("application/gml+xml", Kind.TEXT),
        ("", Kind.BINARY),
    ],
)
def test_a_published_output_is_of_the_kind_its_media_type_says(
    outputs: Outputs, media_type: str, kind: Kind
) -> None:
    outputs.collector.publish("map", b"{}", media_type)
    assert outputs.all()[0].kind is kind


def test_a_published_file_is_copied(outputs: Outputs, tmp_path: Path) -> None:
    path = tmp_path / "map.png"
    path.write_bytes(b"\x89PNG")
    outputs.collector.publish("map", path, "image/png")
    path.unlink()
    assert outputs.contents() == {"map": b"\x89PNG"}


def test_publishing_an_output_again_replaces_it(outputs: Outputs) -> None:
    outputs.collector.publish("map", b"draft", "image/png")
    outputs.collector.publish("map", b"final", "image/jpeg")
    (output,) = outputs.all()
    assert (output.media_type, outputs.contents()) == ("image/jpeg", {"map": b"final"})


def test_an_output_that_cannot_be_stored_is_not_in_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("I am a file.")
    outputs = Outputs(ResultStorage(str(tmp_path / "results")))
    with pytest.raises(StorageUnavailable):
        outputs.collector.publish("map", b"x", "image/png")
    assert outputs.all() == ()


def test_threads_may_publish_side_by_side(outputs: Outputs) -> None:
    def publish(number: int) -> None:
        outputs.collector.publish(f"part/{number}", str(number).encode(), "text/plain")

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs.contents() == {f"part/{n}": str(n).encode() for n in range(24)}


# ---- the manifest


def test_the_manifest_keeps_what_the_client_asked_for(local_storage: ResultStorage) -> None:
    collector = Collector(local_storage, JOB, 1, [], requested=["b", "a"])
    manifest = collector.manifest("p", as_document=True)
    assert (manifest.as_document, manifest.requested) == (True, ("b", "a"))


def test_the_manifest_belongs_to_the_job_and_its_process(outputs: Outputs) -> None:
    manifest = outputs.collector.manifest("p", as_document=False)
    assert (manifest.job_id, manifest.process_id, manifest.requested) == (JOB, "p", None)


# ---- numbers that JSON does not know


@pytest.mark.parametrize(
    ("media_type", "value"),
    [
        pytest.param("application/json", {"mean": float("nan"), "n": 0}, id="a value"),
        pytest.param(None, {"mean": float("inf"), "n": 0}, id="a value without a type"),
        pytest.param("application/geo+json", '{"mean": NaN, "n": 0}', id="a text"),
        pytest.param("application/json", b'{"mean": -Infinity, "n": 0}', id="bytes"),
    ],
)
def test_what_is_no_number_is_null_and_the_log_says_so(
    outputs: Outputs, media_type: str | None, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    outputs.collector.take_returned(media_type, value)
    assert outputs.contents() == {"result": b'{"mean":null,"n":0}'}
    assert "NaN or Infinity" in caplog.text


def test_what_is_no_number_is_null_in_what_is_published_too(
    outputs: Outputs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("[1, NaN]")
    outputs.collector.publish("file", tmp_path / "file", "application/json")
    outputs.collector.publish("bytes", b"[1, NaN]", "application/json")
    assert outputs.contents() == {"file": b"[1,null]", "bytes": b"[1,null]"}
    assert len(caplog.messages) == 2


def test_the_log_says_nothing_of_numbers_that_are_some(
    outputs: Outputs, caplog: pytest.LogCaptureFixture
) -> None:
    outputs.collector.take_returned("application/json", {"text": "NaN", "n": 1e300})
    assert caplog.messages == []


# ---- what the code of a process may return besides


MEANS = numpy.array([1.5, float("nan")])
TABLE = pandas.DataFrame({"mean": [1.5]})
CSV = b"mean\n1.5\n"
PARQUET = "application/vnd.apache.parquet"


@dataclass
class Mean:
    """A result in a class of its own."""

    value: float
    day: date


class Extent(BaseModel):
    """A result in a model."""

    west: float
    file: str | None = None


@pytest.mark.parametrize(
    ("value", "content"),
    [
        (Mean(1.5, date(2024, 1, 2)), {"value": 1.5, "day": "2024-01-02"}),
        (Extent(west=5.5), {"west": 5.5, "file": None}),
        ([Extent(west=1)], [{"west": 1.0, "file": None}]),
        (date(2024, 1, 2), "2024-01-02"),
        (
            {"n": numpy.int64(3), "means": numpy.array([1.5, float("nan")])},
            {"n": 3, "means": [1.5, None]},
        ),
        ((1, 2), [1, 2]),
        (("a", "b"), ["a", "b"]),
    ],
    ids=range(7),
)
def test_what_pydantic_makes_json_of_is_json(outputs: Outputs, value: Any, content: Any) -> None:
    outputs.collector.take_returned(None, value)
    assert outputs.media_types() == {"result": "application/json"}
    assert json.loads(outputs.contents()["result"]) == content


def test_a_media_type_may_come_with_the_value(outputs: Outputs) -> None:
    outputs.collector.take_returned(None, ("image/png", b"\x89PNG"))
    assert outputs.media_types() == {"result": "image/png"}
    assert outputs.contents() == {"result": b"\x89PNG"}


def test_a_returned_file_is_what_its_name_says(outputs: Outputs, tmp_path: Path) -> None:
    (tmp_path / "map.png").write_bytes(b"\x89PNG")
    outputs.collector.take_returned(None, tmp_path / "map.png")
    assert outputs.media_types() == {"result": "image/png"}


def test_a_returned_object_is_written_by_its_library(outputs: Outputs) -> None:
    outputs.collector.take_returned(None, TABLE)
    (output,) = outputs.all()
    assert (output.id, output.media_type, output.kind) == ("result", "text/csv", Kind.TEXT)
    assert outputs.contents() == {"result": CSV}


@pytest.mark.parametrize("by", ["returned", "published"])
def test_an_object_is_in_the_format_that_was_asked_for_of_this_output(
    local_storage: ResultStorage, by: str
) -> None:
    formats = {"table": Formats(requested=PARQUET), "other": Formats(requested="image/png")}
    outputs = Outputs(local_storage, "table", "other", formats=formats)
    if by == "returned":
        outputs.collector.take_returned(None, TABLE)
    else:
        outputs.collector.publish("table", TABLE)
    assert outputs.media_types() == {"table": PARQUET}
    assert outputs.contents()["table"][:4] == b"PAR1"


def test_a_dict_of_objects_and_values_is_one_output_each(
    local_storage: ResultStorage, tmp_path: Path
) -> None:
    outputs = Outputs(local_storage, "table", "map", "typed", "raw", "file", "mean")
    (tmp_path / "page.html").write_text("<p>")
    outputs.collector.take_returned(
        None,
        {
            "table": TABLE,
            "map": Image.new("L", (1, 1)),
            "typed": (PARQUET, TABLE),
            "raw": b"\x00",
            "file": tmp_path / "page.html",
            "mean": 2.5,
        },
    )
    assert outputs.media_types() == {
        "table": "text/csv",
        "map": "image/png",
        "typed": PARQUET,
        "raw": "application/octet-stream",
        "file": "text/html",
        "mean": "application/json",
    }
    assert not any(output.members_are_outputs for output in outputs.all())


@dataclass
class Report:
    """Several results in one."""

    table: pandas.DataFrame | None
    mean: float


def test_a_data_class_of_outputs_is_these_outputs(local_storage: ResultStorage) -> None:
    outputs = Outputs(local_storage, "table", "mean")
    outputs.collector.take_returned(None, Report(TABLE, 2.5))
    assert outputs.contents() == {"table": CSV, "mean": b"2.5"}


def test_a_model_of_outputs_that_json_can_hold_is_one_document_of_them(
    local_storage: ResultStorage,
) -> None:
    outputs = Outputs(local_storage, "west", "file")
    outputs.collector.take_returned(None, Extent(west=1))
    (output,) = outputs.all()
    assert output.members_are_outputs
    assert json.loads(outputs.contents()["west"]) == {"west": 1.0, "file": None}


def test_a_processor_that_calls_a_dict_of_objects_json_has_these_outputs_too(
    local_storage: ResultStorage,
) -> None:
    outputs = Outputs(local_storage, "table", "mean")
    outputs.collector.take_returned("application/json", {"table": TABLE, "mean": 2.5})
    assert outputs.contents() == {"table": CSV, "mean": b"2.5"}


@pytest.mark.parametrize(
    "value",
    [[TABLE], {"more": TABLE}, [b"x"], {"more": {"deep": (Path("x"),)}}, Report(TABLE, 2.5)],
    ids=range(5),
)
def test_what_is_more_than_json_inside_json_is_told_of(outputs: Outputs, value: Any) -> None:
    with pytest.raises(ProcessorFailed, match="a dict whose keys are outputs in the description"):
        outputs.collector.take_returned(None, value)
    assert outputs.all() == ()


class Thing:
    """Nobody knows how to write it."""


@pytest.mark.parametrize("value", [Thing(), [Thing()], {"a": {"b": Thing()}}], ids=range(3))
def test_an_unknown_object_is_named_with_what_may_be_returned(outputs: Outputs, value: Any) -> None:
    expected = "'result' is no result: JSON cannot hold an object of .*Thing; return what JSON can"
    with pytest.raises(ProcessorFailed, match=f"{expected}.*pandas.DataFrame.*xarray.Dataset"):
        outputs.collector.take_returned(None, value)


def test_what_holds_itself_is_told_of(outputs: Outputs) -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ProcessorFailed, match="'result' holds itself"):
        outputs.collector.take_returned(None, endless)


def test_an_output_that_is_stored_already_is_no_part_of_json(storage: ResultStorage) -> None:
    outputs = Outputs(storage, *Output.model_fields)
    outputs.collector.publish("stored", b"x", "text/csv")
    (stored,) = outputs.all()
    with pytest.raises(ProcessorFailed, match="which JSON cannot hold"):
        outputs.collector.take_returned(None, [stored])
    outputs.collector.take_returned(None, stored)
    assert outputs.contents() == {"stored": b"x", "id": b"x"}


def test_an_unknown_object_that_is_published_is_named_with_what_may_be(outputs: Outputs) -> None:
    with pytest.raises(ProcessorFailed, match=r"'map' is an object of dict.*xarray\.Dataset"):
        outputs.collector.publish("map", {"a": 1}, "application/json")


@pytest.mark.parametrize("data", [b"x", "x", Path("x")])
def test_bytes_and_files_are_published_with_their_media_type(outputs: Outputs, data: Any) -> None:
    with pytest.raises(ProcessorFailed, match="'map' has no media type; say it"):
        outputs.collector.publish("map", data)


def test_an_object_that_cannot_be_written_is_no_output(outputs: Outputs) -> None:
    with pytest.raises(ProcessorFailed, match="cannot be written as image/gif"):
        outputs.collector.publish("map", TABLE, "image/gif")
    assert outputs.all() == ()
