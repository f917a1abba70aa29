"""Tongyou, but every `LOAD_FAULT_DROP`-th `events` frame is not sent, and every `LOAD_FAULT_REPEAT`-th is
sent twice (0: none). Started in place of `server.py`, to prove that load runs notice.

Used by `test_load.py`, and by hand with `--script tests/integration/faulty_server.py`.
"""

import itertools
import os

import server
from realtime.connection import Connection

DROP = int(os.environ.get("LOAD_FAULT_DROP", "0"))
REPEAT = int(os.environ.get("LOAD_FAULT_REPEAT", "0"))
_count = itertools.count(1)
_send = Connection.send


def send(self: Connection, data: bytes, *, ephemeral: bool = False) -> bool:
    """In place of `Connection.send`."""
    if not ephemeral and b'"t":"events"' in data:
        n = next(_count)
        if DROP and n % DROP == 0:
            return True
        if REPEAT and n % REPEAT == 0:
            _send(self, data)
    return _send(self, data, ephemeral=ephemeral)


if __name__ == "__main__":
    Connection.send = send  # type: ignore[method-assign]
    server.cli()
