"""A peer to compare with: Flask-SocketIO on gevent with a Redis message queue, any number of processes.

Owns nothing of ours. `python flask_socketio_redis.py PORT REDIS_URL` serves /socket.io on 127.0.0.1; event
`join` enters a room, and the payload of event `m` goes to everybody in it, through Redis as this library
does it. Needs requirements/flask_socketio.txt.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402
from typing import Any  # noqa: E402

from flask import Flask, request  # noqa: E402
from flask_socketio import SocketIO, emit, join_room  # noqa: E402

app = Flask(__name__)
# The generator answers no pings: none shall be due while it measures.
socketio = SocketIO(
    app, async_mode="gevent", message_queue=sys.argv[2], cors_allowed_origins="*", ping_interval=600
)
room_of: dict[str, str] = {}


@socketio.on("join")
def join(room: str) -> str:
    room_of[request.sid] = room
    join_room(room)
    return "joined"


@socketio.on("m")
def message(body: Any) -> None:
    emit("m", body, to=room_of[request.sid])


@socketio.on("disconnect")
def left(*_: object) -> None:
    room_of.pop(request.sid, None)


if __name__ == "__main__":
    socketio.run(app, host="127.0.0.1", port=int(sys.argv[1]))
