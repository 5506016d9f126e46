"""How much work the check of one request may be, counted in steps and not in seconds.

A schema can ask for work that grows much faster than what a client sends, such as alternatives that
are nested in alternatives. So each request has as many steps as its size warrants, and no request
has more than some seconds' worth.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar

from pygeoapi_prefect.errors import InvalidRequest

# A step is a keyword of a schema held against a value: some microseconds.
_STEPS = 10_000
_STEPS_FOR_EACH_VALUE = 100
_MAX_STEPS = 6_000_000
# Ten milliseconds' worth; most requests have less.
_STEPS_AT_ANY_TIME = 1000
# Characters of a text that count as one value more.
_CHARACTERS = 1000


class TooCostly(InvalidRequest):
    """To check the inputs of a request is too much work."""

    def __init__(self) -> None:
        """Say what a client can do."""
        super().__init__(
            "/inputs: are too costly to check against the description of the process. "
            "Send less, or send large inputs as links."
        )


type Turn = Callable[[], AbstractContextManager[object]]


class _Budget:
    """What is left of it; before the first steps that count it waits for its turn."""

    def __init__(self, steps: int, turn: Turn, turns: ExitStack) -> None:
        self.left = steps
        self.stop_at = max(0, steps - _STEPS_AT_ANY_TIME)
        self._turn, self._turns = turn, turns

    def stop(self) -> None:
        """Go on if there are steps left and it is the turn of this check."""
        if self.left < 0:
            raise TooCostly
        self.stop_at = 0
        self._turns.enter_context(self._turn())


_budget: ContextVar[_Budget | None] = ContextVar("budget", default=None)


@contextmanager
def budget_for(inputs: object, turn: Turn = nullcontext) -> Iterator[None]:
    """Bound the work that the enclosed code does in this thread to what some inputs warrant.

    Args:
        inputs: of the request.
        turn: entered before it becomes much work, until it is done. Much work in many threads would
            leave no time to the other threads of the process.
    """
    steps = min(_MAX_STEPS, _STEPS + _STEPS_FOR_EACH_VALUE * size_of(inputs))
    with ExitStack() as turns:
        token = _budget.set(_Budget(steps, turn, turns))
        try:
            yield
        finally:
            _budget.reset(token)


def spend(steps: int = 1) -> None:
    """Do some work; without a budget, any amount.

    Raises:
        TooCostly: there are not so many steps left.
        PygeoapiPrefectError: it does not get its turn.
    """
    budget = _budget.get()
    if budget is not None:
        budget.left -= steps
        if budget.left < budget.stop_at:
            budget.stop()


def size_of(value: object) -> int:
    """Return of how many values a value consists; a long text counts as several."""
    count, pending = 0, [value]
    while pending:
        part = pending.pop()
        count += 1
        if isinstance(part, str):
            count += len(part) // _CHARACTERS
        elif isinstance(part, Mapping):
            pending += part.values()
            count += sum(len(name) // _CHARACTERS for name in part if isinstance(name, str))
        elif isinstance(part, list):
            pending += part
    return count


def spend_on(text: str) -> None:
    """Look through a text once."""
    spend(1 + len(text) // _CHARACTERS)
