"""Which identity is the stronger, and which values name nobody."""

from __future__ import annotations

import pytest

from services.core.identity import NAMELESS, refusal, strength, strongest


def test_identities_rank_customer_loyalty_email_phone_extensions_anonymous_device() -> None:
    ranked = [
        "customer:b",
        "loyalty:a",
        "email_hash:a",
        "phone_hash:a",
        "x-app:1",
        "x-web:0",
        "anonymous:a",
        "device:a",
    ]

    assert sorted(set(ranked), key=strength) == ranked
    assert strongest(["device:a", "customer:b", "customer:a"]) == "customer:a"


def test_the_strongest_of_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="empty"):
        strongest([])


@pytest.mark.parametrize(
    "value",
    [
        *sorted(NAMELESS),
        "",
        "   ",
        '""',
        "null\n",
        "NULL",
        "'undefined'",
        "Anonymous",
        "[object Object]",
        "NaN",
        "None",
        "0",
        "000",
        "0000-00",
        "-",
        "00000000-0000-0000-0000-000000000000",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "x" * 257,
        "\u200b",
        "\u00a0\u2060 \u00ad",
        "\\N",
        "\uff5b\uff5buser.id\uff5d\uff5d",
    ],
)
def test_a_placeholder_never_names_anyone(value: str) -> None:
    reason = refusal("customer", value)

    assert reason is not None
    assert reason.startswith("customer")


@pytest.mark.parametrize("value", ["c1", "10", "zero", "nobody", "Null Island", "0a", "Jan Nowak", "ü", "x" * 256])
def test_an_ordinary_value_may_name_somebody(value: str) -> None:
    assert refusal("customer", value) is None


@pytest.mark.parametrize(
    "address",
    [
        "undefined@undefined.com",
        "null@null",
        "None@none.com",
        "noreply@shop.example",
        "No-Reply+17@shop.example",
        "do_not_reply@shop.example",
        "undefined@shop.example",
    ],
)
def test_an_address_that_stands_for_no_address_names_nobody(address: str) -> None:
    assert refusal("email", address) is not None
    assert refusal("customer", address) is None


@pytest.mark.parametrize("address", ["nil@example.com", "nan@example.com", "guest@hotel.example", "noreen@example.com"])
def test_an_address_of_somebody_with_such_a_name_is_theirs(address: str) -> None:
    assert refusal("email", address) is None
