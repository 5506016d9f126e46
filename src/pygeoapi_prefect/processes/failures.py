"""What other people's code raised, in words."""

from pygeoapi_prefect.errors import ProcessorFailed
from pygeoapi_prefect.text import text_of


def failure_of(error: Exception) -> ProcessorFailed:
    """Return the failure of a processor that raised something.

    Its text is the processor's own message; where it says more, the type of the error is kept.
    """
    # pygeoapi's own error classes carry what a client may read in `user_msg`, and an HTTP status:
    # 4xx says that the request is wrong, and that it will be wrong again.
    text = getattr(error, "user_msg", None) or text_of(error)
    status = getattr(error, "http_status_code", None)
    is_final = isinstance(status, int) and 400 <= status < 500
    error_type = type(error).__name__
    if not text:
        return ProcessorFailed(error_type, is_final=is_final)
    kept = None if hasattr(error, "user_msg") else error_type
    return ProcessorFailed(str(text), kept, is_final=is_final)


def remedy_of_missing_module(error: Exception, key: str) -> str:
    """Return what to do about code that cannot be imported, empty if that is not known.

    Args:
        error: what importing it raised.
        key: of the configuration, which names the code.
    """
    if not isinstance(error, ModuleNotFoundError):
        return ""
    return (
        f". Install the package that has {error.name!r} where this service runs, put its folder on "
        f"PYTHONPATH, or correct {key}"
    )
