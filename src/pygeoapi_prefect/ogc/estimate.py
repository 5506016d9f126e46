"""What a job would take: the document that a client gets before it starts one.

Source:
    Ours; OGC API - Processes knows no estimates.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Durations:
    """How long earlier jobs took.

    Attributes:
        jobs: how many are looked at.
        median: seconds that half of them took at most; None if there are none.
        percentile90: seconds that nine of ten took at most; None if there are none.
        have_same_inputs: whether all of them had the inputs that are asked about.
    """

    jobs: int
    median: float | None = None
    percentile90: float | None = None
    have_same_inputs: bool = False


@dataclass(frozen=True)
class Estimate:
    """What a job would take.

    Attributes:
        process_id: of which process.
        basis: what it is made of: a function of the process's own, or its earlier jobs.
        told: what the function said; `seconds`, `bytes` and `steps` are what everybody understands.
        durations: of earlier jobs; None if the function is the basis.
        message: what one has to know about it, for people; None if there is nothing.
    """

    process_id: str
    basis: Literal["function", "history"]
    told: Mapping[str, Any] = field(default_factory=dict)
    durations: Durations | None = None
    message: str | None = None

    def document(self) -> dict[str, Any]:
        """Return it as its client gets it; what is not known is left out."""
        document: dict[str, Any] = {"processID": self.process_id, "basis": self.basis, **self.told}
        if self.durations is not None:
            document |= {
                "jobs": self.durations.jobs,
                "inputs": "same" if self.durations.have_same_inputs else "any",
                "seconds": _rounded(self.durations.median),
                "seconds90": _rounded(self.durations.percentile90),
            }
        document["message"] = self.message
        return {name: value for name, value in document.items() if value is not None}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
