"""Nothing tells anybody to install this package by its name, which on PyPI is another project's.

What is shown is a wheel or a checkout. A version above that project's keeps installers from
replacing this package by it.
"""

import re
import subprocess
from pathlib import Path

import pytest
from packaging.version import Version

import pygeoapi_prefect
from tests.support.programs import ROOT

NAME = "pygeoapi-prefect"

# Not a path to a checkout, not a wheel, not what is built from source or found at an address.
_BARE = r"(?<![\w./@~-])(?<!--no-binary )pygeoapi[-_.]prefect(?![\w/]|[-.]\w|\S* *@)"
_INSTALLER = (
    r"\b(?:pip[\d.]*|uv|pipx|poetry|pdm|hatch|conda|mamba|micromamba|easy_install)\b[^|;&\n]*?"
    r"\b(?:install|add|download|wheel|run)\b|\buvx\b|\bEXTRA_PIP_PACKAGES\b"
)
INSTALLATION_BY_NAME = re.compile(
    # a command or a variable that installs
    rf"(?:{_INSTALLER})[^|;&\n]*?{_BARE}"
    # a requirement, wherever it stands
    rf"|{_BARE}(?:\[[\w, -]*\]|\s*(?:[=<>~!]=|[<>]\s*\d))"
    # an item of a list of requirements
    rf"|\b(?:dependencies|requires|packages|pip)\b\s*[=:]\s*\[[^\]]*?{_BARE}",
    re.IGNORECASE,
)
# A line of its own in requirements.txt or in the file of an environment.
REQUIREMENT = re.compile(rf"""^[ ]*(?:-[ ]+["']?)?{_BARE}["']?[ ]*$""", re.MULTILINE)


def installations_by_name(text: str) -> list[str]:
    """Return the places of a text that install this package by its name."""
    one_command_a_line = re.sub(r"\\\r?\n", " ", text)
    plain = re.sub(r"""["'`, ]+""", " ", one_command_a_line)  # these only stand between words
    found = [*INSTALLATION_BY_NAME.finditer(plain), *REQUIREMENT.finditer(one_command_a_line)]
    return [each[0].strip() for each in found]


def texts() -> dict[str, str]:
    """Return the text files of this repository, also those that are not committed yet."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    contents = {
        name: (ROOT / name).read_bytes() for name in listing.split("\0") if (ROOT / name).is_file()
    }
    return {
        name: content.decode(errors="replace")
        for name, content in contents.items()
        if b"\0" not in content
    }


def test_no_file_installs_this_package_by_its_name() -> None:
    faults = {
        name: found for name, text in texts().items() if (found := installations_by_name(text))
    }
    assert faults == {}


def test_all_files_are_looked_through() -> None:
    looked_at = texts()
    assert {"README.md", "Dockerfile", "docs/how-to/docker.md", "compose.yaml"} <= set(looked_at)
    assert "pip install" in looked_at["docs/how-to/docker.md"]


@pytest.mark.parametrize(
    "line",
    [
        "pip install {}",
        "pip3 install -U '{}'",
        'python -m pip install --no-cache-dir "{}[s3]" my-processors',
        "RUN pip install \\\n    my-processors \\\n    {}",
        f"`pip install {NAME.replace('-', '_')}`",
        "#   pip install {}==1.0",
        "uv pip install {}",
        "uv add {}",
        "uvx {} up",
        "uvx --from {} {} up",
        "pipx install {}",
        "pipx run {} up",
        "poetry add {}",
        "conda install -c conda-forge {}",
        'subprocess.run(["pip", "install", "{}"])',
        "EXTRA_PIP_PACKAGES: {}",
        "  - {}",
        '  - "{}"',
        "fsspec\n{}\nprefect\n",
        "{}>=0.9",
        "install '{}[s3]' first",
        'dependencies = ["pygeoapi", "{}"]',
        'dependencies = [\n    "pygeoapi",\n    "{}",\n]',
    ],
)
def test_an_installation_by_name_is_recognised(line: str) -> None:
    assert installations_by_name(line.replace("{}", NAME))


@pytest.mark.parametrize(
    "line",
    [
        "pip install .",
        "pip install ~/{}",
        'pip install "./{}[s3]"',
        'pip install "/tmp/pygeoapi_prefect-1.0.0a1-py3-none-any.whl[s3]"',
        'pip install "{} @ file:///tmp/pygeoapi_prefect-1.0.0a1-py3-none-any.whl"',
        'pip install "{}[s3] @ git+https://example.org/{}"',
        "pip uninstall {}",
        "pip show {}",
        "uv pip install --no-binary {} --no-deps .",
        "uv pip install --no-deps . && {} --help",
        "pip install . ; {} up",
        "FROM {}",
        'name = "{}"',
        "command: [{}, worker]",
        '_NAMES = (\n    "fsspec",\n    "{}",\n)',
        "`{} doctor` checks all.",
    ],
)
def test_anything_else_is_not(line: str) -> None:
    assert installations_by_name(line.replace("{}", NAME)) == []


def test_no_installer_prefers_the_other_project() -> None:
    # Its newest release was 0.9.1 when this was written.
    assert Version(pygeoapi_prefect.__version__) > Version("0.9.1")


def test_images_on_top_of_ours_cannot_get_the_other_project_through_a_dependency() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    (constraints,) = re.findall(r"^ENV UV_CONSTRAINT=(\S+)$", dockerfile, re.MULTILINE)
    last_stage = dockerfile.rpartition("\nFROM ")[2]
    assert f"ENV UV_CONSTRAINT={constraints}" in last_stage
    assert "grep '^pygeoapi-prefect='" in dockerfile


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_wheels_on_a_page_are_those_of_this_version(page: Path) -> None:
    for version in re.findall(r"pygeoapi_prefect-(\S+?)-py3", page.read_text()):
        assert version == pygeoapi_prefect.__version__
