"""The doors of a process: one line for the operator when they cannot be opened."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from handlers.listening import ListenError, address, bind, only_process


def test_a_second_process_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with only_process(tmp_path / "data"), pytest.raises(ListenError, match="REDIS_URL"):
        only_process(tmp_path / "data")
    only_process(tmp_path / "data").close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Tornado drops a socket
def test_an_address_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=f"127.0.0.1:{port}"):
            bind("127.0.0.1", port)


def test_the_address_is_one_to_click_on() -> None:
    sockets = bind("127.0.0.1", 0)
    assert address(sockets) == f"http://localhost:{sockets[0].getsockname()[1]}"
    for each in sockets:
        each.close()
