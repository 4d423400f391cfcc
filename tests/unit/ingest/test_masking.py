"""What is refused is kept for months, so it must not tell who could be written to or called."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.masking import masked
from tests.support.growth import LINEAR_MAX, growth
from tests.support.senders import PATIENT

MAIL, PHONE = "ann.o'neil+x@mail.example", "+48 600 100 200"


def refused(*identities: tuple[str, str], **fields: object) -> dict[str, object]:
    who = [{"kind": kind, "value": value} for kind, value in identities]
    return {"id": "e1", "data": {"stake": 9, "identities": who}, **fields}


def kept(event: object, *, original: bytes | None = None) -> bytes:
    return masked(json.dumps(event).encode() if original is None else original, event)


def test_addresses_and_numbers_go_and_every_other_byte_stays() -> None:
    event = refused(("email", MAIL), ("phone", PHONE), ("customer", "c1"), subject=f"email:{MAIL}")
    original = json.dumps(event, indent=3).encode()

    left = kept(event, original=original)

    assert left == original.replace(MAIL.encode(), b"[removed]").replace(PHONE.encode(), b"[removed]")


@pytest.mark.parametrize("value", ["1", "e1", "id", "stake", "phone"])
def test_a_value_that_stands_elsewhere_too_costs_no_other_field(value: str) -> None:
    event = refused(("phone", value), note=f"about {value}")

    left = json.loads(kept(event))

    assert left["note"] == f"about {value}"
    assert left["data"]["identities"] == [{"kind": "phone", "value": "[removed]"}] or value == "phone"


@pytest.mark.parametrize("kind", ["mail", "customer", "x-login", 7, None])
def test_an_address_under_another_kind_goes_too(kind: object) -> None:
    event = {"id": "e1", "data": {"identities": [{"kind": kind, "value": MAIL}]}, "subject": MAIL}

    assert b"mail.example" not in kept(event)


def test_a_contact_spelled_with_escapes_goes_too() -> None:
    original = json.dumps(refused(note=f"{MAIL} {PHONE}")).replace("4", "\\u0034").replace("@", "\\u0040").encode()

    left = kept({}, original=original)

    assert b"mail.example" not in left
    assert b"600" not in left
    assert json.loads(left)["id"] == "e1"


def test_two_backslashes_before_a_u_are_no_escape() -> None:
    original = rb'{"a":"\\\\u0041 \\\u0041 \u0022 \u000a \ud83d\ude00"}'

    assert json.loads(kept({}, original=original)) == json.loads(original)


@pytest.mark.parametrize(
    "original",
    [
        # Equal names: the parser keeps only the last.
        b'{"subject":"email:first@example.com","subject":"email:second@example.com","data":{}}',
        b'{"data":{"identities":[{"kind":"phone_number","value":"+48600100200"}]}}',
        b'{"data":{"properties":{"a":[{"b":{"c":"call 600 100 200 or ann@mail.example"}}]}}}',
        b'{"ann@mail.example":{"600-100-200":1}}',
        b'{"text":"(600) 100-200","n":48600100200,"list":[600100200]}',
        b'{"php":"600\\/100\\/200","lines":"600\\n100\\n200","tabs":"600\\t100\\t200"}',
        '{"wide":"\uff0b48 \uff16\uff10\uff10 100200","thin":"600\u202f100\u00a0200","unseen":"600\u200b100\u200b200"}'.encode(),
        b"subject=email:ann%40mail.example&phone=600.100.200",
        b'{"value":"tel:+48600100200,"',
        b'{"value":"x600100200x"}',
    ],
    ids=range(10),
)  # fmt: skip
def test_no_contact_survives_wherever_it_stands(original: bytes) -> None:
    try:
        event = json.loads(original)
    except ValueError:
        event = None

    left = masked(original, event)

    assert not any(mark in left for mark in (b"600", b"100", b"@", b"%40", "\uff16".encode()))
    assert b"[removed]" in left
    if event is not None:
        json.loads(left)


@pytest.mark.parametrize(
    "original",
    [
        b'{"time":"2026-11-25T14:00:00.123456Z","day":"2026-11-25","local":"2026-11-25 14:00:00+01:00"}',
        b'{"id":"550e8400-e29b-41d4-a716-446655440000","trace":"0af7651916cd43dd8448eb211c80319c"}',
        b'{"valence":0.30000000000000004,"stake":-1.2345678,"n":123456,"place":"store/042","order":"1001-22"}',
        b'{"@type":"Order","a":"b @ c"}',
    ],
    ids=["times", "ids", "numbers", "signs"],
)
def test_what_calls_nobody_stays(original: bytes) -> None:
    assert masked(original, json.loads(original)) == original


@pytest.mark.parametrize(
    "around",
    ["2026-11-25{}", "550e8400-e29b-41d4-a716-446655440000{}", "{}2026-11-25T14:00:00Z", "0af7651916cd43dd8448eb211c80319c{}"],
)  # fmt: skip
def test_no_number_hides_behind_a_date_or_an_id(around: str) -> None:
    left = masked(json.dumps({"a": around.format("600100200")}).encode(), None)

    assert b"600100200" not in left


def test_in_what_nobody_can_read_addresses_are_found() -> None:
    left = masked(b'{"subject": "email:' + MAIL.encode() + b'", oops', None)

    assert left == b'{"subject": "email:[removed]", oops'


def test_what_names_nobody_by_contact_is_kept_byte_for_byte() -> None:
    original = b'{"id" : "b", "subject":"c7", "x_y": 1.50, "data":{"identities":[{"kind":"loyalty","value":"1"}]}}'

    assert masked(original, json.loads(original)) == original


CONTACTS = ["ann.o'neil@mail.example", "+48 600 100 200", "600100200", "(600) 100-200", "0048600100200"]
WORDS = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="0123456789"), max_size=6)
BREAKS = st.sampled_from([" ", ", ", "<", '"', "\n", ": ", "é ", "; "])


@st.composite
def speaking(draw: st.DrawFn) -> str:
    return draw(WORDS) + draw(BREAKS) + draw(st.sampled_from(CONTACTS)) + draw(BREAKS) + draw(WORDS)


BEFORE = b'{"data": '

SPEAKING_JSON = st.recursive(
    speaking() | st.none() | st.integers(0, 99),
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(speaking() | WORDS, inner, max_size=3),
    max_leaves=6,
)


@PATIENT
@given(SPEAKING_JSON, st.booleans(), st.integers(0, len(BEFORE)))
def test_nothing_that_looks_like_a_contact_survives(value: object, ascii_only: bool, cut: int) -> None:  # noqa: FBT001
    whole = BEFORE + json.dumps(value, ensure_ascii=ascii_only).encode() + b"}"
    for original, event in ((whole, {"data": value}), (whole[cut:], None)):
        left = masked(original, event)

        assert b"mail.example" not in left
        assert b"100" not in left
        assert b"o'neil" not in left


HOSTILE = {
    "one letter": b"x",
    "one digit": b"1",
    "digits apart": b"1 ",
    "too few digits": b"123456x",
    "numbers": b"1234567,",
    "texts": b'"1234567",',
    "signs": b"-+(",
    "almost ids": b"abcdef0-",
    "almost dates": b"2026-11-2",
    "escapes": b"\\u0041",
    "backslashes": b"\\",
    "quotes": b'"',
    "half a digit": b"\xd9",
    "addresses": b"x@y ",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_work_grows_as_the_text_does(name: str) -> None:
    assert growth(lambda text: masked(text, None), HOSTILE[name], size=16 * 1024) < LINEAR_MAX


@given(
    st.binary(),
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda x: (
            st.lists(x) | st.dictionaries(st.sampled_from(["data", "identities", "subject", "kind", "value", "a"]), x)
        ),
    ),
)
def test_whatever_was_refused_can_be_masked(original: bytes, event: object) -> None:
    masked(original, event)
