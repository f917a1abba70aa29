"""A peer to compare with: a bare loop in C (picows on uvloop), one send for each client and message.

Owns nothing of ours. `python picows_loop.py PORT` serves any path on 127.0.0.1; the first message names a
room, and what one client sends then, everybody in its room receives. Nothing is decoded, checked or kept:
about the least that a broadcast from Python can cost. Needs requirements/picows.txt.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

rooms: dict[str, set[WSTransport]] = defaultdict(set)


class Echo(WSListener):
    """One connection."""

    def __init__(self) -> None:
        self.room: set[WSTransport] | None = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type != WSMsgType.TEXT:
            return
        message = frame.get_payload_as_bytes()
        if self.room is None:
            self.room = rooms[json.loads(message)["room"]]
            self.room.add(transport)
            transport.send(WSMsgType.TEXT, b'{"t":"joined"}')
            return
        for client in self.room:
            client.send(WSMsgType.TEXT, message)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self.room is not None:
            self.room.discard(transport)


def listener(_: WSUpgradeRequest) -> WSListener:
    return Echo()


async def main(port: int) -> None:
    server = await ws_create_server(listener, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
