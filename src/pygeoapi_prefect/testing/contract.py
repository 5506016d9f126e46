"""What every process should do, as tests that a process inherits."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pygeoapi_prefect.errors import InvalidInputs
from pygeoapi_prefect.ogc.job import Job, JobStatus
from pygeoapi_prefect.processes.description import description_faults
from pygeoapi_prefect.processes.proof import examples_of, proof_of
from pygeoapi_prefect.processes.schemas import accepts
from pygeoapi_prefect.processes.validation import input_faults
from pygeoapi_prefect.results.media_types import JSON
from pygeoapi_prefect.testing.stack import InMemoryStack


@dataclass
class _Ran:
    job: Job
    description: Mapping[str, Any]
    outputs: dict[str, Any] = field(default_factory=dict)
    media_types: dict[str, str] = field(default_factory=dict)


class ProcessContract:
    """Tests of one process; a subclass whose name pytest collects says which.

        class TestResample(ProcessContract):
            resource = {"processor": {"name": "my_tools.Resample"}}
            inputs = {"file": "rain.nc", "step": "P1M"}

    Attributes:
        resource: the process, as in pygeoapi's configuration.
        inputs: with which it succeeds; None = those of the `example` in its description.
        manager: settings of the manager.
    """

    resource: ClassVar[Mapping[str, Any]]
    inputs: ClassVar[Mapping[str, Any] | None] = None
    manager: ClassVar[Mapping[str, Any]] = {}
    _shared: ClassVar[_Ran]

    @property
    def process_id(self) -> str:
        """What the process is called in the tests: after their class."""
        return type(self).__name__.removeprefix("Test").lower() or "process"

    @contextmanager
    def stack(self) -> Iterator[InMemoryStack]:
        """Run a stack with the process."""
        with InMemoryStack({self.process_id: self.resource}, **self.manager) as stack:
            yield stack

    # --- what it says ----------------------------------------------------------------------

    def test_its_description_has_what_a_client_needs(self) -> None:
        """See the process description of OGC 18-062r2, and what clients show of it."""
        with self.stack() as stack:
            description = stack.service.describe(self.process_id)
        faults = [str(fault) for fault in description_faults(description)]
        missing = [name for name in ("title", "description") if not description.get(name)]
        assert not faults, f"{self.process_id}: mend its description: {faults}"
        assert not missing, f"{self.process_id}: its description lacks {missing}"

    def test_its_inputs_fit_its_description(self) -> None:
        """What it succeeds with must not be refused, nor what its description gives as example."""
        with self.stack() as stack:
            description = stack.service.describe(self.process_id)
            faults = [str(fault) for fault in input_faults(description, self._inputs(stack))]
        assert not faults, f"{self.process_id}: mend `inputs`, or the description: {faults}"
        proof = proof_of(description)
        if proof.count or "inputs" in (description.get("example") or {}):
            assert proof.holds, f"{self.process_id}: mend the example of its description: {proof}"

    # --- what it does ----------------------------------------------------------------------

    def test_it_succeeds(self) -> None:
        """A job ends successful, with all of its progress."""
        job = self._ran().job
        assert job.status is JobStatus.SUCCESSFUL, f"{self.process_id} {job.status}: {job.message}"
        assert job.progress == 100, f"{self.process_id} is successful at {job.progress} percent"

    def test_it_makes_the_outputs_that_it_describes(self) -> None:
        """Each output is there, of a media type and with a value as described."""
        ran = self._ran()
        described = ran.description["outputs"]
        assert set(ran.outputs) == set(described), (
            f"{self.process_id} made the outputs {sorted(ran.outputs)}, "
            f"but its description has {sorted(described)}"
        )
        for output_id, value in ran.outputs.items():
            schema = described[output_id].get("schema") or {}
            said = schema.get("contentMediaType")
            media_type = ran.media_types.get(output_id, JSON)
            assert said in (None, media_type), (
                f"{self.process_id}: output {output_id} is {media_type}, "
                f"but its description says {said}"
            )
            assert isinstance(value, bytes) or accepts(schema, value), (
                f"{self.process_id}: output {output_id} does not fit the schema in its description"
            )

    def test_a_required_input_that_is_missing_is_told_before_there_is_a_job(self) -> None:
        """Without required inputs there is nothing to refuse: then it succeeds without any."""
        with self.stack() as stack:
            inputs = self._inputs(stack)
            description = stack.service.describe(self.process_id)
            required = [fault.pointer for fault in input_faults(description, {})]
            for pointer in required:
                name = pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
                rest = {key: value for key, value in inputs.items() if key != name}
                assert self._is_refused(stack, rest), (
                    f"{self.process_id} takes a request without its required input {name}; "
                    "give the description an `example`, or set `validate_inputs: true`"
                )
            assert not stack.jobs().total, f"{self.process_id} made a job of a wrong request"
            if not required:
                job = stack.execute(self.process_id, {})
                assert job.status is JobStatus.SUCCESSFUL, (
                    f"{self.process_id} requires no input, but fails without: {job.message}"
                )

    def test_a_client_gets_its_results_over_http_and_removes_them(self) -> None:
        """Execute, follow, fetch, remove: as any client of the standard does it."""
        with self.stack() as stack:
            answer = stack.http.post(
                f"/processes/{self.process_id}/execution",
                json={"inputs": dict(self._inputs(stack)), "response": "document"},
                headers={"prefer": "respond-async"},
            )
            assert answer.status_code == 201, f"{self.process_id}: {answer.text}"
            page = answer.headers["location"]
            stack.wait(page.rpartition("/")[2])
            status = stack.http.get(page, params={"f": "json"}).json()
            assert status["status"] == "successful", f"{self.process_id}: {status}"
            results = stack.http.get(f"{page}/results", params={"f": "json"})
            assert results.status_code == 200, f"{self.process_id}: {results.text}"
            assert results.json(), f"{self.process_id} has no results"
            removed = stack.http.delete(page)
            assert removed.status_code == 200, f"{self.process_id}: {removed.text}"
            gone = stack.http.get(page, params={"f": "json"})
            assert gone.status_code == 404, f"{self.process_id} is still there: {gone.text}"
            left = stack.files_of(page.rpartition("/")[2])
            assert not left, f"{self.process_id} leaves behind: {left}"

    def _ran(self) -> "_Ran":
        """Return a job of the process with what it made; the tests share it, it may be slow."""
        kind = type(self)
        if "_shared" not in vars(kind):
            with self.stack() as stack:
                job = stack.execute(self.process_id, self._inputs(stack))
                description = stack.service.describe(self.process_id)
                shared = _Ran(job, description)
                if job.status is JobStatus.SUCCESSFUL:
                    shared.outputs |= stack.outputs(job.id)
                    made = stack.manifest(job.id).outputs
                    shared.media_types |= {each.id: each.media_type for each in made}
            kind._shared = shared
        return kind._shared

    def _inputs(self, stack: InMemoryStack) -> Mapping[str, Any]:
        if self.inputs is not None:
            return self.inputs
        example = next(examples_of(stack.service.describe(self.process_id)), None)
        assert example is not None, (
            f"{self.process_id}: set `inputs` in {type(self).__name__}, or give the description an "
            "`example` with `inputs`"
        )
        return example

    def _is_refused(self, stack: InMemoryStack, inputs: Mapping[str, Any]) -> bool:
        try:
            stack.submit(self.process_id, inputs)
        except InvalidInputs:
            return True
        return False
