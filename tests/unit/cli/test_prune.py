"""`pygeoapi-prefect prune`: what it says, what it removes, and what it leaves alone."""

from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from click.testing import CliRunner, Result

from pygeoapi_prefect.cli import main
from pygeoapi_prefect.engine.prefect_api.models import (
    FINAL_STATE_TYPES,
    Endpoint,
    FlowRun,
    RunQuery,
    RunState,
)
from pygeoapi_prefect.errors import PrefectUnavailable
from pygeoapi_prefect.results.storage import ResultStorage
from tests.support.configuration import configuration, prefect_manager, write_configuration
from tests.support.processors import EchoProcessor
from tests.support.programs import free_port

NOW = datetime.now(UTC)


class Store:
    """The part of a gateway that removing needs, over runs in a list."""

    def __init__(self) -> None:
        self.runs: list[FlowRun] = []
        self.fails_after = 1_000_000
        self.unreadable: list[str] = []

    def add(self, state_type: str = "COMPLETED", process: str = "echo", **age: float) -> FlowRun:
        ended = NOW - timedelta(**age) if age else None
        run = FlowRun(
            id=str(uuid4()),
            created=NOW,
            updated=NOW,
            end_time=ended,
            labels={"pygeoapi.process": process},
            state=RunState(type=state_type, name=state_type.capitalize(), timestamp=NOW),
        )
        self.runs.append(run)
        return run

    def list_flow_runs(
        self, query: RunQuery, *, limit: int | None = None, offset: int = 0
    ) -> list[FlowRun]:
        before = query.ended_before
        assert limit is not None and before is not None
        assert set(query.state_types or ()) == FINAL_STATE_TYPES
        found = [
            run
            for run in self.runs
            if run.state
            and run.state.type in FINAL_STATE_TYPES
            and run.end_time
            and run.end_time < before
        ]
        return found[offset : offset + limit]

    def list_unreadable_runs(self, query: RunQuery) -> list[str]:
        return list(self.unreadable)

    def delete_flow_run(self, flow_run_id: str) -> None:
        if self.fails_after == 0:
            raise PrefectUnavailable("Prefect went away.")
        self.fails_after -= 1
        self.runs = [run for run in self.runs if run.id != flow_run_id]
        self.unreadable = [run_id for run_id in self.unreadable if run_id != flow_run_id]

    @property
    def ids(self) -> set[str]:
        return {run.id for run in self.runs}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    """What is in Prefect; no Prefect is started."""
    runs = Store()

    # By name alone one gets at the command.
    module = import_module("pygeoapi_prefect.cli.prune")
    here = Endpoint(api_url="http://127.0.0.1:9/api")
    monkeypatch.setattr(module, "running_endpoint", lambda _: here)
    monkeypatch.setattr(module, "PrefectGateway", lambda _, **more: runs)
    return runs


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "state" / "prefect").mkdir(parents=True)
    content = configuration(5000, prefect_manager(tmp_path))
    return write_configuration(tmp_path / "config.yml", content)


def call(config: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["prune", "--config", str(config), *options])


# ---- how old


@pytest.mark.parametrize("age", ["7", "soon", "-1d", "7y", "", "1d 2h"])
def test_an_age_that_is_none_is_answered_with_examples(config: Path, age: str) -> None:
    result = call(config, "--older-than", age)
    assert result.exit_code == 2 and "30d" in result.output


@pytest.mark.parametrize("age", ["999999w", "9" * 400 + "d"])
def test_an_age_beyond_all_bounds_is_refused(config: Path, age: str) -> None:
    result = call(config, "--older-than", age)
    assert result.exit_code == 2 and "longer than anything lasts" in result.output


def test_the_age_must_be_said(config: Path, store: Store) -> None:
    run = store.add(days=400)
    result = call(config)
    assert result.exit_code == 2 and "--older-than" in result.output
    assert run.id in store.ids


# ---- removing


def test_jobs_that_ended_before_go_and_younger_ones_stay(config: Path, store: Store) -> None:
    store.add(days=8)
    young = store.add(days=6)
    result = call(config, "--older-than", "7d")
    assert result.exit_code == 0 and "1 job removed" in result.output
    assert store.ids == {young.id}


@pytest.mark.parametrize("state_type", ["SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING"])
def test_a_job_that_has_not_ended_stays(config: Path, store: Store, state_type: str) -> None:
    run = store.add(state_type, days=8)
    assert "0 jobs removed" in call(config, "--older-than", "0s").output
    assert store.ids == {run.id}


def test_jobs_that_prefect_cannot_read_go_whatever_their_age(config: Path, store: Store) -> None:
    store.unreadable = [str(uuid4())]
    (run_id,) = store.unreadable
    assert (
        f"{run_id} (Prefect cannot read it)"
        in call(config, "--older-than", "7d", "--dry-run").output
    )
    assert store.unreadable == [run_id]
    result = call(config, "--older-than", "7d")
    assert run_id in result.output and "1 job removed" in result.output
    assert not store.unreadable


def test_more_jobs_than_a_batch_go(config: Path, store: Store) -> None:
    for _ in range(120):
        store.add(days=8)
    assert "120 jobs removed" in call(config, "--older-than", "7d").output
    assert not store.ids


def test_results_go_with_their_job_and_others_stay(
    config: Path, tmp_path: Path, store: Store
) -> None:
    storage = ResultStorage(str(tmp_path / "results"))
    old, young = store.add(days=8), store.add(days=1)
    for run in (old, young):
        storage.write_checkpoint(run.id, 1)
    call(config, "--older-than", "7d")
    assert [path.name for path in (tmp_path / "results").iterdir()] == [young.id]


def test_a_processor_may_clear_up_after_its_jobs(
    config: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleared: list[str] = []

    def hook(self: EchoProcessor, job_id: str) -> None:
        cleared.append(job_id)
        raise ValueError("and if it fails, that is no reason to stop")

    monkeypatch.setattr(EchoProcessor, "remove_resources", hook, raising=False)
    jobs = [store.add(days=8), store.add(days=9)]
    store.add(process="typed", days=9)
    store.add(process="not-configured-any-more", days=9)
    result = call(config, "--older-than", "7d")
    assert result.exit_code == 0 and "4 jobs removed" in result.output
    assert cleared == [run.id for run in jobs]


def test_jobs_of_deployed_processes_go_like_others(
    tmp_path: Path, config: Path, store: Store
) -> None:
    content = yaml.safe_load(config.read_text())
    content["resources"]["forecast"] = {
        "type": "process",
        "processor": {"prefect": {"deployment": "forecast/prod"}},
    }
    write_configuration(config, content)
    store.add(process="forecast", days=8)
    result = call(config, "--older-than", "7d")
    assert result.exit_code == 0 and "1 job removed" in result.output


def test_what_was_removed_before_an_outage_is_said(config: Path, store: Store) -> None:
    for _ in range(60):
        store.add(days=8)
    store.fails_after = 55
    result = call(config, "--older-than", "7d")
    assert result.exit_code == 1
    assert "50 jobs removed" in result.output and "Prefect went away." in result.output


# ---- only looking


def test_a_dry_run_lists_one_line_for_each_and_removes_nothing(config: Path, store: Store) -> None:
    failed = store.add("FAILED", process="typed", days=8)
    store.add(days=6)
    result = call(config, "--older-than", "7d", "--dry-run")
    assert failed.end_time
    ended = failed.end_time.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert result.output.splitlines() == [
        f"{failed.id} typed failed {ended}",
        "dry run: 1 job would be removed",
    ]
    assert len(store.ids) == 2


def test_a_dry_run_goes_through_all_batches(config: Path, store: Store) -> None:
    for _ in range(120):
        store.add(days=8)
    result = call(config, "--older-than", "7d", "--dry-run")
    assert len(result.output.splitlines()) == 121
    assert len(store.ids) == 120


# ---- without Prefect


def test_a_service_that_does_not_run_is_asked_for(config: Path) -> None:
    result = call(config, "--older-than", "7d")
    assert result.exit_code == 1
    assert "does not run" in result.output and "job_retention" in result.output


def test_a_service_that_never_ran_has_nothing_to_remove(tmp_path: Path) -> None:
    content = configuration(5000, prefect_manager(tmp_path))
    config = write_configuration(tmp_path / "config.yml", content)
    result = call(config, "--older-than", "7d")
    assert result.exit_code == 0 and "nothing to do" in result.output
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_it_says_that_an_external_prefect_is_not_there(tmp_path: Path, options: list[str]) -> None:
    manager = prefect_manager(tmp_path, prefect_api_url=f"http://127.0.0.1:{free_port()}/api")
    config = write_configuration(tmp_path / "config.yml", configuration(5000, manager))
    result = call(config, "--older-than", "7d", *options)
    assert result.exit_code == 1 and "cannot be reached" in result.output
