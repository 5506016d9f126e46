"""File systems for tests: disks that are small, read-only, or break."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, *options: str, lazily: bool = False) -> Iterator[None]:
    """Mount something on a folder; only root may.

    Args:
        folder: where.
        options: of `mount`, with what is mounted.
        lazily: it may still be in use when it is taken away.
    """
    if os.geteuid() != 0:  # as root in CI: there it is never skipped
        pytest.skip("mounting needs root")
    subprocess.run(["mount", *options, str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", *(["--lazy"] if lazily else []), str(folder)], check=True)
