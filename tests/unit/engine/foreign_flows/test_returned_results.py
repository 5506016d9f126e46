"""What deployed flows return: read in every form Prefect writes it, and made outputs."""

import base64
import gzip
import json
import lzma
from datetime import timedelta
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from pygeoapi_prefect.config.manager_settings import ManagerSettings
from pygeoapi_prefect.config.process_settings import DeploymentPolicy
from pygeoapi_prefect.engine.foreign_flows import returned_results
from pygeoapi_prefect.engine.foreign_flows.restoring import OUTPUT_KEY
from pygeoapi_prefect.engine.foreign_flows.returned_results import collect, read_returned
from pygeoapi_prefect.errors import ResultMissing, StorageUnavailable
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.delivery import deliver
from pygeoapi_prefect.results.manifest import Kind, Output
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.testing.gateway import InMemoryGateway

VALUE = {"answer": 42}
TEXT = json.dumps(VALUE).encode()
JSON = {"type": "json"}


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gateway = InMemoryGateway()
        self.settings = ManagerSettings(output_dir=folder)

    def read(self, content: bytes | None, details: Any = None, **policy: Any) -> Any:
        """Read what a run returned whose state has these details."""
        if content is not None:
            (self.folder / "key").write_bytes(content)
        data = {"storage_key": str(self.folder / "key"), "serializer": JSON}
        data |= details if isinstance(details, dict) else {}
        run = self.gateway.create_flow_run("f", "d", {"pygeoapi_job_id": "key"}, {}, [])
        self.gateway.move(run.id, "COMPLETED", data=None if details == "none" else data)
        settings = DeploymentPolicy.model_validate({"deployment": "f/d", **policy})
        return read_returned(self.gateway, self.gateway.run(run.id), settings, self.settings)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(returned_results, "_LOG_ARRIVES_WITHIN", timedelta(0))
    return World(tmp_path)


def test_json_is_read(world: World) -> None:
    assert world.read(TEXT) == VALUE


def test_a_whole_record_is_read(world: World) -> None:
    metadata = {"serializer": JSON, "prefect_version": "3.8.8", "storage_key": "key"}
    record = {"metadata": metadata, "result": TEXT.decode()}
    assert world.read(json.dumps(record).encode()) == VALUE


def test_what_only_looks_like_a_record_is_the_result(world: World) -> None:
    value = {"metadata": {"author": "me"}, "result": "{}"}
    assert world.read(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("library", "compress"), [("lzma", lzma.compress), ("gzip", gzip.compress)]
)
def test_compressed_json_is_read(world: World, library: str, compress: Any) -> None:
    content = base64.encodebytes(compress(TEXT))
    kind = {"type": "compressed", "compressionlib": library, "serializer": JSON}
    assert world.read(content, {"serializer": kind}) == VALUE
    short = {"type": "compressed/json", "compressionlib": library}
    assert world.read(content, {"serializer": short}) == VALUE


@pytest.mark.parametrize("kind", ["pickle", "compressed/pickle"])
def test_a_pickle_is_read_only_if_that_is_allowed(world: World, kind: str) -> None:
    content = base64.encodebytes(cloudpickle.dumps(VALUE))
    if kind != "pickle":
        content = base64.encodebytes(lzma.compress(content))
    details = {"serializer": {"type": kind}}
    with pytest.raises(ResultMissing, match="allow_pickle: true"):
        world.read(content, details)
    assert world.read(content, details, allow_pickle=True) == VALUE


def test_a_pickle_that_cannot_be_loaded_here_says_so(world: World) -> None:
    content = base64.encodebytes(b"\x80\x04nonsense")
    with pytest.raises(ResultMissing, match="cannot be unpickled here"):
        world.read(content, {"serializer": {"type": "pickle"}}, allow_pickle=True)


def test_an_unknown_serializer_is_named(world: World) -> None:
    with pytest.raises(ResultMissing, match="'theirs'"):
        world.read(TEXT, {"serializer": {"type": "theirs"}})


def test_a_result_that_is_not_there_says_what_may_be_the_reason(world: World) -> None:
    with pytest.raises(ResultMissing, match="from pygeoapi_prefect import job"):
        world.read(None)


def test_a_result_that_prefect_could_not_write_is_told_in_the_words_of_the_log(
    world: World,
) -> None:
    run = world.gateway.create_flow_run("f", "d", {}, {}, [])
    data = {"storage_key": str(world.folder / "key"), "serializer": JSON}
    world.gateway.move(run.id, "COMPLETED", data=data)
    world.gateway.warnings[run.id] = [
        "Something else",
        "Encountered an error while persisting result: Failed to serialize object of type "
        "'DataFrame' with serializer 'json'. You can try a different serializer (e.g. ...)",
        "Yet another thing",
    ]
    policy = DeploymentPolicy.model_validate({"deployment": "f/d"})
    with pytest.raises(ResultMissing) as caught:
        read_returned(world.gateway, world.gateway.run(run.id), policy, world.settings)
    assert "Failed to serialize object of type 'DataFrame' with serializer 'json'." in str(
        caught.value
    )
    assert "text/csv" in str(caught.value)
    assert "thing" not in str(caught.value)


def test_the_log_of_a_run_that_has_just_ended_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returned_results, "_LOG_ARRIVES_WITHIN", timedelta(seconds=60))
    logs = iter([[], ["only something else"], ["an error while persisting result: no words."]])
    monkeypatch.setattr(world.gateway, "read_warnings", lambda run_id: next(logs))
    with pytest.raises(ResultMissing, match="an error while persisting result"):
        world.read(None)


def test_a_result_that_was_not_kept_says_what_to_do(world: World) -> None:
    with pytest.raises(ResultMissing, match="persist_result=True"):
        world.read(None, "none")


def test_a_result_in_a_block_is_read(world: World, tmp_path: Path) -> None:
    world.gateway.blocks["b1"] = {
        "name": "x",
        "block_type": {"slug": "local-file-system"},
        "data": {"basepath": str(tmp_path)},
    }
    assert world.read(TEXT, {"storage_key": "key", "storage_block_id": "b1"}) == VALUE


def test_a_block_that_is_no_place_for_files_is_named(world: World) -> None:
    world.gateway.blocks["b1"] = {"name": "x", "block_type": {"slug": "slack-webhook"}, "data": {}}
    with pytest.raises(StorageUnavailable, match="slack-webhook/x"):
        world.read(TEXT, {"storage_key": "key", "storage_block_id": "b1"})


def test_the_older_convention_says_itself_where_its_results_are(
    world: World, tmp_path: Path
) -> None:
    world.gateway.blocks["local-file-system/old"] = {
        "name": "old",
        "block_type": {"slug": "local-file-system"},
        "data": {"basepath": str(tmp_path)},
    }
    deployment = {
        "name": "f/d",
        "result_storage_block": "local-file-system/old",
        "result_storage_key_template": "{parameters[pygeoapi_job_id]}",
    }
    assert world.read(TEXT, {"storage_key": "elsewhere"}, deployment=deployment) == VALUE


def test_a_key_template_without_a_block_is_below_where_prefect_keeps_results(world: World) -> None:
    (world.folder / "key.pickle").write_bytes(b"[1]")
    deployment = {
        "name": "f/d",
        "result_storage_key_template": "{parameters[pygeoapi_job_id]}.pickle",
    }
    assert world.read(TEXT, deployment=deployment) == [1]


def test_a_key_never_leads_out_of_the_storage(world: World) -> None:
    deployment = {"name": "f/d", "result_storage_key_template": "../{job_id}"}
    with pytest.raises(ResultMissing, match="out of its storage"):
        world.read(TEXT, deployment=deployment)


# ---- what becomes of it


TOKEN = "t"


class Outputs:
    def __init__(self, folder: Path, *declared: str) -> None:
        self.storage = ResultStorage(str(folder))
        self.collector = Collector(self.storage, "job", "returned", declared)

    def of(self, value: Any, token: str | None = TOKEN) -> dict[str, tuple[str, bytes]]:
        """Return output id -> media type and bytes."""
        collect(self.collector, value, token)
        return {
            each.id: (each.media_type, self.storage.read_output("job", each))
            for each in self.collector.outputs
        }


JSON_TYPE, TEXT_TYPE, BYTES_TYPE = "application/json", "text/plain", "application/octet-stream"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": 1}, (JSON_TYPE, b'{"a":1}')),
        ("text", (TEXT_TYPE, b"text")),
        (None, (JSON_TYPE, b"null")),
        ([1, 2], (JSON_TYPE, b"[1,2]")),
        (["text/csv", "a,b"], ("text/csv", b"a,b")),
        (("image/png", b"\x89"), ("image/png", b"\x89")),
        (["not a type", 1], (JSON_TYPE, b'["not a type",1]')),
        (["a/b", 1], (JSON_TYPE, b'["a/b",1]')),
        ({"__class__": "datetime.date", "data": "2024-01-01"}, (TEXT_TYPE, b"2024-01-01")),
        ({"__class__": "builtins.bytes", "data": "abc"}, (BYTES_TYPE, b"abc")),
        ([{"__class__": "m.Model", "data": {"x": 1}}], (JSON_TYPE, b'[{"x":1}]')),
        (
            {"__class__": "x", "data": 1, "more": 2},
            (JSON_TYPE, b'{"__class__":"x","data":1,"more":2}'),
        ),
    ],
    ids=range(12),
)
def test_one_value_is_one_output(tmp_path: Path, value: Any, expected: tuple[str, bytes]) -> None:
    assert Outputs(tmp_path, "result").of(value) == {"result": expected}


def test_an_object_of_declared_outputs_is_several(tmp_path: Path) -> None:
    made = Outputs(tmp_path, "map", "mean").of({"map": ["image/png", b"x"], "mean": 2.5})
    assert made == {"map": ("image/png", b"x"), "mean": (JSON_TYPE, b"2.5")}


def test_an_object_of_other_members_is_one_output(tmp_path: Path) -> None:
    made = Outputs(tmp_path, "map").of({"map": 1, "other": 2})
    assert made == {"map": (JSON_TYPE, b'{"map":1,"other":2}')}


def marker(storage: ResultStorage, token: str) -> dict[str, Any]:
    output = storage.write_output("job", 1, 1, "file", BYTES_TYPE, Kind.BINARY, b"stored")
    return {OUTPUT_KEY + token: output.model_dump(mode="json")}


def test_what_the_job_stored_is_not_stored_again(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path, "result")
    made = outputs.of(["image/png", marker(outputs.storage, TOKEN)])
    assert made == {"result": ("image/png", b"stored")}
    assert [each.key for each in outputs.collector.outputs] == ["1/1-file"]


@pytest.mark.parametrize("token", ["other", None])
def test_nobody_can_make_up_what_a_job_stored(tmp_path: Path, token: str | None) -> None:
    outputs = Outputs(tmp_path, "result")
    made = outputs.of(marker(outputs.storage, TOKEN), token)
    assert made["result"][0] == JSON_TYPE


def test_the_manifest_of_it_can_be_delivered(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path, "result")
    outputs.of(["text/csv", "a,b"])
    manifest = outputs.collector.manifest("p", as_document=False)
    assert isinstance(manifest.outputs[0], Output)
    assert deliver(outputs.storage, manifest).body == b"a,b"
