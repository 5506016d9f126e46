"""A PostgreSQL with its own defaults."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import programs
from tests.support.programs import program


@contextmanager
def postgresql() -> Iterator[int]:
    """Run a PostgreSQL and return its port."""
    port, user = programs.free_port(), []
    found = shutil.which("postgres") or max(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), default=None
    )
    if found is None:
        raise RuntimeError("there is no PostgreSQL here")
    bin_folder = Path(found).parent
    with tempfile.TemporaryDirectory(prefix="postgresql-") as name:
        data, log = Path(name, "data"), Path(name, "log")
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(name, "postgres", "postgres")
            user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        make = [*user, str(bin_folder / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust"]
        make += ["-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(make, check=True, capture_output=True, cwd=name)
        server = [*user, str(bin_folder / "postgres"), "-D", str(data), "-p", str(port), "-k", name]
        with program([*server, "-h", "127.0.0.1"], log, os.environ, Path(name)) as process:
            programs.wait_for_line(log, "ready to accept connections", process)
            yield port
