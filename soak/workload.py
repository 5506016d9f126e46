"""The kinds of jobs, and how often each comes."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from soak.processors import big_output


@dataclass(frozen=True)
class Kind:
    """A kind of job; there is one process of each.

    Attributes:
        name: also the process id.
        processor: class in `soak.processors`.
        weight: how often it comes, beside the others.
        inputs: draws its inputs; a token comes on top.
        policy: the `prefect` part of its configuration.
        may_be_sync: whether it may be asked for synchronously.
        fails_with: part of the message with which it always fails; None = it succeeds.
    """

    name: str
    processor: str
    weight: int
    inputs: Callable[[Random], dict[str, Any]] = lambda _: {}
    policy: Mapping[str, Any] = field(default_factory=dict)
    may_be_sync: bool = False
    fails_with: str | None = None

    @property
    def retries(self) -> int:
        """How many attempts more than one it has."""
        return int(self.policy.get("retries", 0))

    def is_result(self, inputs: Mapping[str, Any], body: bytes) -> bool:
        """Say whether this is what a job of this kind makes of its inputs."""
        if self.processor == "Big":
            return body == big_output(inputs["token"], inputs["size"])
        try:
            return bool(json.loads(body) == {"token": inputs["token"]})
        except ValueError:
            return False


_BACKOFF = {"initial": 1, "factor": 2, "maximum": 4}
_RETRIES = {"retries": 5, "retry_backoff": _BACKOFF}
KINDS = (
    Kind("quick", "Quick", 36, may_be_sync=True),
    Kind("spawned", "Quick", 3, policy={"isolation": "spawn"}),
    # Too large for the parameters of a run: they travel through result storage.
    Kind("bulky", "Quick", 5, lambda rng: {"text": "x" * rng.randint(210_000, 500_000)}),
    Kind(
        "slow", "Slow", 16, lambda rng: {"steps": rng.randint(5, 25), "listens": rng.random() < 0.5}
    ),
    Kind("failing", "Failing", 8, may_be_sync=True, fails_with="asked to fail"),
    Kind(
        "crashing",
        "Crashing",
        8,
        lambda rng: {"how": rng.choice(["exit", "kill"]), "seconds": rng.uniform(0, 1)},
        _RETRIES,
    ),
    Kind(
        "resuming",
        "Resuming",
        8,
        lambda rng: {"steps": rng.randint(5, 20)},
        _RETRIES | {"concurrency_limit": 1},
    ),
    Kind("big", "Big", 8, lambda rng: {"size": rng.randint(1_000_000, 8_000_000)}),
    Kind("overdue", "Overdue", 2, policy={"timeout": 2}, fails_with="longer than the 2 s"),
)


def draw_kind(rng: Random) -> Kind:
    """Draw one of the kinds, each as often as it is to come."""
    return rng.choices(KINDS, [kind.weight for kind in KINDS])[0]


def resources(marks: Path) -> dict[str, Any]:
    """Return the process resources of all kinds.

    Args:
        marks: folder for the marks of executions.
    """
    return {
        kind.name: {
            "type": "process",
            "allow_internal_requests": True,  # the subscriber is on this machine
            "processor": {
                "name": f"soak.processors.{kind.processor}",
                "marks": str(marks),
                "prefect": dict(kind.policy),
            },
        }
        for kind in KINDS
    }
