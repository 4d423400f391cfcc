"""What is refused is kept for months, so it must not tell who could be written to or called."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.masking import masked

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


def test_an_address_spelled_with_escapes_goes_too() -> None:
    event = refused(("email", MAIL))
    original = json.dumps(event).replace("@", "\\u0040").encode()

    left = kept(event, original=original)

    assert b"mail.example" not in left
    assert json.loads(left)["id"] == "e1"


def test_in_what_nobody_can_read_addresses_are_found() -> None:
    left = masked(b'{"subject": "email:' + MAIL.encode() + b'", oops', None)

    assert left == b'{"subject": "email:[removed]", oops'


def test_what_names_nobody_by_contact_is_kept_byte_for_byte() -> None:
    original = b'{"id" : "b", "subject":"c7", "x_y": 1.50, "data":{"identities":[{"kind":"loyalty","value":"1"}]}}'

    assert masked(original, json.loads(original)) == original


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
