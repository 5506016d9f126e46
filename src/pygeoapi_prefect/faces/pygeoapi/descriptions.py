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


def as_shown(processor: BaseProcessor) -> BaseProcessor:
    """Return a processor whose description can be shown: as the standard has it, modes as declared.

    Args:
        processor: one of its own for this request; pygeoapi changes its description in place.
    """
    description = in_openapi(processor.metadata)
    description["jobControlOptions"] = AsDeclared(description["jobControlOptions"])
    processor.metadata = description
    return processor
