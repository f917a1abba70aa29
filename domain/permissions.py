"""Who may do what in a trip.

Owns the one table of operation kinds and the roles that may send them. Checked under the trip's
row lock by `domain.services.rooms`; clients use their role only to hide what would be refused.
"""

from __future__ import annotations

from domain.entities import AccessRole
from domain.errors import Forbidden

_EDIT: frozenset[AccessRole] = frozenset({"owner", "editor"})
_OWN: frozenset[AccessRole] = frozenset({"owner"})
_MEMBER: frozenset[AccessRole] = frozenset({"owner", "editor", "viewer"})

ALLOWED: dict[str, frozenset[AccessRole]] = {
    "trip.set_fields": _EDIT,
    "trip.set_dates": _EDIT,
    "trip.set_cover": _EDIT,
    "trip.set_visibility": _OWN,
    "trip.delete": _OWN,
    "trip.restore": _OWN,
    "day.add": _EDIT,
    "day.set_fields": _EDIT,
    "day.move": _EDIT,
    "day.remove": _EDIT,
    "stop.add": _EDIT,
    "stop.set_fields": _EDIT,
    "stop.move": _EDIT,
    "stop.remove": _EDIT,
    "stop.restore": _EDIT,
    "stop.set_photo": _EDIT,
    "member.set_role": _OWN,
    # Members may remove themselves; `domain.trip` checks whom a non-owner names.
    "member.remove": _MEMBER,
    "member.set_name": _MEMBER,
    "undo": _EDIT,
    # Whose message or thread it is, is checked by `domain.talk_decisions`.
    "message.post": _MEMBER,
    "message.edit": _MEMBER,
    "message.delete": _MEMBER,
    "message.react": _MEMBER,
    "comment.resolve": _MEMBER,
    "proposal.open": _MEMBER,
    "proposal.accept": _EDIT,
    "proposal.decline": _MEMBER,
}


def check(kind: str, role: AccessRole) -> None:
    """Raise `Forbidden` unless `role` may send operations of `kind`."""
    if role not in ALLOWED.get(kind, frozenset()):
        raise Forbidden(f"a {role} may not send {kind}", code="forbidden", role=role)
