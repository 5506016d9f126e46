"""Why a job's process ended without a word: our words for it, and those of Prefect's workers."""

import contextlib
import re
import signal

# What Prefect's own workers say of runs that they could not start or that ended without a word.
_PREFECT_ENDED = re.compile(r"^(?:Process|Flow run infrastructure) exited with .*code:? (-?\d+)\.")
_PREFECT_NOT_STARTED = re.compile(
    r"^(?:Failed to submit flow run to infrastructure|Flow run could not start): (.+)", re.DOTALL
)
# From here on the exit codes of containers and shells mean signals.
_SIGNALS_FROM = 128


def reason_of(exit_code: int, *, out_of_memory: bool) -> str:
    """Return in words how a process ended.

    Args:
        exit_code: as of `subprocess`: negative = killed by that signal.
        out_of_memory: whether the kernel killed something for want of memory meanwhile.
    """
    if exit_code >= 0:
        return f"The job's process ended unexpectedly with exit code {exit_code}."
    name = f"signal {-exit_code}"
    with contextlib.suppress(ValueError):  # real-time signals have no names
        name = signal.Signals(-exit_code).name
    if out_of_memory and -exit_code == signal.SIGKILL:
        return f"The job's process was killed by the kernel: out of memory ({name})."
    return f"The job's process was killed by {name}."


def in_words(message: str) -> str:
    """Return what Prefect's own workers say of the end of a job as we would say it.

    Args:
        message: of the final state; what others said stays as it is.
    """
    if found := _PREFECT_NOT_STARTED.match(message):
        return f"The job could not be started: {found[1]}"
    if not (found := _PREFECT_ENDED.match(message)):
        return message
    code = int(found[1])
    if code > _SIGNALS_FROM:
        code = _SIGNALS_FROM - code
    reason = reason_of(code, out_of_memory=False).rstrip(".")
    if -code == signal.SIGKILL:
        # These workers are not told which of the two it was.
        return f"{reason}: by hand, or because it needed more memory than it may have."
    if code > 0:
        return f"{reason}; the log of its flow run in Prefect may say why."
    return f"{reason}."
