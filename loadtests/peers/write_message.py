"""A peer to compare with: Tornado's `write_message` once for each client, as tutorials do it.

Owns nothing of ours. `python -m loadtests.peers.write_message PORT` serves /socket on 127.0.0.1;
what one client sends, all clients receive. Started and stopped by `loadtests.bench`.
"""

from __future__ import annotations

import asyncio
import sys

from tornado.web import Application
from tornado.websocket import WebSocketHandler

clients: set[WebSocketHandler] = set()


class Echo(WebSocketHandler):
    """Broadcasts each message to everybody."""

    def open(self, *args: str, **kwargs: str) -> None:
        clients.add(self)

    def on_message(self, message: str | bytes) -> None:
        for client in clients:
            client.write_message(message)

    def on_close(self) -> None:
        clients.discard(self)

    def check_origin(self, origin: str) -> bool:
        return origin.startswith("http://127.0.0.1")


async def main(port: int) -> None:
    Application([("/socket", Echo)]).listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
