"""Talk in a room: messages (chat and comments), answers of the assistant, proposals, read marks.

Owns their entities, the commands of `domain.services.talk`, and the port `Talk`. A talk record is
made and changed by events of the trip's log like everything else (`Event.talk`), so it is durable,
ordered and exactly-once; but it is no part of the aggregate and of snapshots: it is read by pages.
Only members see talk: `domain.services.rooms` and `realtime.room` redact it for spectators.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, Literal, Protocol

import msgspec

from domain.commands import Actor, RoomCommand
from domain.entities import Id, RecordType
from domain.events import Change, TalkChange, TalkType
from domain.operations import About, Channel, Proposable

ASSISTANT = "assistant"
"""Author of answers and of the proposals in them; no user has this id."""
MAX_REACTIONS = 20
"""Different emoji on one message."""
MAX_MESSAGE_PAGE = 100
MAX_OPEN_PROPOSALS = 100
"""Proposals of a trip that wait for a decision."""

AnswerStatus = Literal["queued", "streaming", "done", "stopped", "interrupted", "failed"]
"""`stopped`: by a person, or nobody was left to read. `interrupted`: its process ended. The first
two are of answers under way, the others are final."""
PieceStatus = Literal["open", "accepted", "declined", "stale"]


class Usage(msgspec.Struct, frozen=True):
    """Tokens, as the upstream counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class SourceRecord(msgspec.Struct, frozen=True):
    """One day or stop of a source that fits the question."""

    t: RecordType
    id: str
    name: str


class Source(msgspec.Struct, frozen=True):
    """A public trip that an answer drew on, shown as a card."""

    trip_id: str
    title: str
    excerpt: str = ""
    records: list[SourceRecord] = []


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why an answer failed: a stable `code` (clients translate it) and an English sentence.

    `retry_after` is in seconds, where the upstream said it."""

    code: str
    message: str
    retry_after: float | None = None


class Answer(msgspec.Struct, omit_defaults=True):
    """What makes a message an answer. `question` is the id of the message asked, `asked_by` the
    user. While `status` is queued or streaming the message's text is empty: it grows by `stream`
    messages. `reasoning` is what the model thought aloud, kept apart from the text."""

    question: str = ""
    asked_by: str = ""
    status: AnswerStatus = "streaming"
    model: str = ""
    reasoning: str = ""
    fault: Fault | None = None
    usage: Usage | None = None
    sources: list[Source] = []
    proposal: str | None = None


class Message(msgspec.Struct, omit_defaults=True):
    """One thing said. `seq` is the event that made it: the order of talk.

    `channel` chat: `about` is a reference to a stop or day (a card), `reply_to` the message quoted.
    `channel` comment: `about` is what is commented on, `reply_to` the first comment of its thread,
    which alone can be resolved. `reactions` maps an emoji to user ids. A deleted message keeps its
    place without its text.
    """

    id: str
    seq: int = 0
    channel: Channel = "chat"
    author: str = ""
    at: str = ""
    text: str = ""
    reply_to: str | None = None
    about: About | None = None
    mentions: list[str] = []
    reactions: dict[str, list[str]] = {}
    edited_at: str | None = None
    deleted: bool = False
    resolved_by: str | None = None
    resolved_at: str | None = None
    answer: Answer | None = None


class Touch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a piece builds on: when somebody else changes one of `fields` (none named: any) of this
    record after the proposal's `base`, the piece is stale."""

    t: RecordType
    id: str
    fields: list[str] = []


class Piece(msgspec.Struct, omit_defaults=True):
    """One proposed operation. `changes` is what it would have changed when it was proposed (with
    `old` values): the diff that is shown. `needs`: numbers of earlier pieces that it builds on.
    `reason`: the code of why it is stale."""

    op: Proposable
    changes: list[Change] = []
    touches: list[Touch] = []
    needs: list[int] = []
    status: PieceStatus = "open"
    reason: str = ""


class Proposal(msgspec.Struct, omit_defaults=True):
    """Operations that wait for an editor's yes. `author` is a user id, or `ASSISTANT` (then
    `asked_by` is the user who asked, and `message` the answer that it belongs to). `base` is the
    seq on which it was made, `applied` the seqs of the events that accepted pieces became. `open`:
    some piece waits."""

    id: str
    seq: int = 0
    author: str = ""
    asked_by: str | None = None
    message: str | None = None
    at: str = ""
    base: int = 0
    note: str = ""
    pieces: list[Piece] = []
    open: bool = True
    applied: list[int] = []
    decided_by: str | None = None


TalkRecord = Message | Proposal
TALK_TYPES: dict[TalkType, type[TalkRecord]] = {"message": Message, "proposal": Proposal}


def assign(record: TalkRecord | None, change: TalkChange) -> TalkRecord:
    """The record with the change's fields (wire values) set; `None` starts a new one.

    The inverse of how talk decisions make changes; used by storage to bring rows up to date.
    """
    fields: dict[str, Any] = {} if record is None else msgspec.to_builtins(record)
    fields.update(change.set)
    fields["id"] = change.id
    return msgspec.convert(fields, TALK_TYPES[change.t])


# --- commands -----------------------------------------------------------------------------


class ReadMessages(RoomCommand, frozen=True):
    """A page of messages with seq < `before` (None: the newest), newest first.

    `about` narrows comments to those on one record (and its field, when one is named)."""

    reads_only: ClassVar[bool] = True
    actor: Actor
    channel: Channel = "chat"
    about: About | None = None
    before: int | None = None
    limit: int = 40


class MessagePage(msgspec.Struct, frozen=True):
    """`messages` newest first; `quoted` are messages that they reply to and that are not among
    them. `next_before` None: this was the last page. `reads` is the seq read by each member,
    `unread` what the asker has not read in both channels. All of it as of the trip's `seq`."""

    seq: int
    messages: list[Message]
    quoted: list[Message]
    next_before: int | None
    reads: dict[str, int]
    unread: int


class ReadThreads(RoomCommand, frozen=True):
    """How many comments there are on what: for the badges on the board."""

    reads_only: ClassVar[bool] = True
    actor: Actor


class ThreadCount(msgspec.Struct, frozen=True):
    """`open`: threads that are not resolved; `total`: comments that are not deleted."""

    t: Literal["trip", "day", "stop"]
    id: str
    open: int
    total: int


class ThreadList(msgspec.Struct, frozen=True):
    """As of the trip's `seq`. Records without comments are left out."""

    seq: int
    threads: list[ThreadCount]


class ReadProposals(RoomCommand, frozen=True):
    """Proposals that wait, newest first, and those named by `ids`."""

    reads_only: ClassVar[bool] = True
    actor: Actor
    ids: list[Id] = msgspec.field(default_factory=list)


class MarkRead(RoomCommand, frozen=True):
    """The actor has read everything up to `seq`. Never goes back."""

    actor: Actor
    seq: int


class Marked(msgspec.Struct, frozen=True):
    """Where the mark stands, and whether it moved."""

    seq: int
    moved: bool


# --- port ---------------------------------------------------------------------------------


class Talk(Protocol):
    """Talk records and read marks inside one unit of work.

    Records are written by `Trips.record` (through `Event.talk`); reading one by id sees what this
    unit of work has recorded. Lists see committed state only, so commands that list only read.
    """

    def message(self, trip_id: str, message_id: str) -> Message | None: ...

    def proposal(self, trip_id: str, proposal_id: str) -> Proposal | None: ...

    def messages(
        self, trip_id: str, channel: Channel, before: int | None, limit: int, about: About | None = None
    ) -> list[Message]:
        """With seq < before, newest first, deleted ones included. `about` without a field: all
        comments on the record."""

    def messages_by_id(self, trip_id: str, ids: Collection[str]) -> list[Message]: ...

    def threads(self, trip_id: str) -> list[ThreadCount]:
        """Counts for every record that has a comment that is not deleted."""

    def open_proposals(self, trip_id: str, limit: int) -> list[Proposal]:
        """Newest first."""

    def count_open_proposals(self, trip_id: str) -> int: ...

    def proposals_by_id(self, trip_id: str, ids: Collection[str]) -> list[Proposal]: ...

    def marks(self, trip_id: str) -> dict[str, int]:
        """The seq read, by user id."""

    def mark(self, trip_id: str, user_id: str, seq: int) -> Marked:
        """Raise the user's mark to `seq`, at once, unless it is there already."""

    def unread(self, trip_id: str, user_id: str) -> int:
        """Messages by others (deleted ones left out) above the user's mark, at most 100."""
