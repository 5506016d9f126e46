"""Calling the function with which a process says what a job would take."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt, TypeAdapter

from pygeoapi_prefect.processes.calling import call
from pygeoapi_prefect.processes.function_inputs import arguments_of
from pygeoapi_prefect.processes.function_signature import SERVICES, signature_of
from pygeoapi_prefect.processes.loading import load_function
from pygeoapi_prefect.running_job import job

# What is no number is to be refused, not to become nothing.
_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any, config=ConfigDict(ser_json_inf_nan="constants"))
KEY = "estimate_function"


class _Told(BaseModel):
    """What an estimate function may return.

    Attributes:
        seconds: how long the job takes.
        bytes: how much it downloads.
        steps: how many steps it has.
    """

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    seconds: NonNegativeFloat | None = None
    bytes: NonNegativeInt | None = None
    steps: NonNegativeInt | None = None


def estimate_by(path: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a function says a job with these inputs would take.

    Args:
        path: where the function is: `package.module.name`. Its parameters are those inputs of the
            process that matter to it; it returns a number of seconds, or a mapping, dataclass or
            model with `seconds`, `bytes`, `steps`, and whatever else clients are to know.
        inputs: what the client sent.

    Raises:
        Exception: whatever the function raises; or it cannot be called with these inputs, or
            returns something else.
    """
    function = load_function(path, KEY)
    signature = signature_of(function)
    wanted = {name: value for name, value in inputs.items() if name in signature.inputs}
    arguments = arguments_of(signature.inputs, signature.inputs, wanted)
    services = {name: SERVICES[name](job) for name in signature.services}  # of no job
    value = call(function, **arguments, **services)
    if isinstance(value, Real) and not isinstance(value, bool):
        value = {"seconds": float(value)}
    plain = _ANYTHING.dump_python(value, mode="json", fallback=str)
    if not isinstance(plain, Mapping):
        raise TypeError(f"{path} returned {value!r:.80}, not seconds or a mapping")
    return _Told.model_validate(plain).model_dump(mode="json", exclude_none=True)
