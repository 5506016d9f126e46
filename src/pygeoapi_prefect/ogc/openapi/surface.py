"""What one way in offers of all that the document could say."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Surface:
    """How a way into the service differs from another one.

    Attributes:
        problem: the media type of its errors.
        is_whole: whether it is all of the service: its landing page, its filters of jobs, its
            outputs one by one, its estimates, logs and events.
        refuses_null: whether a member of a request may not be null that may be left out.
        html: whether it has pages for people.
        has_logs: whether clients may read what jobs logged.
        default_items: how many processes or jobs a page of a list has if a client does not say.
        max_items: how many one has at most.
    """

    problem: str
    is_whole: bool
    refuses_null: bool
    html: bool = True
    has_logs: bool = True
    default_items: int = 10
    max_items: int = 1_000


NATIVE = Surface("application/problem+json", is_whole=True, refuses_null=True)
PYGEOAPI = Surface("application/json", is_whole=False, refuses_null=False)
