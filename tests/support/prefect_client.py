"""What a user of Prefect does with it: starts a run, looks at it, looks at workers."""

from typing import Any, Self

import httpx

from tests.support.programs import eventually

_FINAL_STATES = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


class PrefectClient:
    """Talks to a Prefect server that is not ours; to be closed.

    Attributes:
        environment: with which Prefect's own programs find the server.
        http: for whatever there is no method for.
    """

    def __init__(self, api_url: str, auth: str) -> None:
        self.environment = {"PREFECT_API_URL": api_url, "PREFECT_API_AUTH_STRING": auth}
        user, _, password = auth.partition(":")
        self.http = httpx.Client(
            base_url=api_url, auth=(user, password), trust_env=False, timeout=30
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def has_worker(self, pool: str, name: str) -> bool:
        """Return whether a worker has been seen on a pool."""
        answer = self.http.post(f"/work_pools/{pool}/workers/filter", json={})
        if answer.status_code == 404:  # a worker makes its pool when it starts
            return False
        workers = answer.raise_for_status().json()
        return any(each["name"] == name and each["status"] == "ONLINE" for each in workers)

    def start_run(self, deployment: str, **parameters: Any) -> str:
        """Start a run of a deployment (`flow/name`) and return its id."""
        found = self.http.get(f"/deployments/name/{deployment}").raise_for_status().json()
        path = f"/deployments/{found['id']}/create_flow_run"
        run = self.http.post(path, json={"parameters": parameters}).raise_for_status().json()
        run_id: str = run["id"]
        return run_id

    def state(self, run_id: str) -> dict[str, Any]:
        """Return the state of a run: `type`, `name`, `message` and more."""
        run = self.http.get(f"/flow_runs/{run_id}").raise_for_status().json()
        state: dict[str, Any] = run["state"]
        return state

    def wait_for(self, run_id: str, *types: str, seconds: float = 120) -> dict[str, Any]:
        """Follow a run until its state is of one of the types, any final one by default."""
        wanted = set(types) or _FINAL_STATES

        def look() -> dict[str, Any] | None:
            state = self.state(run_id)
            # What never comes need not be waited for.
            ended = state["type"] in _FINAL_STATES and state["type"] not in wanted
            assert not ended, state
            return state if state["type"] in wanted else None

        found = eventually(look, f"run {run_id} {wanted}", seconds)
        assert found is not None
        return found
