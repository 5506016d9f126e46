"""Descriptions of processes in the form in which pygeoapi shows them."""

from pygeoapi.process.base import BaseProcessor

from pygeoapi_prefect.processes.openapi_dialect import in_openapi


class AsDeclared(list[str]):
    """Modes to which pygeoapi cannot add what the process does not declare.

    It appends `async-execute` to each description if the manager can run jobs so
    (`pygeoapi.api.processes.describe_processes`), and then no client knows what will happen.
    """

    def append(self, _: str) -> None:
        """Stay as it is."""


def with_modes_as_declared(processor: BaseProcessor) -> BaseProcessor:
    """Return a processor in whose description the modes stay as they are."""
    processor.metadata["jobControlOptions"] = AsDeclared(processor.metadata["jobControlOptions"])
    return processor


def as_shown(processor: BaseProcessor) -> BaseProcessor:
    """Return a processor whose description can be shown: as the standard has it, modes as declared.

    Args:
        processor: one of its own for this request; pygeoapi changes its description in place.
    """
    processor.metadata = in_openapi(processor.metadata)
    return with_modes_as_declared(processor)
