"""A load balancer for tests: gives each connection to the next server that takes it.

Run as `python -m tests.support.balancer ADDRESS PORT SERVER_PORT...`; the servers are local.
"""

import asyncio
import contextlib
import itertools
import sys
from collections.abc import Sequence


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand on what comes until there is no more; then nothing else is to come back either."""
    with contextlib.suppress(OSError):
        while content := await reader.read(65536):
            writer.write(content)
            await writer.drain()
    writer.close()


async def balance(address: str, port: int, servers: Sequence[int]) -> None:
    turn = itertools.cycle(servers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for server in itertools.islice(turn, len(servers)):
            try:
                there = await asyncio.open_connection("127.0.0.1", server)
            except OSError:
                continue
            await asyncio.gather(pass_on(reader, there[1]), pass_on(there[0], writer))
            return
        writer.close()

    async with await asyncio.start_server(serve, address, port) as listening:
        await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(balance(sys.argv[1], int(sys.argv[2]), [int(port) for port in sys.argv[3:]]))
