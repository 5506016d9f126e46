"""The tests of the standard, and the page that tells of them, are complete."""

from importlib import import_module
from pathlib import Path

import pytest

import tests.conformance
from tests.conformance.requirements import CLASSES, REQUIREMENTS
from tests.conformance.shortfalls import BY_FACE
from tests.conformance.table import conformance_page

ROOT = Path(__file__).parents[2]
# Its tests are called like the methods of another suite.
OTHER = "test_ets"


def functions_by_requirement() -> dict[str, list[str]]:
    """Return the names of the functions that test each requirement."""
    found: dict[str, list[str]] = {}
    stems = {file.stem for file in Path(tests.conformance.__path__[0]).glob("test_*.py")}
    for stem in stems - {OTHER}:
        for name, function in vars(import_module(f"tests.conformance.{stem}")).items():
            if name.startswith("test_"):
                (mark,) = [mark for mark in function.pytestmark if mark.name == "requirement"]
                found.setdefault(mark.args[0], []).append(name)
    return found


def test_each_requirement_has_one_test_which_is_called_like_it() -> None:
    assert functions_by_requirement() == {each.id: [each.test_name] for each in REQUIREMENTS}


def test_the_requirements_are_those_of_the_standard() -> None:
    assert len({each.id for each in REQUIREMENTS}) == 82  # 18-062r2 numbers them to 82
    assert {each.class_name for each in REQUIREMENTS} == set(CLASSES)


@pytest.mark.parametrize("face", BY_FACE)
def test_only_requirements_are_shortfalls(face: str) -> None:
    assert BY_FACE[face].keys() <= {each.id for each in REQUIREMENTS}


def test_the_page_is_as_its_tool_writes_it() -> None:
    page = ROOT / "docs" / "reference" / "conformance.md"
    assert page.read_text() == conformance_page(), "run tools/write-conformance-table"
