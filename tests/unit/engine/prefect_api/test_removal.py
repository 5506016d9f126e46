"""Removing jobs, by hand or because of age: what goes, what stays, and in which order."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pygeoapi_prefect.engine.prefect_api import removal
from pygeoapi_prefect.engine.prefect_api.models import FINAL_STATE_TYPES, FlowRun
from pygeoapi_prefect.engine.prefect_api.names import FLOW_NAME, INPUTS_LABEL, JOB_TAG
from pygeoapi_prefect.engine.prefect_api.removal import old_jobs, remove_job, remove_old_jobs
from pygeoapi_prefect.errors import JobNotFound, PrefectUnavailable, StorageUnavailable
from pygeoapi_prefect.results.manifest import Kind
from pygeoapi_prefect.results.storage import ResultStorage
from pygeoapi_prefect.testing.gateway import InMemoryGateway

TOMORROW = datetime.now(UTC) + timedelta(days=1)
NOT_FINAL = ["SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING"]


@pytest.fixture
def prefect() -> InMemoryGateway:
    return InMemoryGateway()


@pytest.fixture
def broken_storage(tmp_path: Path) -> ResultStorage:
    (tmp_path / "broken").write_text("I am a file.")
    return ResultStorage(str(tmp_path / "broken"))


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "_BATCH", 3)


def submit(
    prefect: InMemoryGateway, state_type: str = "COMPLETED", tag: str = JOB_TAG, **labels: str
) -> str:
    run_id = prefect.create_flow_run(FLOW_NAME, "p", {}, labels, [tag]).id
    if state_type != "SCHEDULED":
        prefect.move(run_id, state_type)
    return run_id


def stored(storage: ResultStorage) -> list[Path]:
    return [path for path in Path(storage.url).rglob("*") if path.is_file()]


def write(storage: ResultStorage, job_id: str) -> None:
    storage.write_output(job_id, 1, 1, "map", "image/png", Kind.BINARY, b"bytes")
    storage.write_checkpoint(job_id, {"block": 3})


def ids(runs: list[FlowRun]) -> set[str]:
    return {run.id for run in runs}


# ---- one job


def test_a_job_goes_with_its_results_its_checkpoint_and_its_inputs(
    prefect: InMemoryGateway, local_storage: ResultStorage
) -> None:
    reference = local_storage.write_inputs({"a": 1})
    job_id = submit(prefect)
    prefect.add_labels(job_id, {INPUTS_LABEL: reference})
    write(local_storage, job_id)
    remove_job(prefect, local_storage, prefect.run(job_id))
    assert (prefect.run_ids, stored(local_storage)) == ([], [])


def test_a_job_that_wrote_nothing_goes_as_well(
    prefect: InMemoryGateway, local_storage: ResultStorage
) -> None:
    remove_job(prefect, local_storage, prefect.run(submit(prefect, "FAILED")))
    assert prefect.run_ids == []


def test_a_job_whose_results_cannot_be_removed_stays(
    prefect: InMemoryGateway, broken_storage: ResultStorage
) -> None:
    job_id = submit(prefect)
    with pytest.raises(StorageUnavailable):
        remove_job(prefect, broken_storage, prefect.run(job_id))
    assert prefect.run_ids == [job_id]


def test_a_job_that_prefect_did_not_remove_can_be_removed_again(
    prefect: InMemoryGateway, local_storage: ResultStorage
) -> None:
    job = prefect.run(submit(prefect))
    write(local_storage, job.id)
    prefect.failure = PrefectUnavailable("down")
    with pytest.raises(PrefectUnavailable):
        remove_job(prefect, local_storage, job)
    prefect.failure = None
    remove_job(prefect, local_storage, job)
    assert (prefect.run_ids, stored(local_storage)) == ([], [])


# ---- old jobs


@pytest.mark.parametrize("state_type", sorted(FINAL_STATE_TYPES))
def test_jobs_that_ended_long_ago_go_however_they_ended(
    prefect: InMemoryGateway, local_storage: ResultStorage, state_type: str
) -> None:
    submit(prefect, state_type)
    remove_old_jobs(prefect, local_storage, TOMORROW)
    assert prefect.run_ids == []


@pytest.mark.parametrize("state_type", NOT_FINAL)
def test_jobs_that_have_not_ended_stay_however_old(
    prefect: InMemoryGateway, local_storage: ResultStorage, state_type: str
) -> None:
    job_id = submit(prefect, state_type)
    assert remove_old_jobs(prefect, local_storage, TOMORROW) == []
    assert prefect.run_ids == [job_id]


def test_jobs_that_ended_lately_stay(
    prefect: InMemoryGateway, local_storage: ResultStorage
) -> None:
    old = submit(prefect)
    between = datetime.now(UTC)
    young = submit(prefect)
    removed = remove_old_jobs(prefect, local_storage, between)
    assert (ids(removed), prefect.run_ids) == ({old}, [young])


def test_runs_that_are_no_jobs_stay(prefect: InMemoryGateway, local_storage: ResultStorage) -> None:
    other = submit(prefect, tag="somebody-else-s")
    remove_old_jobs(prefect, local_storage, TOMORROW)
    assert prefect.run_ids == [other]


def test_many_jobs_go_batch_by_batch_until_none_is_left(
    prefect: InMemoryGateway, local_storage: ResultStorage, few_at_once: None
) -> None:
    submitted = {submit(prefect) for _ in range(7)}
    batches = []
    while batch := remove_old_jobs(prefect, local_storage, TOMORROW):
        batches.append(ids(batch))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert set.union(*batches) == submitted and prefect.run_ids == []


def test_a_job_that_somebody_else_removes_meanwhile_does_not_keep_the_others(
    prefect: InMemoryGateway, local_storage: ResultStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = [submit(prefect) for _ in range(3)]
    really_delete = prefect.delete_flow_run

    def too_late(run_id: str) -> None:
        really_delete(run_id)
        if run_id == submitted[1]:
            raise JobNotFound(run_id)

    monkeypatch.setattr(prefect, "delete_flow_run", too_late)
    remove_old_jobs(prefect, local_storage, TOMORROW)
    assert prefect.run_ids == []


def test_old_jobs_stay_while_storage_is_away(
    prefect: InMemoryGateway, broken_storage: ResultStorage
) -> None:
    submitted = [submit(prefect) for _ in range(3)]
    with pytest.raises(StorageUnavailable):
        remove_old_jobs(prefect, broken_storage, TOMORROW)
    assert prefect.run_ids == submitted


def test_a_job_whose_results_cannot_be_removed_does_not_keep_the_others(
    prefect: InMemoryGateway, local_storage: ResultStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = [submit(prefect) for _ in range(3)]
    really_delete = local_storage.delete

    def refuse_one(job_id: str) -> None:
        if job_id == submitted[1]:
            raise StorageUnavailable("not ours to remove")
        really_delete(job_id)

    monkeypatch.setattr(local_storage, "delete", refuse_one)
    removed = remove_old_jobs(prefect, local_storage, TOMORROW)
    assert ids(removed) == {submitted[0], submitted[2]} and prefect.run_ids == [submitted[1]]


# ---- only looking


def test_looking_at_old_jobs_finds_all_of_them_and_removes_none(
    prefect: InMemoryGateway, few_at_once: None
) -> None:
    submitted = [submit(prefect) for _ in range(8)]
    submit(prefect, "RUNNING")
    assert [run.id for run in old_jobs(prefect, TOMORROW)] == submitted[::-1]
    assert len(prefect.run_ids) == 9


def test_there_may_be_no_old_jobs(prefect: InMemoryGateway) -> None:
    assert list(old_jobs(prefect, TOMORROW)) == []


@pytest.mark.parametrize(
    "look",
    [
        lambda prefect, storage: list(old_jobs(prefect, TOMORROW)),
        lambda prefect, storage: remove_old_jobs(prefect, storage, TOMORROW),
    ],
    ids=["look", "remove"],
)
def test_an_outage_of_prefect_is_not_an_absence_of_old_jobs(
    prefect: InMemoryGateway,
    local_storage: ResultStorage,
    look: Callable[[InMemoryGateway, ResultStorage], object],
) -> None:
    prefect.failure = PrefectUnavailable("down")
    with pytest.raises(PrefectUnavailable):
        look(prefect, local_storage)
