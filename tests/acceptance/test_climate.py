"""The example with the winds, as a whole: 437 months, an archive that fails, and two kills."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import xarray

from examples.climate.archive import Archive, list_files, serving
from tests.support.client import FINAL, Client
from tests.support.programs import ROOT, eventually
from tests.support.stack import processes_of, up

pytestmark = pytest.mark.large

_EXAMPLES = ROOT / "examples"
_MONTHS = 437
_WORKER_DIES, _PREFECT_DIES = 200, 300
# A whole number of months, as the function tells it.
_DONE = re.compile(r"Month (\d+) of 437: .*|(\d+) of 437 months are there")


class Watcher:
    """Somebody who asks for the status document of a job again and again.

    Attributes:
        seen: the documents, in their order.
    """

    def __init__(self, client: Client, job_id: str) -> None:
        self.seen: list[dict[str, Any]] = []
        self._client = client
        self._job_id = job_id

    def look(self) -> bool:
        """Ask once; return whether the job has ended."""
        answer = self._client.http.get(f"/jobs/{self._job_id}", params={"f": "json"})
        # Prefect is away for a moment, which is said and no more.
        assert answer.status_code in (200, 503), answer.text
        if answer.status_code == 200:
            self.seen.append(answer.json())
        return bool(self.seen) and self.seen[-1]["status"] in FINAL

    @property
    def told(self) -> list[tuple[int, int, int]]:
        """Attempt, months and percent of the documents that tell all three."""
        found = []
        for document in self.seen:
            attempt = re.fullmatch(r"Attempt (\d+) of 101: (.*)", document["message"])
            months = _DONE.fullmatch(attempt[2] if attempt else document["message"])
            if months:
                number = int(attempt[1]) if attempt else 1
                found.append((number, int(months[1] or months[2]), document["progress"]))
        return found


def test_437_months_come_in_once_each_whatever_fails_or_is_killed(
    tmp_path: Path, template: Path
) -> None:
    archive = Archive(seconds=0.02)
    with serving(archive) as address:
        path = [str(ROOT / "src"), str(ROOT), str(_EXAMPLES)]
        variables = {
            "PYTHONPATH": os.pathsep.join(path),
            "CLIMATE_ARCHIVE": address,
            "CLIMATE_DATASETS": str(tmp_path / "datasets"),
        }
        with up(
            tmp_path / "service",
            template=template,
            variables=variables,
            processes_dir=str(_EXAMPLES / "climate" / "processes"),
        ) as stack:
            client = stack.client
            watcher = Watcher(client, client.submit("ingest"))
            for months, part in ((_WORKER_DIES, "worker"), (_PREFECT_DIES, "server")):
                eventually(
                    lambda at=months: watcher.look() or archive.sent.total() >= at,  # type: ignore[misc]
                    f"{months} months are there",
                    300,
                )
                victim = processes_of(stack.state)[part]
                victim.kill()
                assert archive.sent.total() < _MONTHS, "it was killed too late to matter"
                victim.wait(10)
            eventually(watcher.look, "the job ends", 300)

            status = watcher.seen[-1]
            assert status["status"] == "successful", status
            made = client.results(status["jobID"]).json()
            assert made == {"dataset_id": "pacific-winds", "months": _MONTHS}
            _check_what_was_fetched(archive)
            _check_what_was_told(watcher, archive.failed)

            (following,) = eventually(
                lambda: _following(client, status["jobID"]), "a job follows the one that ended"
            )
            _check_what_followed(client, following, tmp_path)


def _check_what_was_fetched(archive: Archive) -> None:
    assert archive.failed >= 10
    assert set(archive.sent) == set(list_files())
    # One may have been on its way when the worker was killed.
    again = {name: times for name, times in archive.sent.items() if times != 1}
    assert list(again.values()) in ([], [2]), again
    # Or it was there already, and no checkpoint had it yet.
    assert archive.confirmed.total() + len(again) <= 1
    print(  # noqa: T201
        f"{archive.sent.total()} sent, {archive.confirmed.total()} confirmed, "
        f"{archive.failed} failed on purpose"
    )


def _check_what_was_told(watcher: Watcher, failed: int) -> None:
    documents = [document for document in watcher.seen if document["status"] == "running"]
    # All along, from when it is first told.
    first = next(number for number, document in enumerate(documents) if "done" in document)
    courses = [(each["done"], each["total"]) for each in documents[first:]]
    assert courses == sorted(courses) and {total for _, total in courses} == {_MONTHS}
    assert [each["progress"] for each in documents[first:]] == [
        min(99, done * 100 // total) for done, total in courses
    ]
    assert any("estimatedCompletion" in each for each in documents)
    told = watcher.told
    assert len({months for _, months, _ in told}) >= 20
    # No attempt begins behind what an earlier one had reached.
    assert told == sorted(told)
    assert [months for _, months, _ in told] == sorted(months for _, months, _ in told)
    # A hundred is for jobs that were successful.
    percents = [min(99, months * 100 // _MONTHS) for _, months, _ in told]
    assert [percent for _, _, percent in told] == percents
    attempts = told[-1][0]
    # One for each fault and one for the worker; the Prefect server's death costs none.
    assert attempts <= 1 + failed + 1
    print(f"{attempts} attempts")  # noqa: T201


def _following(client: Client, job_id: str) -> list[str]:
    links = client.job(job_id)["links"]
    return [link["href"].rpartition("/")[2] for link in links if link["rel"] == "next"]


def _check_what_followed(client: Client, job_id: str, folder: Path) -> None:
    assert client.wait_for(job_id, seconds=120)["status"] == "successful"

    def output(name: str) -> bytes:
        answer = client.http.get(f"/jobs/{job_id}/results", params={"outputs": name})
        assert answer.status_code == 200, answer.text
        return answer.content

    (folder / "means.nc").write_bytes(output("means"))
    means = xarray.load_dataset(folder / "means.nc")
    assert dict(means.sizes) == {"time": 31, "lat": 11, "lon": 26}
    for picture in ("map", "plot"):
        assert output(picture).startswith(b"\x89PNG")
