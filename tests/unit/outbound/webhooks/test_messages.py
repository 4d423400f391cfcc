"""What messages say, to whom, and under which id."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from schemas.incident import IncidentRecord, IncidentState
from schemas.topics import ALERTS
from services.outbound.webhooks.messages import of_letter
from services.state.feeds import Letter, Outgoing, Position
from services.state.webhook_deliveries import Listener
from tests.support.clocks import NOON
from tests.support.webhooks import ALERT, LONG_AGO

ENDPOINT = UUID(int=1)


def listener(*kinds: str, severities: tuple[str, ...] = ()) -> Listener:
    return Listener(ENDPOINT, kinds, (), severities, LONG_AGO)


def outgoing(value: bytes | None, *, topic: str = ALERTS, number: int = 7, xact: int = 9) -> Outgoing:
    return Outgoing(Position(xact, number), Letter(topic, "k", value), NOON)


def incident(state: IncidentState) -> bytes:
    return (
        IncidentRecord(
            incident=str(ALERT["alert"]),
            along="place",
            value="carrier/dart",
            state=state,
            opened_at="2026-03-01T11:00:00Z",
            changed_at="2026-03-01T11:30:00Z",
            people=40,
            usual=1.5,
            worst=[],
        )
        .model_dump_json()
        .encode()
    )


@pytest.mark.parametrize("state", ["opened", "grown", "resolved"])
def test_an_incident_is_told_as_its_topic_has_it(state: IncidentState) -> None:
    (message,) = of_letter(outgoing(incident(state)), [listener(f"incident.{state}", severities=("critical",))])

    told = json.loads(message.body)
    assert told["type"] == message.kind == f"incident.{state}"
    assert told["timestamp"] == "2026-03-01T11:30:00Z"
    assert told["data"] == json.loads(incident(state))


@pytest.mark.parametrize(
    "nothing",
    [
        outgoing(None),
        outgoing(json.dumps(ALERT).encode(), topic="cx.other.v1"),
        outgoing(json.dumps({**ALERT, "state": "odd"}).encode()),
        outgoing(json.dumps({**ALERT, "kind": "odd"}).encode()),
    ],
)
def test_what_nobody_is_to_be_told_makes_no_message(nothing: Outgoing) -> None:
    assert of_letter(nothing, [listener()]) == []


def test_a_message_that_is_made_again_has_the_same_id_also_in_a_database_that_was_restored() -> None:
    value = json.dumps(ALERT).encode()

    (first,), (again,), (other,) = (
        of_letter(one, [listener()]) for one in (outgoing(value), outgoing(value, xact=1000), outgoing(value, number=8))
    )

    assert first.id == again.id != other.id
    assert first.id.isascii()
    assert "." not in first.id
