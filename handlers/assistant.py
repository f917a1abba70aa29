"""The assistant over REST: ask in a trip or in private, read and stop answers, conversations.

An answer can be read as server-sent events (`stream: true` in the question, or `Accept:
text/event-stream`): `open`, any number of `delta`, `end`. Every event's id says how much has been
read; sent back as `Last-Event-ID`, on any process, the stream goes on exactly there.
"""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec
from msgspec import Meta

from domain.accounts import Count, Locale, new_id
from domain.answers import (
    MAX_QUESTION,
    Conversation,
    ConversationView,
    ListConversations,
    ReadConversation,
)
from domain.entities import Id
from domain.errors import Invalid, Unauthenticated
from domain.services.accounts import count
from domain.services.conversations import list_conversations, read_conversation
from handlers.base import ApiHandler
from handlers.routes import Endpoint, Route
from handlers.sessions import COOKIE
from handlers.sse import Place, last_place, send_answer, wants_events
from realtime.assistant.reading import Following
from realtime.assistant.runner import Assistant, AssistantOff
from realtime.protocol import AnswerEnded, AnswerOpened

QuestionText = Annotated[str, Meta(max_length=MAX_QUESTION)]


class AskInTripBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`text` may be left out with `retry_of`, an answer that did not end well. `locale`: the language
    in which the assistant is instructed; left out: that of the asker."""

    text: QuestionText = ""
    locale: Locale | None = None
    reply_to: Id | None = None
    retry_of: Id | None = None
    stream: bool = False


class AskPrivatelyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Without `conversation` a new one begins."""

    text: QuestionText = ""
    locale: Locale | None = None
    conversation: Id | None = None
    retry_of: Id | None = None
    stream: bool = False


class AskedInTrip(msgspec.Struct, frozen=True):
    """The answer appears in the room; it can also be read by its id."""

    answer: str
    question: str


class AskedPrivately(msgspec.Struct, frozen=True):
    answer: str
    question: str
    conversation: str


class ConversationList(msgspec.Struct, frozen=True):
    conversations: list[Conversation]


class Done(msgspec.Struct, frozen=True):
    ok: bool


class AnswerHandlerBase(ApiHandler):
    """What handlers of answers share."""

    _following: Following | None = None
    _gone = False

    def on_connection_close(self) -> None:
        """The client went away: it does not read any more from this moment on."""
        super().on_connection_close()
        self._gone = True
        if self._following is not None:
            self._following.close()

    @property
    def assistant(self) -> Assistant:
        if self.deps.assistant is None:
            raise AssistantOff
        return self.deps.assistant

    def locale_of(self, given: Locale | None) -> Locale:
        return given or self.person.user.locale

    def key_of(self, purpose: str) -> str:
        """A name for what is asked, the same whenever the same person sends the same key."""
        op_id = self.read_op_id("")
        if not op_id:
            return new_id()
        return hashlib.sha256(f"{purpose} {self.person.user.id} {op_id}".encode()).hexdigest()[:20]

    async def count_question(self) -> None:
        """Raises `Throttled` when this person, or this address, has asked enough for a while."""
        limits, at = self.deps.limits, self.deps.clock()
        for key, limit in (
            (f"answers:{self.person.user.id}", limits.answers_account),
            (f"answers at:{self.address}", limits.answers_address),
        ):
            await self.deps.run(count, Count(key, limit, at))

    async def stream(
        self, answer_id: str, trip_id: str | None, place: Place | None, question: str = ""
    ) -> None:
        """The answer as events, from `place` on."""
        if place is not None and place.answer != answer_id:
            raise Invalid("this id is of another answer", field="Last-Event-ID")
        at = (0, 0) if place is None else (place.text, place.reasoning)
        state, following = await self.assistant.follow(self.actor, answer_id, trip_id, at, self._check)
        self._following = following
        if self._gone:
            following.close()
            return
        opened = AnswerOpened(answer_id, question, state.trip_id, state.conversation_id)
        await send_answer(self, opened, following)

    async def _check(self) -> None:
        """Raises when the sign-in has ended since the stream began."""
        known = await self.deps.sessions.resolve(self.get_cookie(COOKIE))
        if known is None or known.user.id != self.person.user.id:
            raise Unauthenticated("you were signed out")


class TripChatHandler(AnswerHandlerBase):
    async def post(self, trip_id: str) -> None:
        actor = self.actor
        assistant = self.assistant
        body = self.read_body(AskInTripBody)
        place = last_place(self.request)
        streams = body.stream or wants_events(self.request)
        if place is not None:
            # The same question once more, after the stream broke off: nothing is asked again.
            await self.stream(place.answer, trip_id, place)
            return
        _check_text(body.text, body.retry_of)
        assistant.check_open()
        if streams:
            assistant.check_streams(actor)
        await self.count_question()
        asked = await assistant.ask_in_trip(
            actor,
            trip_id,
            f"ask-{self.key_of(trip_id)}",
            body.text,
            self.locale_of(body.locale),
            body.reply_to,
            body.retry_of,
        )
        if streams:
            await self.stream(asked.answer_id, trip_id, None, asked.question_id)
        else:
            self.reply(AskedInTrip(asked.answer_id, asked.question_id), status=202)


class ChatHandler(AnswerHandlerBase):
    async def post(self) -> None:
        actor = self.actor
        assistant = self.assistant
        body = self.read_body(AskPrivatelyBody)
        place = last_place(self.request)
        streams = body.stream or wants_events(self.request)
        if place is not None:
            await self.stream(place.answer, None, place)
            return
        _check_text(body.text, body.retry_of)
        assistant.check_open()
        if streams:
            assistant.check_streams(actor)
        await self.count_question()
        key = self.key_of("private")
        conversation = body.conversation or key
        asked = await assistant.ask_privately(
            actor, conversation, key, body.text, self.locale_of(body.locale), body.retry_of
        )
        if streams:
            await self.stream(asked.answer_id, None, None, asked.question_id)
        else:
            self.reply(AskedPrivately(asked.answer_id, asked.question_id, conversation), status=202)


def _check_text(text: str, retry_of: str | None) -> None:
    if not text.strip() and retry_of is None:
        raise Invalid("a question has some text", field="text")


class TripAnswerHandler(AnswerHandlerBase):
    async def get(self, trip_id: str, answer_id: str) -> None:
        place = last_place(self.request)
        if wants_events(self.request):
            await self.stream(answer_id, trip_id, place)
        else:
            self.reply(await self.assistant.read(self.actor, answer_id, trip_id))


class AnswerHandler(AnswerHandlerBase):
    async def get(self, answer_id: str) -> None:
        place = last_place(self.request)
        if wants_events(self.request):
            await self.stream(answer_id, None, place)
        else:
            self.reply(await self.assistant.read(self.actor, answer_id))


class StopTripAnswerHandler(AnswerHandlerBase):
    async def post(self, trip_id: str, answer_id: str) -> None:
        await self.assistant.stop(self.actor, answer_id, trip_id)
        self.reply(Done(True))


class StopAnswerHandler(AnswerHandlerBase):
    async def post(self, answer_id: str) -> None:
        await self.assistant.stop(self.actor, answer_id)
        self.reply(Done(True))


class ConversationsHandler(ApiHandler):
    async def get(self) -> None:
        found = await self.deps.run(list_conversations, ListConversations(self.actor))
        self.reply(ConversationList(found))


class ConversationHandler(AnswerHandlerBase):
    async def get(self, conversation_id: str) -> None:
        self.reply(await self.deps.run(read_conversation, ReadConversation(self.actor, conversation_id)))

    async def delete(self, conversation_id: str) -> None:
        await self.assistant.delete_conversation(self.actor, conversation_id)
        self.reply(Done(True))


_TRIP = (403, 404, 410)

routes = [
    Route(
        "/api/trips/{trip_id}/ai/chat",
        TripChatHandler,
        {
            "POST": Endpoint(
                "Ask the assistant in front of everybody", AskedInTrip, status=202, body=AskInTripBody,
                errors=(400, *_TRIP, 409, 415, 422, 429, 503), op_id=True, events=True,
            )
        },
    ),
    Route(
        "/api/trips/{trip_id}/ai/answers/{answer_id}",
        TripAnswerHandler,
        {"GET": Endpoint("An answer as far as it is", AnswerEnded, errors=(400, *_TRIP, 503), events=True)},
    ),
    Route(
        "/api/trips/{trip_id}/ai/answers/{answer_id}/stop",
        StopTripAnswerHandler,
        {"POST": Endpoint("End an answer (editors, and who asked)", Done, errors=(*_TRIP, 503))},
    ),
    Route(
        "/api/ai/chat",
        ChatHandler,
        {
            "POST": Endpoint(
                "Ask the assistant in private", AskedPrivately, status=202, body=AskPrivatelyBody,
                errors=(400, 404, 409, 415, 422, 429, 503), op_id=True, events=True,
            )
        },
    ),
    Route(
        "/api/ai/conversations",
        ConversationsHandler,
        {"GET": Endpoint("My conversations, last changed first", ConversationList)},
    ),
    Route(
        "/api/ai/conversations/{conversation_id}",
        ConversationHandler,
        {
            "GET": Endpoint("A conversation with its turns", ConversationView, errors=(404,)),
            "DELETE": Endpoint("Delete a conversation for good", Done, errors=(404, 503)),
        },
    ),
    Route(
        "/api/ai/answers/{answer_id}",
        AnswerHandler,
        {"GET": Endpoint("A private answer so far", AnswerEnded, errors=(400, 404, 503), events=True)},
    ),
    Route(
        "/api/ai/answers/{answer_id}/stop",
        StopAnswerHandler,
        {"POST": Endpoint("End a private answer", Done, errors=(404, 503))},
    ),
]  # fmt: skip
