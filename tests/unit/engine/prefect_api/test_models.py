"""Addresses that people open, made of where Prefect's API is."""

import re

from pygeoapi_prefect.engine.prefect_api.models import Endpoint
from tests.support.programs import ROOT

RUN = "8b0cf9a5-5f3b-4a5c-9d27-1f6f2b1f0c11"
PAGES = [
    path
    for folder in ("docs", "examples", "src", "compose")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".md", ".py", ".yml"}
] + [ROOT / "README.md", ROOT / "pygeoapi-config.yml", ROOT / "compose.yaml"]


def test_a_run_is_shown_by_the_interface_that_asks_for_the_login_and_then_opens_it() -> None:
    endpoint = Endpoint(api_url="http://127.0.0.1:4200/api")
    assert endpoint.run_url(RUN) == f"http://127.0.0.1:4200/v2/runs/flow-run/{RUN}"


def test_a_server_below_a_path_shows_its_runs_there() -> None:
    endpoint = Endpoint(api_url="https://example.org/prefect/api")
    assert endpoint.run_url(RUN) == f"https://example.org/prefect/v2/runs/flow-run/{RUN}"


def test_no_page_and_no_program_leads_to_the_interface_that_forgets_the_run() -> None:
    astray = re.compile(r"\S*(?<!/v2)/runs/flow-run\S*")
    faults = {str(page): found for page in PAGES if (found := astray.findall(page.read_text()))}
    assert faults == {}


def test_one_function_makes_the_address_of_a_run() -> None:
    makers = [
        str(path.relative_to(ROOT))
        for path in PAGES
        if path.suffix == ".py" and "runs/flow-run" in path.read_text()
    ]
    assert makers == ["src/pygeoapi_prefect/engine/prefect_api/models.py"]
