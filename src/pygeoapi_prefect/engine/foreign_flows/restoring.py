"""What a flow returned, made again of the JSON that Prefect made of it, or of a pickle.

Prefect writes what JSON cannot hold as its class and its data (`prefect_json_object_encoder`); the
job's own code writes bytes and files as outputs. What is only Prefect's bookkeeping, or a picture
of something that stayed in the flow's process, is no result: then it is said what was returned.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from pygeoapi_prefect.engine.foreign_flows.returned_files import ReturnedFiles
from pygeoapi_prefect.errors import ResultMissing
from pygeoapi_prefect.results.manifest import Output
from pygeoapi_prefect.results.writing import Writers

# Names an output in what a flow returned; followed by a token that only the run and we know, so
# that no client can make one up by sending it as an input.
OUTPUT_KEY = "pygeoapi-output-"
# Likewise, for why something could not be stored: Prefect has no words of others for that.
FAILURE_KEY = "pygeoapi-failure-"
_MARKER, _EXCEPTION = "__class__", "__exc_type__"
# Inside a model or a data class there is no mark.
_OF_STATE = {"type", "name", "timestamp", "state_details", "data"}


def holds_markers(parameters: Mapping[str, Any]) -> bool:
    """Return whether the parameters of a run hold what looks like Prefect's marks of classes.

    A flow that gives back what a client sent must not have it taken for something of its own.
    """

    def holds(value: Any) -> bool:
        if isinstance(value, Mapping):
            return any(holds(each) for pair in value.items() for each in pair)
        if isinstance(value, list):
            return any(map(holds, value))
        return isinstance(value, str) and (_MARKER in value or _EXCEPTION in value)

    return holds(parameters)


@dataclass(frozen=True)
class Restorer:
    """Restores what a flow returned.

    Attributes:
        token: of the run; None if it was not made here.
        files: which files the flow may return by their path.
        believes_markers: whether Prefect's marks of classes are read. Not where a client may have
            sent them.
        writers: of objects that libraries write as files; these stay as they are.
    """

    token: str | None
    files: ReturnedFiles
    believes_markers: bool = True
    writers: Writers = field(default_factory=Writers)

    def restore(self, value: Any) -> Any:
        """Return a value with everything in its place; files are paths, checked.

        Args:
            value: parsed from JSON, or unpickled.

        Raises:
            ResultMissing: what the flow returned is no result; the message says what it is.
            StorageUnavailable: a file cannot be looked for.
            PrefectUnavailable: the same.
        """
        if value is None or isinstance(value, str | bool | int | float | bytes | Output):
            return value
        if isinstance(value, list | tuple | set | frozenset):
            return [self.restore(item) for item in value]
        if isinstance(value, Mapping):
            return self._restored_object(value)
        if isinstance(value, PurePath):
            return self.files.find(value)
        if self.writers.know(value):
            return value
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        return self._restored_instance(name, value)

    def _restored_object(self, value: Mapping[Any, Any]) -> Any:
        if self.token and value.keys() == {OUTPUT_KEY + self.token}:
            return Output.model_validate(value[OUTPUT_KEY + self.token])
        if self.token and value.keys() == {FAILURE_KEY + self.token}:
            raise ResultMissing(
                f"The flow returned what is no result: {value[FAILURE_KEY + self.token]}."
            )
        if self.believes_markers:
            if value.keys() == {_MARKER, "data"} and isinstance(value[_MARKER], str):
                return self._restored_mark(value[_MARKER], value["data"])
            if value.keys() == {_EXCEPTION, "message"}:
                raise ResultMissing(
                    f"The flow returned an exception, {_short(value[_EXCEPTION])}: "
                    f"{value['message']}. A flow that cannot do its work has to raise it."
                )
            if value.keys() >= _OF_STATE:
                return self._result_of_state("prefect.State", value)
        return {str(key): self.restore(item) for key, item in value.items()}

    def _restored_mark(self, name: str, data: Any) -> Any:
        """Return what Prefect wrote as its class and its data."""
        if name.startswith("prefect."):
            return self._result_of_state(name, data)
        if name.startswith("pathlib.") and isinstance(data, str):
            return self.files.find(PurePath(data))
        if name.startswith("_io."):
            raise ResultMissing(
                f"The flow returned an open file ({_short(name)}), which ends with the flow; "
                "return the path of the file, or its content."
            )
        data = self.restore(data)
        return data.encode() if name == "builtins.bytes" and isinstance(data, str) else data

    def _result_of_state(self, name: str, state: Any) -> Any:
        """Return the result of a task or subflow whose state, or future, the flow returned."""
        if name.endswith(".State") and isinstance(state, Mapping):
            if state.get("type") != "COMPLETED":
                raise ResultMissing(
                    f"The flow returned the state {state.get('name')} of one of its tasks or "
                    f"subflows, which has no result: {state.get('message') or 'it says not why'}"
                )
            data = state.get("data")
            if isinstance(data, Mapping) and data.keys() == {"metadata", "result"}:
                return self.restore(data["result"])
            if not isinstance(data, Mapping) or "storage_key" not in data:
                return self.restore(data)
        raise ResultMissing(
            f"The flow returned an object of Prefect's, {name}, and no result. Return the result "
            "itself: of a future `future.result()`, of a state `state.result()`."
        )

    def _restored_instance(self, name: str, value: Any) -> Any:
        """Return an instance of a class, as only a pickle can hold it, in JSON's words."""
        if name.startswith("prefect."):
            return self._result_of_state(name, None)
        if isinstance(value, BaseException):
            return self._restored_object({_EXCEPTION: name, "message": str(value)})
        try:
            return to_jsonable_python(value)
        except (PydanticSerializationError, ValueError):
            raise ResultMissing(
                f"The flow returned an object of {name}, which JSON cannot hold. Return it in a "
                "format that clients can read, such as `('text/csv', frame.to_csv())`."
            ) from None


def _short(name: object) -> str:
    return str(name).rpartition(".")[2]
