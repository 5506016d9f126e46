"""The mark of the code of a process: another one when its source changes, and only then."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pygeoapi_prefect.processes.code import code_of


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path, "return 1")
    importlib.invalidate_caches()
    yield importlib.import_module("some_processes")
    del sys.modules["some_processes"]


def write(folder: Path, body: str) -> None:
    text = f"def run():\n    {body}\n\n\nclass Processor:\n    pass\n"
    (folder / "some_processes.py").write_text(text)


def test_function_and_class_of_a_module_have_its_mark(module: ModuleType) -> None:
    assert code_of(module.run) == code_of(module.Processor)
    assert len(str(code_of(module.run))) == 16


def test_it_changes_with_the_source_and_comes_back_with_it(
    module: ModuleType, tmp_path: Path
) -> None:
    before = code_of(module.run)
    write(tmp_path, "return 22")
    after = code_of(module.run)
    write(tmp_path, "return 1")
    assert before != after
    assert code_of(module.run) == before


def test_what_has_no_source_has_none(module: ModuleType, tmp_path: Path) -> None:
    assert code_of(len) is None
    (tmp_path / "some_processes.py").unlink()
    assert code_of(module.run) is None
