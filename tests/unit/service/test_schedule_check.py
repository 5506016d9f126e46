"""Whether the inputs of schedules fit: found out before anything runs, and told with the place."""

from pathlib import Path
from typing import Any

from pygeoapi_prefect.config.configuration import Configuration
from pygeoapi_prefect.config.manager_settings import ManagerSettings
from pygeoapi_prefect.config.process_files import read_process_files
from pygeoapi_prefect.service.schedule_check import check_schedules

GREET = "tests.support.process_functions.greet"


def configured(*schedules: dict[str, Any], function: str = GREET) -> Configuration:
    processor = {"function": function, "prefect": {"schedule": list(schedules)}}
    return Configuration(ManagerSettings(), {"p": {"type": "process", "processor": processor}})


def hourly(**inputs: Any) -> dict[str, Any]:
    return {"interval": "1h", "inputs": inputs}


def test_what_fits_is_as_the_description_has_it() -> None:
    checked = check_schedules(configured(hourly(name="Ada"), hourly(name="Bob", times=2)))
    assert checked.faults == {}
    assert checked.inputs == {"p": [{"name": "Ada"}, {"name": "Bob", "times": 2}]}


def test_what_does_not_is_told_with_its_place() -> None:
    checked = check_schedules(configured(hourly(name="Ada", times=0)))
    assert checked.inputs == {}
    place = "/resources/p/processor/prefect/schedule/inputs/times"
    assert checked.faults["p"].startswith(f"{place}: must be at least 1")


def test_of_several_the_one_is_named() -> None:
    checked = check_schedules(configured(hourly(name="Ada"), hourly(nobody="knows")))
    assert "/schedule/1/inputs" in checked.faults["p"]
    assert "p" not in checked.inputs


def test_in_a_file_it_has_a_line(tmp_path: Path) -> None:
    file = tmp_path / "p.yml"
    file.write_text(
        f"id: p\nexecution_function: {GREET}\nschedule:\n"
        "- interval: 1h\n  inputs: {name: Ada}\n"
        "- interval: 1h\n  inputs:\n    name: Ada\n    times: 0\n"
    )
    files = read_process_files([tmp_path], {}, with_packages=False)
    checked = check_schedules(Configuration(ManagerSettings(), {}, files=files))
    assert checked.faults["p"].startswith(f"{file}, line 9: /schedule/1/inputs/times: must be")


def test_code_that_cannot_be_loaded_is_scheduled_not_at_all() -> None:
    checked = check_schedules(configured(hourly(), function="no_such_module.run"))
    assert "no_such_module" in checked.faults["p"] and checked.inputs == {}
