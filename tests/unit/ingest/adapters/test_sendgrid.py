"""What SendGrid tells of e-mails, and what becomes of it."""

from __future__ import annotations

import pytest

from tests.support.deliveries import kept

EVENT = {"email": "ana@example.com", "timestamp": 1772366340, "event": "click", "sg_event_id": "e1"}


@pytest.mark.parametrize(
    ("event", "touchpoint"),
    [
        ("delivered", "email.delivered"),
        ("open", "email.opened"),
        ("click", "email.clicked"),
        ("bounce", "email.bounced"),
        ("dropped", "email.bounced"),
        ("spamreport", "email.spam_reported"),
        ("unsubscribe", "email.unsubscribed"),
        ("group_unsubscribe", "email.unsubscribed"),
    ],
)
async def test_an_event_is_known_by_its_touchpoint_and_its_own_id(event: str, touchpoint: str) -> None:
    (record,) = await kept("sendgrid", [{**EVENT, "event": event}])

    assert record["id"] == f"{touchpoint}/e1"
    assert record["time"] == "2026-03-01T11:59:00Z"
    assert record["data"]["touchpoint"] == touchpoint
    assert [one["kind"] for one in record["data"]["identities"]] == ["email_hash"]


async def test_a_customer_of_the_sender_s_is_who_it_is_about() -> None:
    (record,) = await kept("sendgrid", [{**EVENT, "customer_id": 1001}])

    assert record["subject"] == "customer:1001"


@pytest.mark.parametrize("address", ["invalid@invalid", "noreply@example.com", "no address"])
async def test_an_address_that_is_none_costs_no_event_of_a_customer(address: str) -> None:
    dropped = {**EVENT, "event": "dropped", "email": address}

    records = await kept("sendgrid", [{**dropped, "customer_id": "c1"}, dropped])

    assert [record["data"]["identities"] for record in records] == [[{"kind": "customer", "value": "c1"}]]


@pytest.mark.parametrize(("said", "properties"), [(True, {"machine_made": True}), (False, None), ("true", None)])
async def test_what_a_machine_opened_says_so(said: object, properties: object) -> None:
    (record,) = await kept("sendgrid", [{**EVENT, "event": "open", "sg_machine_open": said}])

    assert record["data"].get("properties") == properties


@pytest.mark.parametrize(
    "other",
    [
        {"event": "processed"},
        {"event": "deferred"},
        {"event": "group_resubscribe"},
        {"event": ["click"]},
        {"sg_event_id": None},
        {"email": ""},
    ],
)
async def test_what_is_of_no_use_spares_the_others(other: dict[str, object]) -> None:
    records = await kept("sendgrid", [{**EVENT, **other}, None, [], {**EVENT, "sg_event_id": "e2"}])

    assert [record["id"] for record in records] == ["email.clicked/e2"]
