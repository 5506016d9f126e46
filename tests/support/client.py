"""A client of OGC API - Processes that is as dumb as they come."""

from typing import Any

import httpx

from tests.support.programs import eventually

FINAL = {"successful", "failed", "dismissed"}


class Client:
    """Talks to a pygeoapi over HTTP."""

    def __init__(self, url: str, timeout: float = 90) -> None:
        self.url = url
        self.http = httpx.Client(
            base_url=url,
            timeout=timeout,
            trust_env=False,
            headers={"accept": "application/json"},
        )

    def close(self) -> None:
        self.http.close()

    def execute(
        self, process_id: str, inputs: Any = None, prefer: str | None = None, **more: Any
    ) -> httpx.Response:
        headers = {"prefer": prefer} if prefer else {}
        body = {"inputs": inputs if inputs is not None else {}, **more}
        return self.http.post(f"/processes/{process_id}/execution", json=body, headers=headers)

    def submit(self, process_id: str, inputs: Any = None, **more: Any) -> str:
        answer = self.execute(process_id, inputs, prefer="respond-async", **more)
        assert answer.status_code == 201, answer.text
        job_id: str = answer.json()["jobID"]
        return job_id

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.http.get(f"/jobs/{job_id}", params={"f": "json"})
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def results(self, job_id: str) -> httpx.Response:
        return self.http.get(f"/jobs/{job_id}/results", params={"f": "json"})

    def delete(self, job_id: str) -> httpx.Response:
        return self.http.delete(f"/jobs/{job_id}")

    def jobs(self, **params: Any) -> dict[str, Any]:
        answer = self.http.get("/jobs", params={"f": "json", **params})
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def wait_for(self, job_id: str, *statuses: str, seconds: float = 90) -> dict[str, Any]:
        """Follow a job until it has one of the statuses, any final one by default."""
        wanted = set(statuses) or FINAL

        def look() -> dict[str, Any] | None:
            document = self.job(job_id)
            return document if document["status"] in wanted else None

        found = eventually(look, f"job {job_id} {wanted}", seconds)
        assert found is not None
        return found
