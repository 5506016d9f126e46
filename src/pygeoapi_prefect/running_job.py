"""What code inside a job may use: progress, outputs, cancelling. A no-op outside a job.

Knows nothing of Prefect or storage: the engine puts a `JobChannel` behind `job` while one runs.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class JobChannel(Protocol):
    """What the engine offers to a running job; `job` passes everything on to it."""

    @property
    def job_id(self) -> str:
        """The job's id, which is the flow run's."""
        ...

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        ...

    def progress(self, done: float, total: float, message: str | None) -> None:
        """Take how much is done of how much there is (0 or more), and what is being done."""
        ...

    def cancel_requested(self) -> bool:
        """Return whether this job was asked to stop."""
        ...

    def output(self, name: str, data: Any, media_type: str | None) -> None:
        """Store one output."""
        ...

    def load_checkpoint(self) -> Any:
        """Return the last checkpoint saved."""
        ...

    def save_checkpoint(self, value: Any) -> None:
        """Save a checkpoint."""
        ...


class Job:
    """The job this code runs in, if it runs in one.

    Outside a job every method does nothing, so that processors run unchanged in scripts and tests.
    """

    def __init__(self) -> None:
        """Start outside any job."""
        # One job per process: the engine forks one for each. A plain attribute is therefore seen
        # by every thread that a processor starts, which a context variable would not be.
        self._channel: JobChannel | None = None
        self._lock = threading.Lock()

    @property
    def id(self) -> str | None:
        """The job's id (the flow run's), None outside a job."""
        return self._channel.job_id if self._channel else None

    @property
    def attempt(self) -> int:
        """Which attempt of the job this is, from 1; 1 outside a job."""
        return self._channel.attempt if self._channel else 1

    def progress(self, done: float, total: float = 100, message: str | None = None) -> None:
        """Tell how far the job is.

        Cheap enough for inner loops: the newest value is sent about once a second. Progress never
        goes down within an attempt; a lower value is ignored, its message is not.

        Args:
            done: how much is done, in any unit.
            total: how much there is to do, in the same unit; where it is 0, all of it is done.
            message: what is being done, for people; the last one stays if None.

        Raises:
            ValueError: total is below 0, or no number.
        """
        if not total >= 0:
            raise ValueError(f"total must be 0 or more, not {total!r}")
        if self._channel:
            self._channel.progress(max(0.0, min(float(total), done)), total, message)

    def cancel_requested(self) -> bool:
        """Return True once the job was dismissed; False outside a job."""
        return self._channel.cancel_requested() if self._channel else False

    def output(self, name: str, data: Any, *, media_type: str | None = None) -> None:
        """Store one output of the job.

        Args:
            name: the output's id, as in the process description.
            data: the bytes themselves, the path of a file that holds them (a file is copied in
                pieces, so its size does not matter), or an object that a library writes, such as
                an `xarray.Dataset` or a `matplotlib` figure.
            media_type: for example `image/tiff; application=geotiff`. Objects do without: they are
                written in the format that the client asked for, else one of the description.

        Raises:
            ProcessorFailed: the description of the process declares outputs, and not this one; or
                it cannot be written as what it is to be.
            StorageUnavailable: result storage cannot be written.
            OSError: the file cannot be read.
        """
        if self._channel:
            self._channel.output(name, data, media_type)

    def load_checkpoint(self) -> Any:
        """Return where an earlier attempt of this job got to.

        Returns:
            What it last gave to `save_checkpoint`; None if there is nothing, or outside a job.

        Raises:
            StorageUnavailable: result storage cannot be read.
        """
        return self._channel.load_checkpoint() if self._channel else None

    def save_checkpoint(self, value: Any) -> None:
        """Remember how far this job has got, so that the next attempt can go on from there.

        When this returns, the value survives whatever happens to the job, its worker and Prefect.
        It takes as long as writing a small file to result storage.

        Args:
            value: anything that JSON can hold.

        Raises:
            TypeError: JSON cannot hold it.
            ValueError: JSON cannot hold it.
            StorageUnavailable: result storage cannot be written.
        """
        if self._channel:
            self._channel.save_checkpoint(value)

    @contextmanager
    def running(self, channel: JobChannel) -> Iterator[None]:
        """Run the enclosed code as the job behind `channel`; for the engine and for tests.

        Raises:
            RuntimeError: another job runs in this process.
        """
        with self._lock:
            if self._channel is not None:
                raise RuntimeError("this process already runs a job")
            self._channel = channel
        try:
            yield
        finally:
            self._channel = None


job = Job()
