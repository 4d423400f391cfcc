"""What Zendesk delivers, and what becomes of it."""

from __future__ import annotations

import pytest

from services.ingest.adapters.zendesk import SCALE
from tests.support.deliveries import delivered, once, who

TICKET = {"id": "7", "type": "INCIDENT", "requester_id": "40", "created_at": "2026-02-28T12:00:00Z", "tags": ["web"]}
ASKED = {**TICKET, "type": "QUESTION"}


def told(kind: str, ticket: object = TICKET, **more: object) -> dict[str, object]:
    return {
        "type": f"zen:event-type:ticket.{kind}",
        "id": "e1",
        "time": "2026-03-01T11:00:00Z",
        "detail": ticket,
        **more,
    }


def changed(before: str, after: str, ticket: object = TICKET, **more: object) -> dict[str, object]:
    return told("status_changed", ticket, event={"previous": before, "current": after}, **more)


def scored(score: object, **more: object) -> dict[str, object]:
    return told("csat_received", event={"satisfaction_score": {"score": score, **more}})


async def test_a_complaint_counts_once_whenever_it_is_found_to_be_one() -> None:
    records = await delivered(
        "zendesk",
        told("created"),
        told("type_changed", id="e2", time="2026-03-01T11:30:00Z", event={"previous": None, "current": "INCIDENT"}),
        told("tags_changed", {**ASKED, "tags": ["web", "complaint"]}, id="e3"),
        told("created", {**TICKET, "status": "OPEN", "priority": "HIGH"}),
    )

    record = once(records)
    assert (record["id"], record["time"]) == ("case.opened/7", "2026-02-28T12:00:00Z")
    assert record["data"]["case"] == "7"
    assert record["data"]["identities"] == [{"kind": "x-zendesk", "value": "40"}]


@pytest.mark.parametrize("kind", ["question", "task", None, "", 7, ["incident"]])
async def test_to_ask_is_no_complaint(kind: object) -> None:
    assert await delivered("zendesk", told("created", {**TICKET, "type": kind})) == []


async def test_how_long_a_ticket_took_says_how_its_solution_felt() -> None:
    (record,) = await delivered("zendesk", changed("OPEN", "SOLVED", ASKED))

    assert record["id"] == "case.resolved/7/2026-03-01T11:00:00Z"
    assert record["data"]["properties"] == {"wait_seconds": 23 * 3600}


async def test_a_ticket_may_be_solved_again_and_each_time_counts_once() -> None:
    again = "2026-03-01T11:40:00Z"
    records = await delivered(
        "zendesk",
        changed("OPEN", "SOLVED"),
        changed("SOLVED", "OPEN", time="2026-03-01T11:20:00Z"),
        changed("PENDING", "SOLVED", time=again),
        changed("PENDING", "SOLVED", time=again, id="e9"),
    )

    touchpoints = [one["data"]["touchpoint"] for one in records]
    assert touchpoints == ["case.resolved", "case.reopened", "case.resolved", "case.resolved"]
    assert records[0]["id"] != once(records[2:])["id"]


@pytest.mark.parametrize(
    "body",
    [
        changed("SOLVED", "CLOSED"),
        changed("OPEN", "PENDING"),
        changed("", "SOLVED"),
        changed("OPEN", "SOLVED", time="yesterday"),
        # Whoever thanks for an answer reopens the ticket.
        changed("SOLVED", "OPEN", ASKED),
        told("priority_changed", event={"previous": "LOW", "current": "URGENT"}),
        told("created", {**TICKET, "requester_id": None}),
        told("created", {**TICKET, "id": None}),
        {"ticket": {"id": 7}},
        scored("OFFERED"),
        scored(None),
        told("csat_received", event={"satisfaction_score": "GOOD"}),
    ],
)
async def test_what_is_of_no_use_makes_no_event(body: object) -> None:
    assert await delivered("zendesk", body) == []


async def test_a_ticket_whose_beginning_is_unknown_is_solved_without_a_wait() -> None:
    (record,) = await delivered("zendesk", changed("OPEN", "SOLVED", {**TICKET, "created_at": None}))

    assert "properties" not in record["data"]


async def test_one_of_two_answers_is_an_end_of_its_scale() -> None:
    good, bad = await delivered("zendesk", scored("GOOD", comment="Quick!"), scored("bad", comment=None))

    assert (good["id"], good["data"]["text"]) == ("survey.csat/7/good", "Quick!")
    assert good["data"]["rating"] == {"scale": SCALE, "value": 1.0}
    assert bad["data"]["rating"] == {"scale": SCALE, "value": 0.0}
    assert "text" not in bad["data"]


async def test_an_address_that_is_given_names_the_requester_too() -> None:
    (record,) = await delivered("zendesk", told("created", {**TICKET, "requester": {"email": "ana@example.com"}}))

    assert who(record) == {"x-zendesk", "email_hash"}
