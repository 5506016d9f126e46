"""One request to pygeoapi, as the patches around its handlers and the manager both see it.

pygeoapi calls a manager with less than the request says, and takes less back than the answer
needs. A handler and the manager it calls run in one thread, one after the other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from pygeoapi.util import RequestedProcessExecutionMode

from pygeoapi_prefect.errors import PygeoapiPrefectError
from pygeoapi_prefect.ogc.job import Job
from pygeoapi_prefect.ogc.preferences import Preferences
from pygeoapi_prefect.results.delivery import Delivery
from pygeoapi_prefect.service.processes import ProcessService
from pygeoapi_prefect.service.requests import RequestContext


@dataclass
class Exchange:
    """A request, and what the service gave for it.

    Attributes:
        context: what the request says that pygeoapi does not pass on; set by the patches.
        html: whether an HTML page is wanted; set by the patches.
        service: the service as it was when the request came; set by the manager.
        process_id: the one process that is to be described; set by the patches.
        output_id: the one output that is wanted of a job's results; set by the patches.
        delivery: what the service delivered; set by the manager.
        job: the job that was asked for; set by the manager.
        listed: the jobs of a list that was asked for, by their ids; set by the manager.
        error: why the request was refused; set by the manager.
        is_unasked: whether a request is answered as an asynchronous one that did not ask for that;
            set by the manager.
    """

    context: RequestContext = field(default_factory=RequestContext)
    html: bool = False
    service: ProcessService | None = None
    process_id: str | None = None
    output_id: str | None = None
    delivery: Delivery | None = None
    job: Job | None = None
    listed: dict[str, Job] = field(default_factory=dict)
    error: PygeoapiPrefectError | None = None
    is_unasked: bool = False


_exchange: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


def current_exchange() -> Exchange | None:
    """Return the request in this thread; None outside one, or if pygeoapi was not patched."""
    return _exchange.get()


@contextmanager
def exchanging(exchange: Exchange) -> Iterator[Exchange]:
    """Let the manager see a request while the enclosed code handles it."""
    token = _exchange.set(exchange)
    try:
        yield exchange
    finally:
        _exchange.reset(token)


def context_of(
    exchange: Exchange, execution_mode: RequestedProcessExecutionMode | None
) -> RequestContext:
    """Return what a request says beside what it asks for; pygeoapi reads one word of `Prefer`."""
    said = exchange.context.preferences
    read = preferences_of(execution_mode)
    preferences = Preferences(
        said.respond_async or read.respond_async, said.is_sync or read.is_sync, said.wait
    )
    return RequestContext(preferences, exchange.context.service_url)


def preferences_of(mode: RequestedProcessExecutionMode | None) -> Preferences:
    """Return the one preference that pygeoapi has read."""
    return Preferences(
        respond_async=mode is RequestedProcessExecutionMode.respond_async,
        is_sync=mode is RequestedProcessExecutionMode.wait,
    )
