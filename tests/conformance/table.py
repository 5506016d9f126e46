"""The page of the documentation that says what of the standard is implemented."""

from collections.abc import Iterator

from tests.conformance.requirements import CLASSES, REQUIREMENTS, Requirement
from tests.conformance.shortfalls import MANAGER, NATIVE

_HEAD = """\
# What of the standard is implemented

OGC API - Processes - Part 1: Core, version 1.0 (OGC 18-062r2), requirement by requirement. The
complete API is what `pygeoapi-prefect serve` and `up` serve; the manager is what pygeoapi's own
servers (`pygeoapi serve`, Flask, Django) serve with `pygeoapi_prefect.PrefectManager` in their
configuration. What the manager lacks is decided by pygeoapi before or after it asks a manager.

Each line is a test of that name in `tests/conformance`, which is run on both. A line that says
"no" is a test that has to fail, so that this page stays true. It is written by
`tools/write-conformance-table`.

What the methods of OGC's own test suite for this standard (`ets-ogcapi-processes10`) ask for is
tested beside them, in our words (`tests/conformance/test_ets.py`). The suite itself was not run:
it could not be had where this is developed.
"""


def conformance_page() -> str:
    """Return the page, in Markdown."""
    met = sum(requirement.id not in NATIVE for requirement in REQUIREMENTS)
    by_manager = sum(requirement.id not in MANAGER for requirement in REQUIREMENTS)
    count = len(REQUIREMENTS)
    summary = f"Of {count} requirements the complete API meets {met}, the manager {by_manager}.\n"
    return "\n".join([_HEAD, summary, *_tables()])


def _tables() -> Iterator[str]:
    for class_name, title in CLASSES.items():
        yield f"## {title}\n"
        yield "| requirement | what it asks for | complete API | manager |"
        yield "|---|---|---|---|"
        for requirement in REQUIREMENTS:
            if requirement.class_name == class_name:
                yield _row(requirement)
        yield ""


def _row(requirement: Requirement) -> str:
    faces = [
        f"no: {shortfalls[requirement.id]}" if requirement.id in shortfalls else "yes"
        for shortfalls in (NATIVE, MANAGER)
    ]
    return f"| `{requirement.id}` | {requirement.says} | {' | '.join(faces)} |"
