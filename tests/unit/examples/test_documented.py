"""What the documentation shows of the examples is what is there."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.support.programs import environment

ROOT = Path(__file__).parents[3]


def test_the_tests_of_the_example_are_shown_as_they_are() -> None:
    shown = (ROOT / "docs/how-to/test-a-process.md").read_text()
    assert (ROOT / "examples/test_processes.py").read_text().strip() in shown


def test_the_application_of_ones_own_is_shown_as_it_is() -> None:
    page = (ROOT / "docs/how-to/mount-in-your-own-application.md").read_text()
    shown = page.partition("```python\n")[2].partition("```")[0]
    assert (ROOT / "examples/own_api.py").read_text().endswith(f'"""\n\n{shown}')
    process = page.partition("```yaml\n")[2].partition("```")[0]
    assert (ROOT / "examples/processes/distance.yml").read_text().endswith(process)


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


def test_the_tests_that_are_shown_for_the_tutorials_process_pass(tmp_path: Path) -> None:
    def first_python(page: str) -> str:
        return (ROOT / "docs" / page).read_text().partition("```python\n")[2].partition("```")[0]

    process = first_python("tutorial/first-process.md")
    quick, sleeps = re.subn(r"^ *time\.sleep.*\n", "", process, flags=re.MULTILINE)
    assert sleeps == 1
    (tmp_path / "great_circle.py").write_text(quick)
    (tmp_path / "test_great_circle.py").write_text(first_python("how-to/test-a-process.md"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    run = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert run.returncode == 0 and "7 passed" in run.stdout, run.stdout[-3000:]


def test_the_function_that_is_shown_passes_the_tests_that_are_shown(tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/write-a-function.md").read_text()
    shown = [each.partition("```")[0] for each in page.split("```python\n")[1:]]
    function, _, _, plain, as_process = shown
    (tmp_path / "rain.py").write_text(function)
    (tmp_path / "test_rain.py").write_text(plain)
    (tmp_path / "test_process.py").write_text(as_process)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    run = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert run.returncode == 0 and "8 passed" in run.stdout, run.stdout[-3000:]
