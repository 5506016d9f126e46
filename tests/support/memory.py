"""How much memory programs take, by the kernel's own account."""

import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psutil

MEGABYTE = 1 << 20


class Peaks:
    """Keeps the peak of every process of a program, also of those that end meanwhile.

    The peak is VmHWM: the most that was ever resident, files that are mapped included. It is kept
    by the kernel, so none is missed, and stricter than RssAnon, of which the kernel keeps no peak.

    Args:
        roots: the processes that were started; what they start is watched too.
    """

    def __init__(self, *roots: int) -> None:
        self._roots = roots
        self._done = threading.Event()
        self._peaks: dict[tuple[int, str], int] = {}
        self._thread = threading.Thread(target=self._watch)

    def of_ours(self) -> dict[str, int]:
        """Return the peak of each process in bytes, but not of Prefect's own server."""
        self._look()
        peaks = {f"{line} ({pid})": peak for (pid, line), peak in self._peaks.items()}
        return {name: peak for name, peak in peaks.items() if "engine.embedded.server" not in name}

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            self._look()

    def _look(self) -> None:
        for root in self._roots:
            try:
                processes = [psutil.Process(root), *psutil.Process(root).children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
            for process in processes:
                with suppress(psutil.NoSuchProcess, OSError, StopIteration):
                    key = process.pid, " ".join(process.cmdline())
                    self._peaks[key] = _peak_of(process.pid)

    def __enter__(self) -> "Peaks":
        self._thread.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()


def _peak_of(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith("VmHWM:"))  # a zombie has none
    return int(line.split()[1]) * 1024
