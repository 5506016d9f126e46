"""The state folder of an embedded Prefect: which file is what, and who holds which lock.

    auth            user:password of the Prefect API, made once, readable by the owner only
    backend.json    where the running backend is
    backend.log     what server and worker say
    notifications   socket of the worker
    snapshot.yml    the configuration that workers read
    prefect/        Prefect's own home, with its database
    results/        results, unless the configuration puts them elsewhere
    locks/backend   held by the supervisor while it runs
    locks/users     shared by all web processes that use the backend
    locks/start     held by the web process that is about to start a backend

Locks are `flock`s: the kernel gives them back however their holder ends.
"""

import contextlib
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from pygeoapi_prefect.engine.host.locks import Lock
from pygeoapi_prefect.engine.prefect_api.models import Endpoint
from pygeoapi_prefect.errors import PrefectUnavailable


@dataclass(frozen=True)
class StateFolder:
    """The paths in a state folder.

    Attributes:
        path: the folder itself, absolute.
    """

    path: Path

    def make(self) -> None:
        """Make the folder and what must be in it; only the owner may look inside.

        Raises:
            PrefectUnavailable: it cannot be made or written.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.path / "locks").mkdir(mode=0o700, exist_ok=True)
            self.prefect_home.mkdir(mode=0o700, exist_ok=True)
            self.auth_file_ready()
        except OSError as error:
            raise PrefectUnavailable(
                f"The state folder {self.path} of the embedded Prefect cannot be used: "
                f"{error.strerror}. Name another one in server.manager.connection."
            ) from error

    def auth_file_ready(self) -> str:
        """Return `user:password` of the Prefect API, made up when first asked for."""
        file = self.path / "auth"
        if file.exists() and not file.read_text(encoding="ascii").strip():
            file.unlink()  # an empty one would let everybody in
        temporary = file.with_name(f"auth.{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as handle:
            handle.write(f"pygeoapi:{secrets.token_urlsafe(24)}")
        # The process that comes first makes it, and makes it whole.
        with contextlib.suppress(FileExistsError):
            file.hardlink_to(temporary)
        temporary.unlink()
        return file.read_text(encoding="ascii").strip()

    @property
    def prefect_home(self) -> Path:
        """The folder Prefect calls its home."""
        return self.path / "prefect"

    @property
    def snapshot(self) -> Path:
        """The configuration that workers read."""
        return self.path / "snapshot.yml"

    @property
    def notification_socket(self) -> Path:
        """The socket on which the worker listens."""
        return self.path / "notifications"

    @property
    def log(self) -> Path:
        """What server and worker say."""
        return self.path / "backend.log"

    @property
    def backend_file(self) -> Path:
        """Where the running backend is."""
        return self.path / "backend.json"

    def lock(self, name: str, *, shared: bool = False) -> Lock:
        """Return one of the locks named above, not yet held."""
        return Lock(self.path / "locks" / name, shared=shared)

    def is_served(self) -> bool:
        """Return whether a supervisor runs on this folder."""
        lock = self.lock("backend", shared=True)
        if lock.try_acquire():
            lock.release()
            return False
        return True

    def read_endpoint(self) -> Endpoint | None:
        """Return where the backend is, None while it is not ready."""
        try:
            content = json.loads(self.backend_file.read_text(encoding="utf-8"))
            return Endpoint(
                api_url=content["api_url"],
                auth_string=(self.path / "auth").read_text(encoding="ascii").strip(),
                notification_socket=self.notification_socket,
            )
        except (OSError, ValueError, KeyError):
            return None

    def write_backend(self, content: dict[str, str | int]) -> None:
        """Say where the backend is, now that it is ready."""
        temporary = self.backend_file.with_suffix(".new")
        temporary.write_text(json.dumps(content), encoding="utf-8")
        temporary.replace(self.backend_file)
