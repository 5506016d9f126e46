"""Outputs as values, for jobs that follow."""

import json
from typing import Any

from pygeoapi_prefect.errors import ChainBroken
from pygeoapi_prefect.results.manifest import Kind, Manifest, Output
from pygeoapi_prefect.results.storage import ResultStorage

# What a job is given by value travels through Prefect or is an input in storage.
_MAX_BYTES = 64 << 20


class OutputValues:
    """The outputs of a job, each read when it is asked for.

    Args:
        storage: where they are.
        manifest: of the job.
    """

    def __init__(self, storage: ResultStorage, manifest: Manifest) -> None:
        """Read nothing yet."""
        self._storage = storage
        self._manifest = manifest

    def __call__(self, name: str) -> Any:
        """Return an output, or a member of the one object that the job made.

        Raises:
            ChainBroken: there is none of this name, or it is no value.
            ResultMissing: it is gone.
            StorageUnavailable: storage does not answer.
        """
        outputs = {output.id: output for output in self._manifest.outputs}
        if name in outputs and not outputs[name].members_are_outputs:
            return self._value(outputs[name])
        for output in outputs.values():
            if output.kind is Kind.JSON and (output.members_are_outputs or len(outputs) == 1):
                value = self._value(output)
                if isinstance(value, dict) and name in value:
                    return value[name]
        if name in outputs:
            return self._value(outputs[name])
        listed = ", ".join(outputs) or "none"
        raise ChainBroken(f"the job before made no output {name!r}; it made: {listed}")

    def _value(self, output: Output) -> Any:
        if output.kind is Kind.BINARY or output.size > _MAX_BYTES:
            raise ChainBroken(
                f"the output {output.id!r} of the job before is {output.media_type} of "
                f"{output.size} bytes, which cannot be passed on by value; let the process return "
                "where it put its data"
            )
        content = self._storage.read_output(self._manifest.job_id, output)
        return json.loads(content) if output.kind is Kind.JSON else content.decode()
