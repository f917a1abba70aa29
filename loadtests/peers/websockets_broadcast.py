"""A peer to compare with: `broadcast()` of the websockets library.

Owns nothing of ours. `python websockets_broadcast.py PORT` serves any path on 127.0.0.1; the first message
names a room, and what one client sends then, everybody in its room receives. Needs
requirements/websockets.txt.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict

from websockets.asyncio.server import ServerConnection, broadcast, serve

rooms: dict[str, set[ServerConnection]] = defaultdict(set)


async def handle(connection: ServerConnection) -> None:
    """One connection from beginning to end."""
    room = rooms[json.loads(await connection.recv())["room"]]
    room.add(connection)
    try:
        await connection.send('{"t":"joined"}')
        async for message in connection:
            broadcast(room, message)
    finally:
        room.discard(connection)


async def main(port: int) -> None:
    # The generator answers no pings.
    options = {"compression": None, "ping_interval": None, "backlog": 4096}
    async with serve(handle, "127.0.0.1", port, **options) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
