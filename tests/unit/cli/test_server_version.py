"""What is said of Prefect servers by their version."""

import pytest

from pygeoapi_prefect.cli.server_version import judge_server


@pytest.mark.parametrize(
    ("version", "works", "words"),
    [
        (None, True, ""),
        ("2.20.4", False, "Prefect 3 is needed"),
        ("4.0.0", False, "Prefect 3 is needed"),
        ("3.0.11", False, "it takes no jobs"),
        ("3.1.7", False, "it takes no jobs"),
        ("3.1.8", False, "never removed"),
        ("3.6.13", False, "never removed"),
        ("3.6.14", True, "older than the package"),
        ("3.8.7", True, "older than the package"),
        ("3.10.0", True, "newer than what was tried"),
        ("3.10.0.dev3", True, "newer than what was tried"),
        ("main-1234", True, "not tried"),
    ],
)
def test_a_server_is_judged_by_its_version(version: str | None, works: bool, words: str) -> None:
    verdict, said = judge_server(version)
    assert verdict is works and words in said


@pytest.mark.parametrize("version", ["3.8.8", "3.9.1", "3.9.2.dev1", "3.9.1+5.g0a1b2c3"])
def test_of_a_server_like_ours_nothing_is_to_be_said(version: str) -> None:
    assert judge_server(version) == (True, "")


@pytest.mark.parametrize("version", ["3.1.8", "3.0.11"])
def test_what_does_not_work_comes_with_a_remedy(version: str) -> None:
    assert "upgrade it to 3.9" in judge_server(version)[1]
