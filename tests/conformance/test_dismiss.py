"""Conformance class "dismiss" (OGC 18-062r2, 13)."""

import pytest

from tests.conformance.api import Api
from tests.conformance.documents import StatusInfo, read

requirement = pytest.mark.requirement


@requirement("/req/dismiss/job-dismiss-op")
def test_dismiss_job_dismiss_op(api: Api, waiting: str) -> None:
    assert api.client.delete(waiting).status_code == 200


@requirement("/req/dismiss/job-dismiss-success")
def test_dismiss_job_dismiss_success(api: Api, waiting: str) -> None:
    job = read(StatusInfo, api.client.delete(waiting))
    assert (job.jobID, job.status) == (waiting, "dismissed")
    assert api.client.wait_for(waiting, "dismissed")["status"] == "dismissed"
