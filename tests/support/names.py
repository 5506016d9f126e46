"""A name service for tests."""

import socket
from typing import Any


class Names:
    """Stands in for the name service.

    Attributes:
        known: host -> addresses.
        asked: the hosts that were looked up, addresses left out.
    """

    def __init__(self) -> None:
        self.known: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self._really = socket.getaddrinfo

    def look_up(self, host: str, port: Any, *args: Any, **options: Any) -> Any:
        if isinstance(host, bytes):
            host = host.decode()
        try:
            return self._really(host, port, *args, **options | {"flags": socket.AI_NUMERICHOST})
        except socket.gaierror:
            if options.get("flags") == socket.AI_NUMERICHOST:
                raise  # no name server is asked
            self.asked.append(host)
        if host not in self.known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            entry
            for address in self.known[host]
            for entry in self._really(address, port, *args, **options)
        ]
