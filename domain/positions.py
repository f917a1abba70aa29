"""Fractional index keys: where a stop or an unscheduled day stands among its neighbours.

Owns the choice of keys, always under the trip's lock, so that two live records of one list never
share a key and concurrent inserts never interleave. Keys compare as ASCII bytes (see the
`fractional-indexing` package and Figma's "Realtime editing of ordered sequences", 2017).
"""

from __future__ import annotations

from bisect import bisect_left

from fractional_indexing import generate_n_keys_between

MAX_KEY_LENGTH = 24
"""A longer key makes the whole list be numbered anew in the same event."""


def keys_between(before: str | None, after: str | None, count: int) -> list[str]:
    """`count` ascending keys strictly between two keys (None = open end)."""
    keys: list[str] = generate_n_keys_between(before, after, count)
    return keys


def place(
    ordered: list[tuple[str, str]], moved: list[str], anchor: tuple[str, str] | None, *, at_end: bool = False
) -> dict[str, str]:
    """New keys for `moved`, put behind `anchor` in a list of (pos, id) without them.

    `anchor` is a (pos, id) that need not be in the list any more (a removed stop keeps its
    place); None means the front, `at_end` the back. Returns id -> key, including other records
    of the list when it had to be numbered anew.
    """
    index = len(ordered) if at_end else 0 if anchor is None else _behind(ordered, anchor)
    before = ordered[index - 1][0] if index > 0 else None
    after = ordered[index][0] if index < len(ordered) else None
    if before is None or after is None or before < after:
        keys = keys_between(before, after, len(moved))
        if max(len(key) for key in keys) <= MAX_KEY_LENGTH:
            return dict(zip(moved, keys, strict=True))
    ids = [record_id for _, record_id in ordered]
    ids[index:index] = moved
    fresh = dict(zip(ids, keys_between(None, None, len(ids)), strict=True))
    current = {record_id: pos for pos, record_id in ordered}
    return {record_id: key for record_id, key in fresh.items() if current.get(record_id) != key}


def _behind(ordered: list[tuple[str, str]], anchor: tuple[str, str]) -> int:
    index = bisect_left(ordered, anchor)
    return index + 1 if index < len(ordered) and ordered[index] == anchor else index
