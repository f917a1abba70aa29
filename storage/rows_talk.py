"""Talk records, runs and turns, and their rows: the two directions, written by hand.

Owns the JSON inside a row. Every record is made anew from its row: whoever gets one may change it.
Used by `storage.sql_talk` and `storage.sql_answers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Table

from domain.answers import Conversation, Run, Turn
from domain.events import TalkType
from domain.operations import About
from domain.talk import Answer, Fault, Message, Piece, Proposal, Source, TalkRecord, Usage
from storage.tables_talk import conversations, messages, proposals, runs, turns

TABLES: dict[TalkType, Table] = {"message": messages, "proposal": proposals}

_encode = msgspec.json.Encoder().encode
_names = msgspec.json.Decoder(list[str])
_reactions = msgspec.json.Decoder(dict[str, list[str]])
_answer = msgspec.json.Decoder(Answer)
_pieces = msgspec.json.Decoder(list[Piece])
_seqs = msgspec.json.Decoder(list[int])
_fault = msgspec.json.Decoder(Fault)
_usage = msgspec.json.Decoder(Usage)
_sources = msgspec.json.Decoder(list[Source])


def _json(value: Any) -> str:
    return _encode(value).decode()


def _maybe(value: Any) -> str | None:
    return None if value is None else _json(value)


def row_of(trip_id: str, record: TalkRecord) -> tuple[Any, ...]:
    """The row of a message or proposal, in the order of its table's columns."""
    return _message_row(trip_id, record) if isinstance(record, Message) else _proposal_row(trip_id, record)


def _message_row(trip_id: str, m: Message) -> tuple[Any, ...]:
    about = (None, None, None) if m.about is None else (m.about.t, m.about.id, m.about.field)
    return (
        *(trip_id, m.id, m.seq, m.channel, m.author, m.at, m.text, m.reply_to, *about),
        *(_json(m.mentions), _json(m.reactions), m.edited_at, m.deleted, m.resolved_by, m.resolved_at),
        _maybe(m.answer),
    )


def _proposal_row(trip_id: str, p: Proposal) -> tuple[Any, ...]:
    return (
        *(trip_id, p.id, p.seq, p.author, p.asked_by, p.message, p.at, p.base, p.note),
        *(_json(p.pieces), p.open, _json(p.applied), p.decided_by),
    )


def record_from(t: TalkType, row: Sequence[Any]) -> TalkRecord:
    """The inverse of `row_of`, from all columns of the table."""
    return message_from(row) if t == "message" else proposal_from(row)


def message_from(row: Sequence[Any]) -> Message:
    _, record_id, seq, channel, author, at, text, reply_to, about_t, about_id, field = row[:11]
    mentions, reactions, edited_at, deleted, resolved_by, resolved_at, answer = row[11:]
    return Message(
        id=record_id,
        seq=seq,
        channel=channel,
        author=author,
        at=at,
        text=text,
        reply_to=reply_to,
        about=None if about_t is None else About(about_t, about_id, field),
        mentions=_names.decode(mentions),
        reactions=_reactions.decode(reactions),
        edited_at=edited_at,
        deleted=bool(deleted),
        resolved_by=resolved_by,
        resolved_at=resolved_at,
        answer=None if answer is None else _answer.decode(answer),
    )


def proposal_from(row: Sequence[Any]) -> Proposal:
    _, record_id, seq, author, asked_by, message, at, base, note, pieces, still_open, applied, by = row
    return Proposal(
        id=record_id,
        seq=seq,
        author=author,
        asked_by=asked_by,
        message=message,
        at=at,
        base=base,
        note=note,
        pieces=_pieces.decode(pieces),
        open=bool(still_open),
        applied=_seqs.decode(applied),
        decided_by=by,
    )


# --- answers ------------------------------------------------------------------------------

# The columns of `runs` and `conversations` are their entities' fields, in order.
RUN_COLUMNS = [runs.c[name] for name in Run.__struct_fields__]
CONVERSATION_COLUMNS = [conversations.c[name] for name in Conversation.__struct_fields__]
TURN_COLUMNS = [turns.c[name] for name in Turn.__struct_fields__]


def turn_values(turn: Turn) -> dict[str, Any]:
    values = msgspec.structs.asdict(turn)
    values["fault"], values["usage"] = _maybe(turn.fault), _maybe(turn.usage)
    values["sources"] = _json(turn.sources)
    return values


def turn_from(row: Sequence[Any]) -> Turn:
    """From `TURN_COLUMNS`."""
    fields = dict(zip(Turn.__struct_fields__, row, strict=True))
    fields["fault"] = None if fields["fault"] is None else _fault.decode(fields["fault"])
    fields["usage"] = None if fields["usage"] is None else _usage.decode(fields["usage"])
    fields["sources"] = _sources.decode(fields["sources"])
    return Turn(**fields)
