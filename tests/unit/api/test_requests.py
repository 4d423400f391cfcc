"""How the read API understands a question."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.readapi import CURSOR_PATTERN, PAGE_DEFAULT
from schemas.touchpoint import IDENTITY_PATTERN
from services.api.history_answers import Span
from services.api.requests import (
    Asked,
    Named,
    Question,
    When,
    accepts_json,
    cursor_of,
    limit_of,
    moment_of,
    named_of_path,
    names_version,
    parameters_of,
    place_of,
    question_of,
)
from services.infra.http.problems import Refused
from services.infra.pseudonyms import pseudonym
from services.infra.spelling import tidy
from services.state.events import END, Place

HASH_KEY = b"0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def identities(segment: str, *, hash_key: bytes = HASH_KEY) -> tuple[str, ...]:
    named = named_of_path(segment, hash_key=hash_key)
    assert isinstance(named, Named), named
    return named.identities


@given(st.from_regex(re.compile(IDENTITY_PATTERN), fullmatch=True))
def test_any_printable_id_is_read_back_from_its_encoded_path(value: str) -> None:
    assume("@" not in value and "+" not in value)

    assert identities(quote(f"customer:{value}", safe=""))[0] == f"customer:{tidy(value) or value}"


@pytest.mark.parametrize(
    "written", ["customer:ana@example.com", "email:Ana@Example.com", "loyalty:mailto:ana@example.com\u200b"]
)
def test_a_person_is_found_by_any_spelling_of_its_address(written: str) -> None:
    assert f"email_hash:{pseudonym(HASH_KEY, 'email', 'ana@example.com')}" in identities(quote(written, safe=""))


def test_a_customer_whose_id_is_an_address_is_asked_for_as_a_customer_then_by_address_then_as_formerly_kept() -> None:
    hashed = pseudonym(HASH_KEY, "email", "ana@example.com")

    read = identities(quote("customer:Ana@example.com", safe=""))

    assert read == (f"customer:{hashed}", f"email_hash:{hashed}", "customer:Ana@example.com")


@pytest.mark.parametrize(
    ("kind", "written", "formerly"),
    [("email", "ana@example.com\u200b", "ana@example.com\u200b"), ("phone", "tel:+48600100200", "48600100200")],
)
def test_a_person_is_found_under_the_hash_of_an_earlier_version(kind: str, written: str, formerly: str) -> None:
    hashed = hmac.new(HASH_KEY, f"{kind}\0{formerly}".encode(), hashlib.sha256).hexdigest()[:32]

    assert identities(quote(f"{kind}:{written}", safe=""))[-1] == f"{kind}_hash:{hashed}"


def test_a_number_without_its_country_code_is_looked_up_as_formerly_kept_and_else_answered_with_what_to_mend() -> None:
    named = named_of_path("phone:600%20100%20200", hash_key=HASH_KEY)

    assert isinstance(named, Named)
    assert len(named.identities) == 1
    assert "country code" in named.unknown.detail


@given(st.text())
def test_any_path_names_an_identity_or_is_refused(segment: str) -> None:
    outcome = named_of_path(segment, hash_key=HASH_KEY)

    if isinstance(outcome, Refused):
        assert outcome.slug == "invalid-identity"
    else:
        assert all(kind and value for kind, _, value in (one.partition(":") for one in outcome.identities))


def test_addresses_are_hashed_and_a_hash_is_taken_as_it_is() -> None:
    (hashed,) = identities("email:Anna@Example.com")

    assert re.fullmatch("email_hash:[0-9a-f]{32}", hashed)
    assert identities("email:anna%40example.com") == (hashed,)
    assert identities(hashed) == (hashed,)
    assert identities("email:anna@example.com", hash_key=HASH_KEY[::-1]) != (hashed,)


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_a_cursor_holds_its_place(moment: datetime, key: UUID) -> None:
    cursor = cursor_of(Place(moment, key))

    assert re.fullmatch(CURSOR_PATTERN, cursor)
    assert place_of(cursor) == Place(moment, key)


@given(st.from_regex(re.compile(CURSOR_PATTERN), fullmatch=True))
def test_whatever_looks_like_a_cursor_is_a_place(cursor: str) -> None:
    place = place_of(cursor)

    assert isinstance(place, Place)
    assert place.occurred_at.tzinfo is UTC


def test_without_a_cursor_a_journey_starts_at_its_end() -> None:
    assert place_of(None) == END


@pytest.mark.parametrize("cursor", ["", "abc", "a" * 33, "=" * 32, "ą" * 32, "a" * 31 + "\n"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    assert slug(place_of(cursor)) == "bad-parameter"


def test_parameters_are_read_once_each_and_only_those_named() -> None:
    assert parameters_of(b"at=a%20b&limit=", named=("at", "limit")) == {"at": "a b", "limit": ""}
    for query in (b"at=1&at=1", b"other=1", b"at=%FF", b"at=1&" * 17):
        assert slug(parameters_of(query, named=("at",))) == "bad-parameter"
    assert parameters_of(b"at", named=("at",)) == {"at": ""}


def test_a_plus_that_was_not_encoded_is_still_an_offset() -> None:
    assert moment_of("2026-03-01T13:00:00 01:00", now=NOW) == NOW
    assert moment_of("2026-03-01 13:00:00 01:00", now=NOW) == moment_of("2026-03-01 12:00:00Z", now=NOW) == NOW
    assert moment_of(None, now=NOW) == NOW


def test_a_limit_is_a_whole_number_within_bounds() -> None:
    assert [limit_of(None), limit_of("1"), limit_of("500")] == [PAGE_DEFAULT, 1, 500]
    for text in ("", "0", "501", "-1", "1.0", "1e2", "+1", " 1", "\u0661"):
        assert slug(limit_of(text)) == "bad-parameter"


def asked(identity: str = "customer:c1", query: bytes = b"") -> Asked:
    return Asked(identity, query, authorization=[], accept=None, accept_language="pl", if_none_match=None)


NAMED = ("at", "known", "over", "from", "to", "dimension", "limit", "cursor")


def understood(request: Asked) -> Question | Refused:
    return question_of(request, named=NAMED, languages=("en", "pl"), now=NOW, hash_key=HASH_KEY)


def test_a_request_without_parameters_asks_for_the_first_page_of_this_moment() -> None:
    assert understood(asked()) == Question(
        person=Named(("customer:c1",), Refused("unknown-customer")),
        when=When(NOW, fixed=False, known_then=False, over="week", span=Span(NOW - timedelta(days=364), NOW, None)),
        limit=PAGE_DEFAULT,
        before=END,
        if_none_match=None,
        language="pl",
    )


def test_a_request_that_names_its_moment_says_so() -> None:
    question = understood(asked(query=b"at=2026-03-01T11:00:00Z"))

    assert isinstance(question, Question)
    assert (question.at, question.when.fixed) == (NOW.replace(hour=11), True)


def test_what_had_arrived_by_then_is_asked_for_by_name() -> None:
    questions = [understood(asked(query=query)) for query in (b"", b"known=now", b"known=then")]

    assert [isinstance(one, Question) and one.when.known_then for one in questions] == [False, False, True]


@pytest.mark.parametrize(
    ("query", "first", "last", "points"),
    [
        (b"", "2025-03-02T12:00:00", "2026-03-01T12:00:00", 365),
        (b"from=2026-02-27T00:00:00Z", "2026-02-27T00:00:00", "2026-03-01T00:00:00", 3),
        (b"from=2025-01-26T12:00:00Z", "2025-01-26T12:00:00", "2026-03-01T12:00:00", 400),
        (b"to=2026-01-01T00:00:00Z&from=2026-01-01T00:00:00Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00", 1),
        (b"to=0001-03-01T00:00:00Z", "0001-01-01T00:00:00", "0001-03-01T00:00:00", 60),
        (b"to=2026-03-01T12:05:00Z", "2025-03-02T12:05:00", "2026-03-01T12:05:00", 365),
    ],
)
def test_a_history_has_one_point_a_day_from_the_first_moment_on(
    query: bytes, first: str, last: str, points: int
) -> None:
    question = understood(asked(query=query))

    assert isinstance(question, Question)
    moments = question.when.span.moments
    assert (moments[0].isoformat()[:19], moments[-1].isoformat()[:19], len(moments)) == (first, last, points)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (asked("nobody"), "invalid-identity"),
        (asked(query=b"at=yesterday"), "bad-parameter"),
        (asked(query=b"at=2026-03-01T12:05:01Z"), "bad-parameter"),
        (asked(query=b"to=2026-03-01T12:05:01Z"), "bad-parameter"),
        (asked(query=b"at=9999-12-31T23:59:59Z"), "bad-parameter"),
        (asked(query=b"known=before"), "bad-parameter"),
        (asked(query=b"over=year"), "bad-parameter"),
        (asked(query=b"over="), "bad-parameter"),
        (asked(query=b"from=yesterday"), "bad-parameter"),
        (asked(query=b"from=2026-03-01T12:00:01Z"), "bad-parameter"),
        (asked(query=b"from=2025-01-25T12:00:00Z"), "bad-parameter"),
        (asked(query=b"to=tomorrow"), "bad-parameter"),
        (asked(query=b"from=2026-02-01T12:00:00Z&to=2026-01-01T12:00:00Z"), "bad-parameter"),
        (asked(query=b"dimension=mood"), "bad-parameter"),
        (asked(query=b"limit=0"), "bad-parameter"),
        (asked(query=b"cursor=abc"), "bad-parameter"),
        (asked(query=b"since=1"), "bad-parameter"),
    ],
    ids=[
        *(
            "identity",
            "at",
            "at-to-come",
            "to-to-come",
            "at-the-end-of-time",
            "known",
            "over",
            "no-period",
            "from",
            "from-ahead",
            "from-too-far",
            "to",
            "to-before-from",
        ),
        *("dimension", "limit", "cursor", "other"),
    ],
)
def test_one_wrong_part_refuses_the_request(request_: Asked, expected: str) -> None:
    assert slug(understood(request_)) == expected


def slug(outcome: object) -> str:
    assert isinstance(outcome, Refused)
    assert outcome.detail
    return outcome.slug


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, True), ("", True), ("*/*", True), ("application/json", True), ("Application/JSON; charset=utf-8", True),
        ("text/html;q=1, application/*;q=0.001", True), ("text/html", False), ("application/json;q=0", False),
        ("application/json; q=0.000", False), ("application/problem+json", False),
    ],
)  # fmt: skip
def test_accept_allows_json_or_not(accept: str | None, wanted: bool) -> None:  # noqa: FBT001 - a table's column
    assert accepts_json(accept) is wanted


def test_a_version_is_named_by_itself_in_a_list_or_by_a_star() -> None:
    assert all(names_version(header, tag='"7"') for header in ('"7"', 'W/"7"', '"1", "7"', "*"))
    assert not any(names_version(header, tag='"7"') for header in (None, "", '"77"', "7"))
