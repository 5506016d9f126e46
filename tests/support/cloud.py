"""Prefect's API as Prefect Cloud shows it: below a workspace, for those who have a key.

A reverse proxy in front of a real Prefect server; it takes one request per connection. The key is
the server's `user:password`: with websockets it travels in a message. Run as
`python -m tests.support.cloud ADDRESS PORT SERVER_ADDRESS SERVER_PORT KEY [EVENTS]`.
"""

import asyncio
import base64
import contextlib
import sys
from email.utils import formatdate

from tests.support.balancer import pass_on

PREFIX = "/api/accounts/0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10"
PREFIX += "/workspaces/7d1c5a3e-2f4b-4c6d-8e9f-0a1b2c3d4e5f"
# What Prefect's own server has and Cloud does not, or not there.
ABSENT = ("/admin", "/health", "/ready", "/version", "/csrf-token")


def judge(path: str, headers: dict[str, str], key: str, *, events: bool) -> int:
    """Return the status with which a request is refused, 0 if it is let through."""
    is_websocket = headers.get("upgrade", "").lower() == "websocket"
    if not path.startswith(PREFIX) or path.removeprefix(PREFIX).startswith(ABSENT):
        return 404
    if is_websocket:
        return 0 if events else 403
    return 0 if headers.get("authorization") == f"Bearer {key}" else 401


async def serve_cloud(
    address: str, port: int, server: tuple[str, int], key: str, *, events: bool
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            method, path, version = first.split(" ")
            pairs = [line.partition(":") for line in lines]
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            # Whoever opens a websocket tells the key in the first message.
            said = "websocket" if "upgrade" in headers else headers.get("authorization", "-")
            print(method, path, said, flush=True)  # noqa: T201
            if status := judge(path, headers, key, events=events):
                more = {"date": formatdate(usegmt=True), "connection": "close", "content-length": 0}
                lines = [f"{version} {status} No", *(f"{k}: {v}" for k, v in more.items())]
                writer.write("\r\n".join([*lines, "", ""]).encode())
                await writer.drain()
                writer.close()
                return
            if "upgrade" not in headers:
                headers["connection"] = "close"
                headers["authorization"] = f"Basic {base64.b64encode(key.encode()).decode()}"
            shown = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            there = await asyncio.open_connection(*server)
            inside = "/api" + path.removeprefix(PREFIX)
            there[1].write(f"{method} {inside} {version}\r\n{shown}\r\n".encode("latin-1"))
            await asyncio.gather(pass_on(reader, there[1]), pass_on(there[0], writer))

    async with await asyncio.start_server(serve, address, port) as listening:
        await listening.serve_forever()


if __name__ == "__main__":
    _, _address, _port, _server, _server_port, _key, *_more = sys.argv
    asyncio.run(
        serve_cloud(
            _address, int(_port), (_server, int(_server_port)), _key, events="EVENTS" in _more
        )
    )
