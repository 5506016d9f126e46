"""What a flow returned is taken for what it is, or it is said what it is."""

import datetime
import json
from pathlib import Path, PosixPath
from typing import Any

import pandas
import pytest
from prefect.client.schemas.objects import State
from prefect.states import Completed

from pygeoapi_prefect.config.manager_settings import ManagerSettings
from pygeoapi_prefect.config.process_settings import DeploymentPolicy
from pygeoapi_prefect.engine.foreign_flows.restoring import Restorer, holds_markers
from pygeoapi_prefect.engine.foreign_flows.returned_files import ReturnedFiles
from pygeoapi_prefect.engine.foreign_flows.returned_results import collect, flow_folders
from pygeoapi_prefect.errors import ResultMissing
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.testing.gateway import InMemoryGateway

JOB = "8c5f0b7e-6d9b-4a5e-9e59-6b1f3f8a4f10"


class World:
    """A flow's storage, `returned`, in the storage of a service."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "results"
        self.flows = self.folder / "returned"
        self.flows.mkdir(parents=True)
        self.storage = ResultStorage(str(self.folder))

    def of(self, value: Any, *declared: str, **options: Any) -> dict[str, tuple[str, bytes]]:
        """Return output id -> media type and bytes."""
        collector = Collector(self.storage, "job", "returned", declared or ("result",))
        files = ReturnedFiles(lambda: [self.flows, self.folder])
        collect(collector, value, None, Restorer(None, files, **options))
        return {
            each.id: (each.media_type, self.storage.read_output("job", each))
            for each in collector.outputs
        }


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def mark(path: Path) -> dict[str, Any]:
    return {"__class__": "pathlib.PosixPath", "data": str(path)}


def state(data: Any, **more: Any) -> dict[str, Any]:
    """Return a task's state as Prefect writes it into a result."""
    about = {"type": "COMPLETED", "name": "Completed", "message": None, **more}
    return {"__class__": "prefect.client.schemas.objects.State", "data": {**about, "data": data}}


def record(result: Any) -> dict[str, Any]:
    return {"metadata": {"storage_key": "key"}, "result": result}


# ---- files


@pytest.mark.parametrize("of", [mark, PosixPath], ids=["json", "pickle"])
def test_a_file_in_the_flows_storage_is_the_result(world: World, of: Any) -> None:
    path = world.flows / "map.png"
    path.write_bytes(b"\x89PNG")
    assert world.of(of(path)) == {"result": ("image/png", b"\x89PNG")}
    assert world.of(["image/webp", of(path)]) == {"result": ("image/webp", b"\x89PNG")}
    several = world.of({"map": of(path), "mean": 2.5}, "map", "mean")
    assert several == {"map": ("image/png", b"\x89PNG"), "mean": ("application/json", b"2.5")}


def test_a_flow_may_name_its_folders_as_it_likes(world: World) -> None:
    path = world.flows / JOB / "map.png"
    path.parent.mkdir()
    path.write_bytes(b"x")
    assert world.of(mark(path)) == {"result": ("image/png", b"x")}


def test_no_other_file_of_the_machine_is_ever_read(world: World, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (world.flows / "link.txt").symlink_to(secret)
    (world.flows / "folder").symlink_to(tmp_path)
    for path in (
        secret,
        world.flows / "link.txt",
        world.flows / "folder" / "secret.txt",
        world.flows / ".." / ".." / "secret.txt",
        tmp_path / "missing.txt",
        Path("secret.txt"),
        world.flows / "nul\0.txt",
    ):
        with pytest.raises(ResultMissing) as caught:
            world.of(mark(path))
        assert "from pygeoapi_prefect import job" in str(caught.value)
        assert str(tmp_path) not in str(caught.value)


def test_nothing_of_other_jobs_is_ever_read(world: World) -> None:
    for path in (
        world.flows / "0123456789abcdef0123456789abcdef",
        world.folder / JOB / "manifest.json",
        world.folder / "inputs" / f"{JOB}.json",
    ):
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
        with pytest.raises(ResultMissing):
            world.of(mark(path))


def test_a_folder_is_no_result(world: World) -> None:
    (world.flows / "maps").mkdir()
    with pytest.raises(ResultMissing, match="path of a file"):
        world.of(mark(world.flows / "maps"))


@pytest.mark.parametrize("inside", ["file", "bytes"])
def test_files_and_bytes_in_the_midst_of_json_are_told_of(world: World, inside: str) -> None:
    path = world.flows / "map.png"
    path.write_bytes(b"x")
    each = mark(path) if inside == "file" else {"__class__": "builtins.bytes", "data": "x"}
    for value in ([each], {"map": each, "more": 1}, ["application/json", {"deep": [each]}]):
        with pytest.raises(ResultMissing, match=r"metadata\.outputs"):
            world.of(value, "map")


def test_what_a_client_sent_is_not_taken_for_a_file(world: World) -> None:
    path = world.flows / "map.png"
    path.write_bytes(b"x")
    sent = mark(path)
    for parameters in ({"value": sent}, {"value": [json.dumps(sent)]}, {"value": {"a": [sent]}}):
        assert holds_markers(parameters)
    assert not holds_markers({"value": ["class", {"data": 1}]})
    echoed = world.of(sent, believes_markers=False)
    assert json.loads(echoed["result"][1]) == sent


@pytest.mark.parametrize("block", [True, False])
def test_the_flows_storage_is_where_its_result_is(tmp_path: Path, block: bool) -> None:
    gateway = InMemoryGateway()
    gateway.blocks["b1"] = {
        "block_type": {"slug": "local-file-system"},
        "data": {"basepath": str(tmp_path / "block")},
    }
    run = gateway.create_flow_run("f", "d", {}, {}, [])
    own = {"storage_key": "key", "storage_block_id": "b1"}
    data = own if block else {"storage_key": str(tmp_path / "own" / "key")}
    gateway.move(run.id, "COMPLETED", data=data)
    folders = flow_folders(
        gateway,
        gateway.run(run.id),
        DeploymentPolicy.model_validate({"deployment": "f/d"}),
        ManagerSettings(output_dir=tmp_path / "ours"),
    )
    assert folders == [
        tmp_path / ("block" if block else "own"),
        tmp_path / "ours" / "returned",
    ]


# ---- futures and states


def test_futures_and_states_of_tasks_are_their_results(world: World) -> None:
    for value, expected in (
        (state(record({"x": 1})), b'{"x":1}'),
        ([state(record(1)), state(record(2)), 3], b"[1,2,3]"),
        ({"a": state(record("x")), "b": [state(None)]}, b'{"a":"x","b":[null]}'),
        (state({"x": 1}), b'{"x":1}'),
    ):
        assert world.of(value) == {"result": ("application/json", expected)}


def test_a_future_inside_a_model_is_its_result(world: World) -> None:
    plain = Completed(data={"x": 1}).model_dump(mode="json")
    written = {"__class__": "flows.Model", "data": {"inner": plain}}
    assert world.of(written)["result"][1] == b'{"inner":{"x":1}}'


def test_prefects_own_state_is_read(world: World) -> None:
    data = Completed(data={"x": 1}).model_dump(mode="json")
    written = {"__class__": f"{State.__module__}.{State.__qualname__}", "data": data}
    assert world.of(written)["result"][1] == b'{"x":1}'


def test_a_state_of_a_task_that_failed_says_why(world: World) -> None:
    failed = state(None, type="FAILED", name="Failed", message="ValueError: no data")
    with pytest.raises(ResultMissing, match=r"Failed.*ValueError: no data"):
        world.of({"a": failed})


@pytest.mark.parametrize(
    "value",
    [
        state({"storage_key": "key", "serializer": {"type": "json"}}),
        {"__class__": "prefect.client.schemas.objects.FlowRun", "data": {"id": "x"}},
        Completed(data=1),
    ],
    ids=["not kept", "a flow run", "pickled"],
)
def test_an_object_of_prefects_is_no_result(world: World, value: Any) -> None:
    with pytest.raises(ResultMissing, match=r"future\.result\(\)"):
        world.of(value)


# ---- what else is no result


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"__exc_type__": "builtins.ValueError", "message": "no data"}, "ValueError: no data"),
        (ValueError("no data"), "ValueError: no data"),
        ({"__class__": "_io.TextIOWrapper", "data": "<Prefect IOStream ...>"}, "open file"),
        (object(), "builtins.object"),
        ([object()], "builtins.object"),
    ],
    ids=range(5),
)
def test_what_is_no_result_is_named(world: World, value: Any, words: str) -> None:
    with pytest.raises(ResultMissing, match=words):
        world.of(value)


def test_what_a_pickle_holds_is_what_json_would(world: World) -> None:
    value = {"day": datetime.date(2024, 1, 2), "all": {1}, 5: (1, 2)}
    assert world.of(value)["result"][1] == b'{"day":"2024-01-02","all":[1],"5":[1,2]}'


def test_an_object_of_a_library_that_was_pickled_is_written_by_it(world: World) -> None:
    table = pandas.DataFrame({"mean": [1.5]})
    csv = ("text/csv", b"mean\n1.5\n")
    assert world.of(table) == {"result": csv}
    assert world.of({"table": table, "n": 1}, "table", "n") == {
        "table": csv,
        "n": ("application/json", b"1"),
    }
    made = world.of(("application/vnd.apache.parquet", table))["result"]
    assert (made[0], made[1][:4]) == ("application/vnd.apache.parquet", b"PAR1")


def test_an_object_of_a_library_that_cannot_be_written_is_no_result(world: World) -> None:
    with pytest.raises(ResultMissing, match=r"cannot be written as image/png; it can be"):
        world.of(("image/png", pandas.DataFrame({"mean": [1.5]})))
