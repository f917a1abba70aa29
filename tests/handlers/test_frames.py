"""Reading frames: however the bytes are cut, the same messages; what is wrong is found where it begins.

The cases of RFC 6455 themselves run against the real server elsewhere.
"""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.frames import BINARY, CLOSE, CONTINUED, PING, TEXT, Frame, FrameReader, Violation
from tests.handlers.raw_socket import frame

LIMIT = 70_000
Sent = tuple[int, bytes, bool]
WORDS = st.text(max_size=40).map(str.encode) | st.sampled_from([b"x" * 126, b"y" * 400, b""])


def read(reader: FrameReader, data: bytes, sizes: list[int]) -> list[Frame]:
    found, at, n = [], 0, 0
    while at < len(data):
        size = sizes[n % len(sizes)]
        found += list(reader.feed(data[at : at + size]))
        at, n = at + size, n + 1
    return found


@given(
    st.lists(st.tuples(st.sampled_from([TEXT, BINARY, PING]), WORDS), max_size=6),
    st.lists(st.integers(1, 3_000), min_size=1, max_size=5),
)
def test_wherever_the_bytes_are_cut(sent: list[tuple[int, bytes]], sizes: list[int]) -> None:
    sent = [(opcode, payload[:125] if opcode == PING else payload) for opcode, payload in sent]
    data = b"".join(frame(payload, opcode) for opcode, payload in sent)
    expected = [Frame(opcode, payload.decode() if opcode == TEXT else payload) for opcode, payload in sent]
    assert read(FrameReader(LIMIT), data, sizes) == expected


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=6), st.lists(st.integers(1, 50), min_size=1))
def test_fragments_are_one_message_with_control_frames_between(parts: list[bytes], sizes: list[int]) -> None:
    data = b""
    for n, part in enumerate(parts):
        data += frame(part, BINARY if n == 0 else CONTINUED, fin=n == len(parts) - 1)
        if n < len(parts) - 1:
            data += frame(b"here?", PING)
    found = read(FrameReader(LIMIT), data, sizes)
    assert [each for each in found if each.opcode == BINARY] == [Frame(BINARY, b"".join(parts))]
    assert len([each for each in found if each.opcode == PING]) == len(parts) - 1
    assert len([each for each in found if each.opcode == CONTINUED]) == len(parts) - 1


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (bytes([0x81, 0x05]), 1002),  # no mask
        (bytes([0xC1, 0x85]), 1002),  # a reserved bit
        (bytes([0x83, 0x80]), 1002),  # a reserved opcode
        (bytes([0x80, 0x80]), 1002),  # nothing to continue
        (bytes([0x09, 0x80]), 1002),  # a ping in parts
        (bytes([0x89, 0xFE]), 1002),  # a ping too long
        (frame(b"a", TEXT, fin=False) + bytes([0x81, 0x80]), 1002),  # a message was not finished
        (b"\x81\xff" + struct.pack("!Q", 2**63), 1009),
        (b"\x81\xfe" + struct.pack("!H", 65_535) + bytes(4) + b"x", None),  # allowed, and not there yet
        (frame(b"x" * 60_000, TEXT, fin=False) + b"\x80\xfe" + struct.pack("!H", 10_001), 1009),
        (frame(b"\xff"), 1007),
        (frame(b"\xe6\x97", TEXT, fin=False) + frame(b"x", CONTINUED), 1007),
    ],
    # Masks are random, and names made of them would differ between the processes of one test run.
    ids=range(12),
)
def test_what_is_wrong_is_found_before_more_is_read(data: bytes, code: int | None) -> None:
    good = frame(b"first")
    reader = FrameReader(LIMIT)
    found: list[Frame] = []
    if code is None:
        assert list(reader.feed(good + data)) == [Frame(TEXT, "first")]
        return
    with pytest.raises(Violation) as caught:
        for each in reader.feed(good + data):
            found.append(each)
    assert found[0] == Frame(TEXT, "first")
    assert caught.value.code.code == code


def test_a_close_frame_is_told_with_its_payload() -> None:
    assert list(FrameReader(LIMIT).feed(frame(b"\x03\xe8bye", CLOSE))) == [Frame(CLOSE, b"\x03\xe8bye")]


def test_a_long_message_comes_whole_through_small_reads() -> None:
    text = "旅" * 22_000
    assert read(FrameReader(LIMIT), frame(text.encode()) + frame(b"next"), [1_460]) == [
        Frame(TEXT, text),
        Frame(TEXT, "next"),
    ]


def test_a_ping_is_no_part_of_a_message_that_is_nearly_full() -> None:
    data = frame(b"x" * LIMIT, TEXT, fin=False) + frame(b"here?", PING) + frame(b"", CONTINUED)
    found = list(FrameReader(LIMIT).feed(data))
    assert found[1:] == [Frame(PING, b"here?"), Frame(TEXT, "x" * LIMIT)]


def test_empty_fragments_without_an_end_are_not_kept() -> None:
    reader = FrameReader(LIMIT)
    assert list(reader.feed(frame(b"a", TEXT, fin=False)))
    for _ in range(100):
        assert list(reader.feed(frame(b"", CONTINUED, fin=False))) == [Frame(CONTINUED, b"")]
    assert reader._fragments == [b"a"]
    assert list(reader.feed(frame(b"b", CONTINUED))) == [Frame(TEXT, "ab")]
