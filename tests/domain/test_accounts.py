"""Rules of names, keys and times of accounts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounts import (
    Limit,
    Limits,
    clean_email,
    clean_name,
    clean_username,
    hash_token,
    later,
    login_key,
    new_id,
    new_token,
    timestamp,
)
from domain.errors import Invalid
from domain.membership import Invite
from domain.services.demo import sample_dates

MOMENTS = st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC))


@given(st.text())
def test_a_key_is_its_own_key(text: str) -> None:
    assert login_key(login_key(text)) == login_key(text)


@given(st.text(alphabet=st.characters(categories=["Lu", "Ll", "Lt"]), max_size=20))
def test_upper_and_lower_case_have_one_key(text: str) -> None:
    assert login_key(text.upper().lower()) == login_key(text.upper())


@given(MOMENTS, MOMENTS)
def test_times_sort_as_text(one: datetime, other: datetime) -> None:
    one, other = (each.replace(microsecond=each.microsecond // 1000 * 1000) for each in (one, other))
    assert (timestamp(one) < timestamp(other)) == (one < other)
    assert len(timestamp(one)) == 24 and datetime.fromisoformat(timestamp(one)) == one


def test_times_are_utc() -> None:
    local = datetime(2026, 5, 1, 8, tzinfo=timezone(timedelta(hours=8)))
    assert timestamp(local) == "2026-05-01T00:00:00.000Z"
    assert later("2026-12-31T23:59:59.500Z", seconds=1) == "2027-01-01T00:00:00.500Z"


@pytest.mark.parametrize(("text", "clean"), [(" Ann ", "Ann"), ("王 小明", "王 小明"), ("a\n b", "a b")])
def test_names(text: str, clean: str) -> None:
    assert clean_name(text) == clean


@pytest.mark.parametrize("text", ["", "  ", "x" * 61, "a\x00b", "\ud800"])
def test_bad_names(text: str) -> None:
    with pytest.raises(Invalid):
        clean_name(text)


@pytest.mark.parametrize("text", ["ann", "小明", "a.b-c_d", "ｆｕｌｌ"])
def test_user_names(text: str) -> None:
    assert "@" not in clean_username(text)


@pytest.mark.parametrize("text", ["a", "a b", "a@b", "x" * 33, "-ab", ".ab", "a/b", ""])
def test_bad_user_names(text: str) -> None:
    with pytest.raises(Invalid):
        clean_username(text)


@pytest.mark.parametrize("text", ["ann@example.org", "Ann+1@Example.org", "小明@例子.中国"])
def test_emails(text: str) -> None:
    assert "@" in login_key(clean_email(text))


@pytest.mark.parametrize("text", ["ann", "@example.org", "ann@", "a b@example.org", "ann@example", ""])
def test_bad_emails(text: str) -> None:
    with pytest.raises(Invalid):
        clean_email(text)


@pytest.mark.parametrize("word", ["=?utf-8?q?eve=40evil.example=2C?=", "=?utf-8?q?=0D=0ABcc=3A_eve?="])
def test_an_address_is_not_what_a_header_would_read_as_another_one(word: str) -> None:
    """RFC 2047: in a header such a word is decoded, the first to two addresses, the second to two lines."""
    text = f"{word}@example.org"
    with pytest.raises(Invalid):
        clean_email(text)


def test_limits_can_be_raised_together() -> None:
    raised = Limits().times(100)
    assert raised.login_account == Limit(1000, 900) and raised.guest_address.seconds == 3600


def test_secrets() -> None:
    assert len({new_token() for _ in range(100)}) == 100 == len({new_id() for _ in range(100)})
    assert len(hash_token(new_token())) == 64
    assert hash_token("\ud800")


def test_an_invitation_ends_at_its_time() -> None:
    at = "2026-05-01T00:00:00.000Z"
    invite = Invite("i", "t", "h", "viewer", "u", "U", at, 1, expires_at=later(at, hours=1))
    assert invite.usable(at) and not invite.usable(later(at, hours=1))


@given(MOMENTS)
def test_the_sample_starts_on_a_saturday_two_weeks_ahead(now: datetime) -> None:
    first, second = sample_dates(timestamp(now), 2)
    start = datetime.fromisoformat(first)
    assert start.weekday() == 5 and 14 <= (start.date() - now.date()).days <= 20
    assert datetime.fromisoformat(second) - start == timedelta(days=1)
