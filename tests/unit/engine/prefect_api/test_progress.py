"""How far a job is, as a progress artifact of Prefect's holds it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pygeoapi_prefect.engine.prefect_api.progress import as_artifact, progress_from

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def kept(**artifact: Any) -> dict[str, Any]:
    return {"id": "a", "updated": NOW, "data": 1, "description": None, **artifact}


@pytest.mark.parametrize(("done", "total"), [(200, 437), (0.5, 1.5), (0, 0)])
def test_what_is_kept_is_read_again(done: float, total: float) -> None:
    read = progress_from(kept(**as_artifact(45.8, "Month 200", done, total, NOW)))
    assert (read.percent, read.message) == (45.8, "Month 200")
    assert (read.done, read.total, read.ends) == (done, total, NOW)


@pytest.mark.parametrize(
    "metadata",
    [None, {}, {"done": "much", "total": "nan", "ends": "soon"}, {"ends": "2026-01-01T00:00:00"}],
)
def test_an_artifact_that_a_flow_made_by_itself_is_read(metadata: dict[str, str] | None) -> None:
    read = progress_from(kept(metadata_=metadata, data=None))
    assert (read.percent, read.done, read.total, read.ends) == (0, None, None, None)
