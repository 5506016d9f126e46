"""The execution modes that a process declares, kept as they are."""

from pygeoapi.process.base import BaseProcessor


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
