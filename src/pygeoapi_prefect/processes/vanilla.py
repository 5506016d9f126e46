"""Vanilla processors: pygeoapi's own `BaseProcessor` classes, unchanged."""

import json
import logging
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from pygeoapi.plugin import PLUGINS, load_plugin
from pygeoapi.process.base import BaseProcessor
from pygeoapi.util import json_serial

from pygeoapi_prefect.config.process_settings import ClassSettings
from pygeoapi_prefect.errors import ProcessorFailed, ProcessorUnusable, PygeoapiPrefectError
from pygeoapi_prefect.ogc.execution import ExecutionRequest
from pygeoapi_prefect.processes.code import code_of
from pygeoapi_prefect.processes.failures import failure_of, remedy_of_missing_module
from pygeoapi_prefect.processes.input_forms import Form, Forms, forms_of
from pygeoapi_prefect.processes.processor import BOTH_MODES, Returned
from pygeoapi_prefect.processes.validation import declared_inputs

LOGGER = logging.getLogger(__name__)


class VanillaProcessor:
    """One pygeoapi processor, made anew for each use: processors may keep state.

    Args:
        process_id: the process it stands behind.
        resource: the process's resource in the pygeoapi configuration.
        settings: what this package reads from it.

    Raises:
        ProcessorUnusable: its class cannot be imported or made.
    """

    def __init__(
        self, process_id: str, resource: Mapping[str, Any], settings: ClassSettings
    ) -> None:
        """Load the class and make the processor."""
        self.process_id = process_id
        self._fetches = settings.prefect.fetch_references is True
        try:
            # Processors may change the definition they are given.
            self.plugin: BaseProcessor = load_plugin("process", deepcopy(resource["processor"]))
            # pygeoapi builds answers by changing this in place, and most processors share one
            # module-level dictionary between all their instances.
            self.plugin.metadata = deepcopy(self.plugin.metadata)
        except Exception as error:
            remedy = remedy_of_missing_module(error, "processor.name")
            raise ProcessorUnusable(
                f"The processor {settings.name!r} of process {process_id!r} cannot be loaded: "
                f"{type(error).__name__}: {error}{remedy}",
                process_id,
            ) from error
        # Every output can be linked to, whatever the processor is.
        self.plugin.metadata.setdefault("outputTransmission", ["value", "reference"])
        # As pygeoapi's own manager does (BaseManager.get_processor).
        self.plugin.allow_internal_requests = resource.get("allow_internal_requests", False)
        # What a processor does not declare is possible: its jobs run outside the request anyway.
        options = settings.job_control_options or self.plugin.metadata.get("jobControlOptions")
        self.plugin.metadata["jobControlOptions"] = list(options or BOTH_MODES)

    @property
    def description(self) -> Mapping[str, Any]:
        """The process description."""
        metadata: Mapping[str, Any] = self.plugin.metadata
        return metadata

    @property
    def input_forms(self) -> Mapping[str, Forms]:
        """What the class gets of links and encoded values, if it wants anything but those."""
        if not self._fetches:
            return {}
        schemas = ((name, each.get("schema")) for name, each in declared_inputs(self.description))
        return {
            name: forms_of(schema if isinstance(schema, Mapping) else {}, Form.PATH)
            for name, schema in schemas
        }

    @property
    def code(self) -> str | None:
        """What changes when the module of the class does."""
        return code_of(type(self.plugin))

    def execute(
        self, request: ExecutionRequest, inputs: Mapping[str, Any], job_id: str
    ) -> Returned:
        """Run the processor as pygeoapi's own managers do."""
        self.plugin.set_job_id(job_id)
        # Passed only if supported: older processors do not take the argument.
        options = {"outputs": request.outputs} if self.plugin.supports_outputs else {}
        try:
            returned = self.plugin.execute(dict(inputs), **options)
        except PygeoapiPrefectError:
            raise  # what it published was refused, or could not be stored
        except Exception as error:
            raise failure_of(error) from error
        if returned is None:
            return Returned()
        if not isinstance(returned, tuple | list) or len(returned) != 2:
            raise self._returned(f"{_described(returned)}, which is no pair")
        media_type, value = returned
        if media_type is not None and not isinstance(media_type, str):
            raise self._returned(f"{_described(media_type)} where the media type has to be")
        return Returned(media_type=media_type, value=_plain(value))

    def _returned(self, what: str) -> ProcessorFailed:
        """Return the error of a processor that returned something else than it has to."""
        return ProcessorFailed(
            f"the processor of process {self.process_id!r} returned {what}; `execute` has to "
            "return two things, the media type first, for example: "
            'return "application/json", {"mean": 3.1}'
        )

    def release(self, job_id: str) -> None:
        """Call the processor's `remove_resources`, if it has pygeoapi's newer hook."""
        hook = getattr(self.plugin, "remove_resources", None)
        if hook is None:
            return
        try:
            hook(job_id)
        except Exception:
            LOGGER.exception("%s could not remove what it keeps for job %s", self.plugin, job_id)


def module_of(name: str) -> str:
    """Return the module that holds a processor class.

    Args:
        name: `processor.name` of the configuration: a dotted path, or a name pygeoapi knows.
    """
    path: str = PLUGINS["process"].get(name, name)
    return path.rpartition(".")[0]


def _described(value: Any) -> str:
    """Return what a value is, in words."""
    if isinstance(value, tuple | list):
        kinds = ", ".join(type(item).__name__ for item in value[:5])
        more = ", …" if len(value) > 5 else ""
        return f"a {type(value).__name__} of {len(value)} ({kinds}{more})"
    return f"a value of type {type(value).__name__}"


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold, reading dates, numpy scalars and such as pygeoapi does."""
    if value is None or isinstance(value, str | bytes | int | float):
        return value
    try:
        return json.loads(json.dumps(value, default=json_serial))
    except (TypeError, ValueError, RecursionError) as error:
        raise ProcessorFailed(
            f"the processor returned something JSON cannot hold: {error}"
        ) from error
