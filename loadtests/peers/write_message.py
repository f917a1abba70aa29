"""A peer to compare with: Tornado's `write_message` once for each client, as tutorials do it.

Owns nothing of ours. `python -m loadtests.peers.write_message PORT [--uvloop]` serves /socket on 127.0.0.1;
the first message names a room, and what one client sends then, everybody in its room receives. Its handler
adds nothing to Tornado's own, so it is also what the memory of our connections is compared with.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict

import uvloop
from tornado.web import Application
from tornado.websocket import WebSocketHandler

rooms: dict[str, set[Echo]] = defaultdict(set)


class Echo(WebSocketHandler):
    """Broadcasts each message to its room."""

    room = ""

    def on_message(self, message: str | bytes) -> None:
        if not self.room:
            self.room = json.loads(message)["room"]
            rooms[self.room].add(self)
            self.write_message('{"t":"joined"}')
            return
        for client in rooms[self.room]:
            client.write_message(message)

    def on_close(self) -> None:
        rooms[self.room].discard(self)

    def check_origin(self, origin: str) -> bool:
        return origin.startswith("http://127.0.0.1")


async def main(port: int) -> None:
    Application([("/socket", Echo)]).listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    run = uvloop.run if "--uvloop" in sys.argv else asyncio.run
    run(main(int(sys.argv[1])))
