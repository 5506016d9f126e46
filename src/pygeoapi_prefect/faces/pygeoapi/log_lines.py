"""What pygeoapi logs of an answer that is an error: one line, with the whole truth."""

import logging

from pygeoapi.process.base import (
    JobNotFoundError,
    JobResultNotFoundError,
    ProcessorExecuteError,
    UnknownProcessError,
)

from pygeoapi_prefect.errors import PygeoapiPrefectError
from pygeoapi_prefect.faces.pygeoapi.exchange import current_exchange

# What is raised on purpose: where it was raised says nothing.
_EXPECTED = (
    PygeoapiPrefectError,
    JobNotFoundError,
    JobResultNotFoundError,
    ProcessorExecuteError,
    UnknownProcessError,
)


def in_one_line(record: logging.LogRecord) -> bool:
    """Make one line of a record about an error of ours; a filter for pygeoapi's logger.

    pygeoapi logs what the client is told, which is not all there is to know, and where it was.
    """
    if record.exc_info and isinstance(record.exc_info[1], _EXPECTED):
        record.exc_info = None
    exchange = current_exchange()
    if exchange is not None and exchange.error is not None and record.levelno >= logging.ERROR:
        record.msg, record.args = " ".join(str(exchange.error).split()), ()
    return True
