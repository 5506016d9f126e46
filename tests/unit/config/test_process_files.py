"""Process files: what is in them, what is wrong in them, and which takes the place of which."""

import json
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from pygeoapi_prefect.config import process_files
from pygeoapi_prefect.config.process_definition import json_schema
from pygeoapi_prefect.config.process_files import FileFault, ProcessFiles, read_process_files

RESAMPLE = """\
id: resample
title: Resample a dataset in time
execution_function: my_tools.processes.resample.run
version: 1.2
inputs:
  step: {title: Step}
retries: 3
retry_backoff: {initial: 60, factor: 2, maximum: 240}
timeout: 3600
concurrency_limit: 2
work_pool: docker-pool
"""


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        stem, _, suffix = name.rpartition("_")
        (folder / f"{stem}.{suffix}").write_text(content)
    return folder


def read(*folders: Path, configured: tuple[str, ...] = ()) -> ProcessFiles:
    return read_process_files(folders, {key: {} for key in configured})


def the_fault(found: ProcessFiles) -> FileFault:
    (fault,) = found.faults
    return fault


def test_a_file_becomes_a_resource_as_the_configuration_has_them(tmp_path: Path) -> None:
    found = read(write(tmp_path, resample_yml=RESAMPLE))
    assert found.faults == ()
    assert found.origins == {"resample": str(tmp_path / "resample.yml")}
    assert found.resources["resample"] == {
        "type": "process",
        "processor": {
            "function": "my_tools.processes.resample.run",
            "metadata": {
                "title": "Resample a dataset in time",
                "version": "1.2",
                "inputs": {"step": {"title": "Step"}},
            },
            "prefect": {
                "retries": 3,
                "retry_backoff": {"initial": 60.0, "factor": 2.0, "maximum": 240.0},
                "timeout": 3600.0,
                "concurrency_limit": 2,
                "work_pool": "docker-pool",
            },
        },
        "allow_internal_requests": False,
    }


def test_toml_says_the_same(tmp_path: Path) -> None:
    toml = 'id = "mean"\nexecution_function = "tools.mean"\nname = "Mean"\nretries = 2\n'
    found = read(write(tmp_path, mean_toml=toml))
    processor = found.resources["mean"]["processor"]
    assert processor["metadata"]["title"] == "Mean"
    assert processor["prefect"] == {"retries": 2}


def test_a_file_may_keep_a_process_from_following_links(tmp_path: Path) -> None:
    yaml = "id: mean\nexecution_function: tools.mean\nfetch_references: false\n"
    processor = read(write(tmp_path, mean_yml=yaml)).resources["mean"]["processor"]
    assert processor["prefect"] == {"fetch_references": False}


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("id: ]", 1, "this is not YAML"),
        ("id: a\nexecution_function: x.y\n\tretries: 1\n", 3, "this is not YAML"),
        ("- a\n", None, "must be a mapping with an `id`"),
        ("", None, "must be a mapping with an `id`"),
        ("id: a\n", 1, "/execution_function: Field required"),
        ("id: a\nexecution_function: noDots\n", 2, "must be the dotted path of a function"),
        ("id: a\nexecution_function: x.y\nretrys: 1\n", 3, "/retrys: unknown key; known keys: "),
        ("id: a\nexecution_function: x.y\nretries: many\n", 3, "/retries: "),
        (
            "id: a\nexecution_function: x.y\nretry_backoff:\n  initial: 1\n  factor: 0\n",
            5,
            "/retry_backoff/factor: ",
        ),
        (
            "id: a\nexecution_function: x.y\nschedule:\n  timezone: UTC\n  cron: never\n",
            5,
            "/schedule/cron: 'never' is no cron expression",
        ),
        (
            "id: a\nexecution_function: x.y\nschedule:\n- interval: 1h\n- interval: 1x\n",
            5,
            "/schedule/1/interval: '1x' is not a duration",
        ),
        ("id: a/b\nexecution_function: x.y\n", 1, "a process id may not contain any of"),
        ("id: a\nexecution_function: x.y\ntitle: A\nname: A\n", 1, "leave one out"),
    ],
)
def test_a_fault_names_file_line_and_reason(
    tmp_path: Path, content: str, line: int | None, words: str
) -> None:
    fault = the_fault(read(write(tmp_path, broken_yml=content)))
    assert fault.file == str(tmp_path / "broken.yml")
    assert fault.line == line
    assert words in fault.message
    where = f"{fault.file}, line {line}: " if line else f"{fault.file}: "
    assert str(fault) == where + fault.message


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ('id = "a\n', 1, "this is not TOML"),
        ('id = "a"\nexecution_function = "x.y"\nretries = -1\n', 3, "/retries: "),
    ],
)
def test_a_fault_in_toml_has_its_line_too(
    tmp_path: Path, content: str, line: int, words: str
) -> None:
    fault = the_fault(read(write(tmp_path, broken_toml=content)))
    assert (fault.line, words in fault.message) == (line, True)


def test_a_file_that_is_no_text_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "image.yml").write_bytes(b"\x89PNG\xff")
    assert the_fault(read(tmp_path)).message == "this is not text in UTF-8"


def test_a_broken_file_takes_no_other_down(tmp_path: Path) -> None:
    good = {
        f"p{number}_yml": f"id: p{number}\nexecution_function: tools.run\n" for number in range(20)
    }
    found = read(write(tmp_path, broken_yml="id: ]", **good))
    assert len(found.resources) == 20
    assert len(found.faults) == 1


def test_what_is_no_process_file_is_not_looked_at(tmp_path: Path) -> None:
    hidden = "a: b"
    write(tmp_path, readme_md="# Read me", resample_yml=RESAMPLE)
    (tmp_path / ".resample.yml.swp").write_text(hidden)
    (tmp_path / ".draft.yml").write_text(hidden)
    found = read(tmp_path)
    assert (list(found.resources), found.faults) == (["resample"], ())


def test_a_later_folder_takes_the_place_of_an_earlier_one_and_of_the_configuration(
    tmp_path: Path,
) -> None:
    first = write(tmp_path / "first", resample_yml=RESAMPLE)
    second = write(tmp_path / "second", other_yml=RESAMPLE.replace("retries: 3", "retries: 5"))
    found = read(first, second, configured=("resample",))
    assert found.resources["resample"]["processor"]["prefect"]["retries"] == 5
    assert found.notes == (
        f"process 'resample' is that of {first / 'resample.yml'}, in place of that of the pygeoapi "
        "configuration",
        f"process 'resample' is that of {second / 'other.yml'}, in place of that of "
        f"{first / 'resample.yml'}",
    )


def test_two_files_of_one_folder_cannot_be_the_same_process(tmp_path: Path) -> None:
    found = read(write(tmp_path, a_yml=RESAMPLE, b_yml=RESAMPLE))
    fault = the_fault(found)
    assert found.origins["resample"] == str(tmp_path / "a.yml")
    assert fault.file == str(tmp_path / "b.yml")
    assert (
        fault.message
        == f"the process 'resample' is in {tmp_path / 'a.yml'} already; give it " + ("another id")
    )


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    fault = the_fault(read(tmp_path / "nowhere"))
    assert fault.file == str(tmp_path / "nowhere")
    assert "make it, or correct server.manager.processes_dir" in fault.message


class TestPackages:
    """What installed packages bring, by entry points."""

    @pytest.fixture
    def brought(self, monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
        found: list[EntryPoint] = []
        monkeypatch.setattr(process_files, "entry_points", lambda group: found)
        return found

    def test_a_mapping_has_the_keys_of_a_file(
        self, brought: list[EntryPoint], tmp_path: Path
    ) -> None:
        brought.append(entry_point(f"{__name__}:OF_PACKAGE"))
        found = read(tmp_path)
        assert found.resources["packaged"]["processor"]["function"] == "tools.run"
        assert found.origins["packaged"] == f"the entry point 'name' of {__name__}:OF_PACKAGE"

    def test_a_folder_is_read_as_others_are(
        self, brought: list[EntryPoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = write(tmp_path / "in-package", resample_yml=RESAMPLE)
        monkeypatch.setattr(EntryPoint, "load", lambda self: folder)
        brought.append(entry_point("x:y"))
        assert list(read().resources) == ["resample"]

    def test_the_configuration_takes_their_place(self, brought: list[EntryPoint]) -> None:
        brought.append(entry_point(f"{__name__}:OF_PACKAGE"))
        found = read(configured=("packaged",))
        assert found.resources == {}
        assert "'packaged' is that of the pygeoapi configuration" in found.notes[0]

    def test_one_that_cannot_be_loaded_is_said(self, brought: list[EntryPoint]) -> None:
        brought.append(entry_point("no_such_module:x"))
        fault = the_fault(read())
        assert fault.message.startswith("cannot be loaded: ModuleNotFoundError: ")


OF_PACKAGE: dict[str, Any] = {"id": "packaged", "execution_function": "tools.run"}


def entry_point(value: str) -> EntryPoint:
    return EntryPoint("name", value, process_files.ENTRY_POINTS)


class TestSchema:
    """The JSON schema with which editors complete and check process files."""

    def test_the_published_one_is_that_of_the_code(self) -> None:
        published = Path(__file__).parents[3] / "docs" / "reference" / "process-file.schema.json"
        assert json.loads(published.read_text()) == json_schema(), (
            "run tools/write-process-file-schema"
        )

    def test_it_takes_what_is_taken_and_refuses_what_is_refused(self) -> None:
        check = Draft202012Validator(json_schema())
        assert check.is_valid(yaml.safe_load(RESAMPLE.replace("1.2", "1.2.0")))
        assert not check.is_valid({"id": "a", "execution_function": "x.y", "retrys": 1})
        assert not check.is_valid({"id": "a"})

    def test_each_key_is_explained(self) -> None:
        assert all(each["description"] for each in json_schema()["properties"].values())


class TestChains:
    """Processes that follow others."""

    def chain(self, process_id: str, *followers: str) -> str:
        steps = ", ".join(f"{{process: {each}}}" for each in followers)
        return f"id: {process_id}\nexecution_function: x.y\non_success: [{steps}]\n"

    def test_what_follows_is_part_of_the_resource(self, tmp_path: Path) -> None:
        found = read(write(tmp_path, a_yml=self.chain("a", "b"), b_yml=self.chain("b")))
        assert found.resources["a"]["processor"]["on_success"] == [{"process": "b"}]
        assert found.faults == ()

    def test_a_chain_that_never_ends_is_left_out(self, tmp_path: Path) -> None:
        chain = {"a_yml": self.chain("a", "b"), "b_yml": self.chain("b", "c", "d")}
        chain |= {"c_yml": self.chain("c", "a"), "d_yml": self.chain("d")}
        found = read(write(tmp_path, **chain))
        assert list(found.resources) == ["d"]
        assert {fault.process_id for fault in found.faults} == {"a", "b", "c"}
        assert all("would never end" in fault.message for fault in found.faults)

    def test_one_that_follows_itself_is_left_out(self, tmp_path: Path) -> None:
        found = read(write(tmp_path, a_yml=self.chain("a", "a")))
        assert the_fault(found).message.endswith("a -> a")

    def test_one_through_the_configuration_is_left_out(self, tmp_path: Path) -> None:
        write(tmp_path, a_yml=self.chain("a", "b"))
        resource = {"processor": {"name": "B", "on_success": [{"process": "a"}]}}
        found = read_process_files([tmp_path], {"b": resource})
        assert (found.resources, len(found.faults)) == ({}, 1)
