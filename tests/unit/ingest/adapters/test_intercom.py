"""What Intercom delivers, and what becomes of it."""

from __future__ import annotations

import pytest

from tests.support.deliveries import delivered, once, who

CONTACT = {"type": "contact", "id": "p1", "external_id": "c-7"}
OTHER = {"type": "contact", "id": "p2", "external_id": "c-8"}
SOURCE = {"type": "conversation", "delivered_as": "customer_initiated", "author": {"type": "user", "id": "p1"}}
CONVERSATION = {"type": "conversation", "id": "9", "source": SOURCE, "contacts": {"contacts": [CONTACT]}}
RATING = {"rating": 2, "remark": "Slow.", "created_at": 1_772_359_200}
STATISTICS = {"time_to_admin_reply": 40, "first_admin_reply_at": 1_772_359_200}
TICKET = {
    "type": "ticket", "id": "31", "category": "Customer", "created_at": 1_772_355_600, "updated_at": 1_772_359_200,
    "contacts": {"contacts": [CONTACT]},
}  # fmt: skip
LEFT = {"type": "contact_unsubscribe", "contact": {**CONTACT, "email": "ana@example.com"}, "created_at": 1_772_359_200}


def told(topic: str, item: object, **more: object) -> dict[str, object]:
    envelope = {"type": "notification_event", "id": "notif_1", "topic": topic, "created_at": 1_772_359_300}
    return {**envelope, "data": {"item": item}, **more}


def rated(**more: object) -> dict[str, object]:
    return told("conversation.rating.added", {**CONVERSATION, "conversation_rating": RATING, **more})


def replied(**more: object) -> dict[str, object]:
    return told("conversation.admin.replied", {**CONVERSATION, "statistics": STATISTICS, **more})


async def test_a_rating_is_kept_with_its_remark_and_counts_once() -> None:
    record = once(await delivered("intercom", rated(), {**rated(open=False), "id": "notif_2", "delivery_attempts": 2}))

    assert (record["id"], record["time"]) == ("survey.csat/9/2", "2026-03-01T10:00:00Z")
    assert record["data"]["rating"] == {"scale": "csat5", "value": 2}
    assert (record["data"]["text"], record["data"]["case"]) == ("Slow.", "9")
    assert who(record) == {"customer", "x-intercom"}


async def test_another_opinion_is_another_answer() -> None:
    first, second = await delivered("intercom", rated(), rated(conversation_rating={**RATING, "rating": 4}))

    assert first["id"] != second["id"]


async def test_the_first_answer_counts_once_however_often_is_answered() -> None:
    later = {**STATISTICS, "last_admin_reply_at": 1_772_359_290}

    record = once(await delivered("intercom", replied(), replied(statistics=later)))

    assert (record["id"], record["time"]) == ("chat.first_response/9", "2026-03-01T10:00:00Z")
    assert record["data"]["properties"] == {"wait_seconds": 40}


async def test_whoever_writes_an_e_mail_is_answered_by_e_mail() -> None:
    (record,) = await delivered("intercom", replied(source={**SOURCE, "type": "email"}))

    assert record["data"]["touchpoint"] == "ticket.first_response"


async def test_a_ticket_that_customers_see_is_settled_after_so_long() -> None:
    (record,) = await delivered("intercom", told("ticket.resolved", TICKET))

    assert (record["id"], record["data"]["case"]) == ("case.resolved/31", "31")
    assert record["data"]["properties"] == {"wait_seconds": 3600}


async def test_two_topics_tell_of_one_who_left() -> None:
    user = {"type": "user", "id": "p1", "user_id": "c-7", "email": "ana@example.com"}

    record = once(
        await delivered("intercom", told("contact.unsubscribed", LEFT), told("user.unsubscribed", user, id="notif_2"))
    )

    assert record["id"] == "email.unsubscribed/p1"
    assert who(record) == {"customer", "x-intercom", "email_hash"}


async def test_an_id_that_intercom_made_up_for_a_lead_is_no_customer() -> None:
    (by_author,) = await delivered("intercom", rated(source={**SOURCE, "author": {"type": "lead", "id": "p1"}}))
    (by_role,) = await delivered(
        "intercom", told("contact.unsubscribed", {"contact": {**CONTACT, "role": "lead", "phone": "+48600100200"}})
    )

    assert who(by_author) == {"x-intercom"}
    assert who(by_role) == {"x-intercom", "phone_hash"}


async def test_among_several_it_is_about_whoever_rated() -> None:
    both = {"contacts": [CONTACT, OTHER]}
    rating = {**RATING, "contact": {"type": "contact", "id": "p2"}}

    (record,) = await delivered("intercom", rated(contacts=both, conversation_rating=rating))

    assert {one["value"] for one in record["data"]["identities"]} == {"c-8", "p2"}


@pytest.mark.parametrize(
    "body",
    [
        told("ping", {"type": "ping"}),
        told("conversation.user.created", CONVERSATION),
        told("conversation.admin.closed", CONVERSATION),
        told("conversation.admin.assigned", CONVERSATION),
        told("contact.deleted", CONTACT),
        rated(conversation_rating=None),
        rated(source={"author": {"type": "admin", "id": "a1"}}, contacts={"contacts": [CONTACT, OTHER]}),
        rated(source=None, contacts={"contacts": {}}),
        replied(statistics=None),
        replied(source={**SOURCE, "delivered_as": "admin_initiated"}),
        replied(source={**SOURCE, "type": "facebook"}),
        told("ticket.resolved", {**TICKET, "category": "Back-office"}),
        told("contact.unsubscribed", {"contact": {"type": "contact"}}),
        told("contact.unsubscribed", None),
        told("conversation.rating.added", CONVERSATION, data=[]),
    ],
)
async def test_what_is_of_no_use_or_names_nobody_makes_no_event(body: object) -> None:
    assert await delivered("intercom", body) == []
