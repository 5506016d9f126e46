"""What the documentation shows of the examples is what is there."""

from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_tests_of_the_example_are_shown_as_they_are() -> None:
    shown = (ROOT / "docs/how-to/test-a-process.md").read_text()
    assert (ROOT / "examples/test_processes.py").read_text().strip() in shown
