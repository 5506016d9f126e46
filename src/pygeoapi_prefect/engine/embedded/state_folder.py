"""The state folder of an embedded Prefect: which file is what, and who holds which lock.

    service         which service the folder belongs to: the path of its configuration
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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pygeoapi_prefect.engine.host.locks import Lock
from pygeoapi_prefect.engine.prefect_api.models import Endpoint
from pygeoapi_prefect.errors import FolderOfAnother, PrefectUnavailable
from pygeoapi_prefect.ownership import Place, make_private_folder, write_private

_KEY = "server.manager.connection"


@dataclass(frozen=True)
class StateFolder:
    """The paths in a state folder.

    Attributes:
        path: the folder itself, absolute.
    """

    path: Path

    @property
    def place(self) -> Place:
        """The folder, as something that has to be ours alone, with everything in it.

        Results may be many, and nobody gets at them but through their folder.
        """
        return Place(self.path, "state folder", _KEY, True, frozenset({"results"}))

    def make(self) -> None:
        """Make the folder and what must be in it; only the owner may look inside.

        Raises:
            UntrustedPlace: it is another user's, or others can write it.
            PrefectUnavailable: it cannot be made or written.
        """
        self.take()
        with self.explaining():
            make_private_folder(self.path / "locks")
            make_private_folder(self.prefect_home)
            self.auth_file_ready()

    def take(self) -> None:
        """Make the folder, with nothing in it yet; only the owner may look inside.

        Raises:
            UntrustedPlace: it is another user's, or others can write it.
            PrefectUnavailable: it cannot be made.
        """
        with self.explaining():
            self.place.make()

    def exists(self) -> bool:
        """Return whether the folder is there and a backend has been in it.

        Raises:
            UntrustedPlace: it is another user's, or others can write it.
            PrefectUnavailable: it cannot be read.
        """
        with self.explaining():
            return self.place.check() and (self.path / "locks").is_dir()

    def claim(self, service: str) -> None:
        """Make the folder a service's; the first that comes has it.

        Args:
            service: which one; see `config.service_name`.

        Raises:
            FolderOfAnother: another service has it.
            PrefectUnavailable: it cannot be written.
        """
        with self.explaining():
            self._write_once(self._owner_file, service)
        self.check_owner(service)

    def check_owner(self, service: str) -> None:
        """Make sure that no other service has the folder.

        Raises:
            FolderOfAnother: another service has it.
        """
        try:
            owner = self._owner_file.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return
        if owner not in ("", service):
            raise FolderOfAnother(
                f"The state folder {self.path} belongs to the service of {owner}, and this is the "
                f"one of {service}. Name another folder in {_KEY}. If the configuration has "
                f"only moved, stop the service and delete {self._owner_file}."
            )

    @property
    def _owner_file(self) -> Path:
        return self.path / "service"

    def _write_once(self, file: Path, content: str) -> None:
        """Write a file unless there is one that holds something; it appears whole."""
        if file.exists() and not file.read_bytes().strip():
            file.unlink()
        temporary = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as handle:
            handle.write(content)
        # The process that comes first makes it.
        with contextlib.suppress(FileExistsError):
            file.hardlink_to(temporary)
        temporary.unlink()

    @contextlib.contextmanager
    def explaining(self) -> Iterator[None]:
        """Say of what fails in the folder which folder it is, and what helps.

        Raises:
            PrefectUnavailable: in place of an OSError.
        """
        try:
            yield
        except OSError as error:
            raise PrefectUnavailable(
                f"The state folder {self.path} of the embedded Prefect cannot be used: "
                f"{error.strerror}. See that its disk is neither full nor read-only, or name "
                f"another one in {_KEY}."
            ) from error

    def auth_file_ready(self) -> str:
        """Return `user:password` of the Prefect API, made up when first asked for."""
        file = self.path / "auth"
        # An empty one would let everybody in.
        self._write_once(file, f"pygeoapi:{secrets.token_urlsafe(24)}")
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
        write_private(self.backend_file, json.dumps(content))
