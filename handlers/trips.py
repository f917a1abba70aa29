"""Trips over REST: list, make, read, change, delete, restore, and single operations.

Everything here is also possible on the room's socket; REST serves lists, scripts and forms. A
change may carry an `Idempotency-Key`: sent again with it, it happens once.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from structlog.contextvars import bind_contextvars

from domain.accounts import Count, new_id
from domain.commands import Applied, ApplyOperation, OpenRoom
from domain.entities import (
    AccessRole,
    CurrencyCode,
    IsoDate,
    LongText,
    Snapshot,
    Title,
    Visibility,
    ZoneName,
)
from domain.errors import Invalid
from domain.membership import ChangeTrip, ListTrips, StartTrip, TripSummary
from domain.operations import (
    AnyOperation,
    CreateTrip,
    DeleteTrip,
    Operation,
    RestoreTrip,
    SetTripDates,
    SetTripFields,
    SetTripVisibility,
    TripFields,
    decode_operation,
)
from domain.services import rooms, trips
from domain.services.accounts import count
from handlers.base import ApiHandler, invalid
from handlers.routes import Endpoint, Route
from realtime.protocol import OpId

Seq = Annotated[int, Meta(ge=0, le=trips.UNKNOWN_BASE)]


class TripList(msgspec.Struct, frozen=True):
    trips: list[TripSummary]


class TripAnswer(msgspec.Struct, frozen=True):
    trip: TripSummary


class SeqAnswer(msgspec.Struct, frozen=True):
    """The trip's seq after the change."""

    seq: int


class TripState(msgspec.Struct, frozen=True):
    """A whole trip at `seq`. `epoch` and `seq` can be given to the socket's `join`."""

    epoch: str
    seq: int
    role: AccessRole
    snapshot: Snapshot


class ListQuery(msgspec.Struct, frozen=True):
    """`deleted=1`: the trips in the bin."""

    deleted: Literal[0, 1] = 0


class CreateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Dates come in pairs; with them the trip has one day for each."""

    title: Title
    start_date: IsoDate | None = None
    end_date: IsoDate | None = None
    time_zone: ZoneName = "UTC"
    currency: CurrencyCode = "CNY"
    description: LongText = ""


class ChangeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays. Dates come in pairs; `mode` as in `trip.set_dates`."""

    title: Title | UnsetType = UNSET
    description: LongText | UnsetType = UNSET
    time_zone: ZoneName | UnsetType = UNSET
    currency: CurrencyCode | UnsetType = UNSET
    start_date: IsoDate | None | UnsetType = UNSET
    end_date: IsoDate | None | UnsetType = UNSET
    mode: Literal["shift", "keep"] = "shift"
    visibility: Visibility | UnsetType = UNSET

    def operations(self) -> list[AnyOperation]:
        """The operations that together are this change."""
        made: list[AnyOperation] = []
        fields = TripFields(self.title, self.description, self.time_zone, self.currency)
        if fields != TripFields():
            made.append(SetTripFields(fields))
        if self.start_date is not UNSET or self.end_date is not UNSET:
            if self.start_date is UNSET or self.end_date is UNSET:
                raise Invalid("give start_date and end_date together", field="start_date")
            made.append(SetTripDates(self.start_date, self.end_date, self.mode))
        if self.visibility is not UNSET:
            made.append(SetTripVisibility(self.visibility))
        if not made:
            raise Invalid("nothing to change was given", field="")
        return made


class OperationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same as the socket's `submit`."""

    op_id: OpId
    base: Seq
    op: Operation


class _RawOperationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    op_id: OpId
    base: Seq
    op: msgspec.Raw


class AppliedAnswer(msgspec.Struct, frozen=True):
    """`repeated`: this `op_id` had been applied before, as event `seq`."""

    op_id: str
    seq: int
    repeated: bool


class TripHandlerBase(ApiHandler):
    """What handlers of one trip share."""

    async def apply(self, trip_id: str, op: AnyOperation) -> Applied:
        """Apply one operation on behalf of the caller, seen or unseen changes regardless."""
        command = ApplyOperation(
            trip_id=trip_id,
            op_id=self.read_op_id(f"rest-{new_id()}"),
            actor=self.actor,
            op=op,
            base=trips.UNKNOWN_BASE,
            at=self.deps.clock(),
        )
        return await self.deps.run(rooms.apply_operation, command)


class TripsHandler(ApiHandler):
    async def get(self) -> None:
        user_id = self.person.user.id
        query = self.read_query(ListQuery)
        found = await self.deps.run(trips.list_trips, ListTrips(user_id, bool(query.deleted)))
        self.reply(TripList(found))

    async def post(self) -> None:
        actor = self.actor
        body = self.read_body(CreateBody)
        op_id = self.read_op_id(f"rest-{new_id()}")
        key = f"trips:{actor.user_id}"
        await self.deps.run(count, Count(key, self.deps.limits.trips_account, self.deps.clock()))
        command = StartTrip(
            # The same key of the same person names the same trip: asked again, it is made once.
            trip_id=hashlib.sha256(f"{actor.user_id} {op_id}".encode()).hexdigest()[:20],
            actor=actor,
            epoch=new_id(),
            op_id=op_id,
            op=CreateTrip(
                title=body.title,
                owner_name=actor.name,
                description=body.description,
                start_date=body.start_date,
                end_date=body.end_date,
                time_zone=body.time_zone,
                currency=body.currency,
            ),
            at=self.deps.clock(),
        )
        self.reply(TripAnswer(await self.deps.run(trips.start_trip, command)), status=201)


class TripHandler(TripHandlerBase):
    async def get(self, trip_id: str) -> None:
        state = await self.deps.run(rooms.open_room, OpenRoom(trip_id=trip_id, actor=self.visitor))
        answer: dict[str, Any] = {"epoch": state.epoch, "seq": state.seq, "role": state.role}
        answer["snapshot"] = msgspec.Raw(state.snapshot or b"null")
        self.reply(answer)

    async def patch(self, trip_id: str) -> None:
        actor = self.actor
        body = self.read_body(ChangeBody)
        op_id = self.read_op_id(f"rest-{new_id()}")
        command = ChangeTrip(trip_id, actor, op_id, body.operations(), self.deps.clock())
        done = await self.deps.run(trips.change_trip, command)
        self.reply(SeqAnswer(done.seq))

    async def delete(self, trip_id: str) -> None:
        self.reply(SeqAnswer((await self.apply(trip_id, DeleteTrip())).seq))


class RestoreHandler(TripHandlerBase):
    async def post(self, trip_id: str) -> None:
        self.reply(SeqAnswer((await self.apply(trip_id, RestoreTrip())).seq))


class OperationsHandler(ApiHandler):
    async def post(self, trip_id: str) -> None:
        actor = self.actor
        body = self.read_body(_RawOperationBody)
        bind_contextvars(op_id=body.op_id)
        try:
            op = decode_operation(body.op)
        except msgspec.ValidationError as error:
            raise invalid(error) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # A raw part is skipped when the body is read: only here are its strings looked at.
            raise Invalid("the operation is not JSON", field="op") from None
        command = ApplyOperation(
            trip_id=trip_id,
            op_id=body.op_id,
            actor=actor,
            op=op,
            base=body.base,
            at=self.deps.clock(),
        )
        done = await self.deps.run(rooms.apply_operation, command)
        self.reply(AppliedAnswer(done.op_id, done.seq, done.repeated))


_TRIP = (403, 404)

routes = [
    Route(
        "/api/trips",
        TripsHandler,
        {
            "GET": Endpoint("My trips, last changed first", TripList, query=ListQuery, errors=(400,)),
            "POST": Endpoint(
                "Make a trip", TripAnswer, status=201, body=CreateBody,
                errors=(400, 409, 410, 415, 422, 429), op_id=True,
            ),
        },
    ),
    Route(
        "/api/trips/{trip_id}",
        TripHandler,
        {
            "GET": Endpoint(
                "The whole trip; a public one for everybody", TripState,
                errors=(401, *_TRIP, 410), signed_in=False,
            ),
            "PATCH": Endpoint(
                "Change several fields together", SeqAnswer, body=ChangeBody,
                errors=(400, *_TRIP, 409, 410, 415, 422), op_id=True,
            ),
            "DELETE": Endpoint(
                "Put the trip in the bin (owner)", SeqAnswer, errors=(400, *_TRIP, 410), op_id=True,
            ),
        },
    ),
    Route(
        "/api/trips/{trip_id}/restore",
        RestoreHandler,
        {
            "POST": Endpoint(
                "Take the trip out of the bin (owner)", SeqAnswer, errors=(400, *_TRIP), op_id=True,
            )
        },
    ),
    Route(
        "/api/trips/{trip_id}/operations",
        OperationsHandler,
        {
            "POST": Endpoint(
                "Apply one operation, exactly once by its op_id", AppliedAnswer, body=OperationBody,
                errors=(400, *_TRIP, 409, 410, 415, 422),
            )
        },
    ),
]  # fmt: skip
