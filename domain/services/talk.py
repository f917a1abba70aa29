"""Reading talk: pages of messages, threads, proposals; and how far each member has read.

Called through `run(service, command)` by `handlers.talk` and `realtime.session`. What is said and
done goes through `domain.services.rooms.apply_operation`. Everything here is for members only.
"""

from __future__ import annotations

from domain.errors import Unauthenticated
from domain.ports import UnitOfWork
from domain.proposals import mark_stale
from domain.services.rooms import read_as_member
from domain.talk import (
    MAX_MESSAGE_PAGE,
    MAX_OPEN_PROPOSALS,
    Marked,
    MarkRead,
    MessagePage,
    Proposal,
    ReadMessages,
    ReadProposals,
    ReadThreads,
    ThreadList,
)


def read_messages(command: ReadMessages, uow: UnitOfWork) -> MessagePage:
    """One page, newest first. Raises `NotFound`, `Unauthenticated`, `Forbidden`, `Gone`."""
    trip = read_as_member(uow, command.trip_id, command.actor.user_id)
    limit = max(1, min(command.limit, MAX_MESSAGE_PAGE))
    found = uow.talk.messages(trip.id, command.channel, command.before, limit + 1, command.about)
    page = found[:limit]
    here = {message.id for message in page}
    quoted = {m.reply_to for m in page if m.reply_to is not None and m.reply_to not in here}
    return MessagePage(
        seq=trip.seq,
        messages=page,
        quoted=uow.talk.messages_by_id(trip.id, sorted(quoted)) if quoted else [],
        next_before=page[-1].seq if len(found) > limit else None,
        reads=uow.talk.marks(trip.id),
        unread=uow.talk.unread(trip.id, command.actor.user_id or ""),
    )


def read_threads(command: ReadThreads, uow: UnitOfWork) -> ThreadList:
    """How many comments there are on what. Raises as `read_messages` does."""
    trip = read_as_member(uow, command.trip_id, command.actor.user_id)
    return ThreadList(trip.seq, uow.talk.threads(trip.id))


def read_proposals(command: ReadProposals, uow: UnitOfWork) -> list[Proposal]:
    """Proposals that wait and those named, newest first, with stale pieces marked."""
    trip = read_as_member(uow, command.trip_id, command.actor.user_id)
    found = {each.id: each for each in uow.talk.open_proposals(trip.id, MAX_OPEN_PROPOSALS)}
    named = [each for each in dict.fromkeys(command.ids) if each not in found]
    if named:
        found.update((each.id, each) for each in uow.talk.proposals_by_id(trip.id, named))
    return [mark_stale(trip, each) for each in sorted(found.values(), key=lambda p: -p.seq)]


def mark_read(command: MarkRead, uow: UnitOfWork) -> Marked:
    """Raise the actor's mark, at most to the trip's seq."""
    user_id = command.actor.user_id
    trip = read_as_member(uow, command.trip_id, user_id)
    if user_id is None:
        raise Unauthenticated("sign in first")
    return uow.talk.mark(trip.id, user_id, min(command.seq, trip.seq))
