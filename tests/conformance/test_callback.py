"""Conformance class "callback" (OGC 18-062r2, 12)."""

import pytest

from tests.conformance.api import PROCESS, TEXT, Api
from tests.conformance.documents import StatusInfo
from tests.support.faults import Subscriber
from tests.support.programs import eventually

requirement = pytest.mark.requirement


@requirement("/req/callback/job-callback")
def test_callback_job_callback(api: Api, subscriber: Subscriber) -> None:
    job_id = api.submit({"inputs": {"text": TEXT}, "subscriber": subscriber.subscription("good")})
    eventually(lambda: subscriber.paths("good") == ["began", "success"], "success is told")
    assert subscriber.body("good/success") == {"text": TEXT}  # results.yaml
    begun = StatusInfo.model_validate(subscriber.body("good/began"))
    assert (begun.jobID, begun.processID) == (job_id, PROCESS)

    unreadable = {"text": TEXT, "measure": {"href": subscriber.url("refused")}}
    api.submit({"inputs": unreadable, "subscriber": subscriber.subscription("bad")})
    eventually(lambda: subscriber.paths("bad")[-1:] == ["failed"], "failure is told")
    failed = StatusInfo.model_validate(subscriber.body("bad/failed"))
    assert failed.status == "failed"
