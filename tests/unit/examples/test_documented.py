"""What the documentation shows of the examples is what is there."""

import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_tests_of_the_example_are_shown_as_they_are() -> None:
    shown = (ROOT / "docs/how-to/test-a-process.md").read_text()
    assert (ROOT / "examples/test_processes.py").read_text().strip() in shown


def test_the_way_to_go_on_with_a_file_is_shown_as_it_is() -> None:
    page = (ROOT / "docs/how-to/make-jobs-survive.md").read_text()
    shown = (
        page.partition("tests kill after and before")[2]
        .partition("```python\n")[2]
        .partition("```")[0]
    )
    assert "rasterio.open" in shown
    source = (ROOT / "examples/sun_elevation.py").read_text()
    assert textwrap.indent(shown, " " * 8) in source
