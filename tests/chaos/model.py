"""The language model of a run: whoever names itself `#so#` in the question is told `so:0 so:1 so:2 ...`.

Owns the words, so that what anybody shows of an answer can be compared with them, and counts who still
listens. Speaks just enough of OpenAI's chat completions. Lives in the loop of the run, behind a faulty link
for each server process. Called by `tests.chaos.cluster`; the words are judged by `tests.chaos.checks`.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

CHUNKS = 25
PAUSE = 0.05
"""Seconds between two of them."""
_NAME = re.compile(r"#([a-z0-9-]{1,40})#")


def name_in(question: str) -> str:
    """What a question calls itself; the last name counts, for a request carries earlier questions, too."""
    found: list[str] = _NAME.findall(question)
    return found[-1] if found else "nameless"


def words(name: str) -> str:
    """The whole answer to a question of this name."""
    return "".join(_chunk(name, n) for n in range(CHUNKS))


def _chunk(name: str, n: int) -> str:
    return f"{name}:{n} 好🙂 "


class Model:
    """See the module. `listeners`: requests that are being answered."""

    def __init__(self) -> None:
        self.listeners = 0
        self.asked = 0
        (socket,) = bind_sockets(0, "127.0.0.1")
        self.port: int = socket.getsockname()[1]
        self._server = HTTPServer(Application([(".*", _Completions, {"model": self})]))
        self._server.add_socket(socket)

    async def aclose(self) -> None:
        """Answer nobody any more."""
        self._server.stop()
        await self._server.close_all_connections()


class _Completions(RequestHandler):
    def initialize(self, model: Model) -> None:
        self._model = model
        self._gone = False

    def on_connection_close(self) -> None:
        self._gone = True

    async def post(self) -> None:
        name = name_in(self.request.body.decode())
        self.set_header("Content-Type", "text/event-stream")
        self._model.listeners += 1
        self._model.asked += 1
        try:
            for n in range(CHUNKS):
                await self._say({"content": _chunk(name, n)})
                await asyncio.sleep(PAUSE)
                if self._gone:
                    return
            await self._say({}, "stop")
            self.write("data: [DONE]\n\n")
        except StreamClosedError:
            pass
        finally:
            self._model.listeners -= 1

    async def _say(self, delta: dict[str, Any], finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        about = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "chaos"}
        self.write(f"data: {json.dumps(about | {'choices': [choice]}, ensure_ascii=False)}\n\n")
        await self.flush()
