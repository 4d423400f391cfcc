"""Webhooks of Zendesk's tickets: complaints, what was solved and reopened, and ratings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from services.core.instants import parse_instant
from services.ingest.adapter import Adapter, Example
from services.ingest.hooks import Delivery, Happened, event_of, named, webhook
from services.ingest.loose import event_id, instant, members, word
from services.ingest.signatures import Scheme

# No tolerance: Zendesk states none for its timestamp.
SCHEME: Final = Scheme(
    header="x-zendesk-webhook-signature",
    signed="{timestamp}{raw}",
    timestamp_header="x-zendesk-webhook-signature-timestamp",
)

PERSON: Final = "x-zendesk"
"""Under which Zendesk's own numbers of requesters are known."""

PREFIX: Final = "zen:event-type:"

COMPLAINTS: Final = frozenset({"INCIDENT", "PROBLEM"})
"""Types of tickets that say that something is broken.

A question or a task is no complaint, and a ticket without a type, as most are, may be anything: to hold it against the
shop would punish it for being asked.
"""

COMPLAINT_TAG: Final = "complaint"
"""What a shop that does not use types gives to the tickets that are complaints."""

UNDER_WAY: Final = frozenset({"NEW", "OPEN", "PENDING", "HOLD"})
DONE: Final = frozenset({"SOLVED", "CLOSED"})

SCORES: Final[Mapping[str, float]] = {"GOOD": 1.0, "BAD": 0.0}
SCALE: Final = {"lo": 0.0, "mid": 0.5, "hi": 1.0}
"""Customers are asked for one of two answers: each is an end of its scale, and nothing is made up between them."""


class Change(NamedTuple):
    """What a delivery says of a ticket: the ticket itself, what changed, and when."""

    ticket: Mapping[str, Any]
    event: Mapping[str, Any]
    time: str | None


class Telling(NamedTuple):
    """What a type of event tells: the touchpoint, when it does, and what it adds."""

    touchpoint: str
    told_apart: Callable[[Change], str | None]
    """What tells it from others of its ticket; None where it does not hold."""
    adds: Callable[[Change], Mapping[str, object]] = lambda _: {}
    of_the_ticket: bool = False
    """It happened when the ticket was opened, and once."""


def _is_complaint(change: Change) -> bool:
    tags = change.ticket.get("tags")
    return _upper(change.ticket.get("type")) in COMPLAINTS or (isinstance(tags, list) and COMPLAINT_TAG in tags)


def _upper(value: object) -> str:
    return (word(value) or "").upper()


def _opened(change: Change) -> str | None:
    return "" if _is_complaint(change) else None


def _solved(change: Change) -> str | None:
    """Give the time: a ticket may be solved again, after it was reopened."""
    is_solved = _upper(change.event.get("current")) == "SOLVED"
    return change.time if is_solved and _upper(change.event.get("previous")) in UNDER_WAY else None


def _reopened(change: Change) -> str | None:
    """Give the time, of complaints alone: whoever thanks for an answer reopens a ticket too."""
    is_open = _upper(change.event.get("current")) == "OPEN"
    return change.time if is_open and _upper(change.event.get("previous")) in DONE and _is_complaint(change) else None


def _rated(change: Change) -> str | None:
    """Give the answer: who comes to another opinion rates anew, and a comment that follows changes nothing."""
    score = _upper(members(change.event.get("satisfaction_score")).get("score"))
    return score.lower() if score in SCORES else None


def _waited(change: Change) -> Mapping[str, object]:
    opened = instant(change.ticket.get("created_at"))
    if opened is None or change.time is None:
        return {}
    seconds = (parse_instant(change.time) - parse_instant(opened)).total_seconds()
    return {"properties": {"wait_seconds": seconds}} if seconds >= 0 else {}


def _answer(change: Change) -> Mapping[str, object]:
    said = members(change.event.get("satisfaction_score"))
    rating = {"rating": {"scale": SCALE, "value": SCORES[_upper(said.get("score"))]}}
    comment = said.get("comment")
    return {**rating, "text": comment} if isinstance(comment, str) and comment.strip() else rating


_OPENED: Final = Telling("case.opened", _opened, of_the_ticket=True)
TYPES: Final[Mapping[str, Sequence[Telling]]] = {
    "ticket.created": (_OPENED,),
    # Whether it is a complaint may be found out later.
    "ticket.type_changed": (_OPENED,),
    "ticket.tags_changed": (_OPENED,),
    "ticket.status_changed": (
        Telling("case.resolved", _solved, _waited),
        Telling("case.reopened", _reopened),
    ),
    # Nothing tells of an escalation: a priority is how the desk sorts its work, and no customer meets it.
    "ticket.csat_received": (Telling("survey.csat", _rated, _answer),),
}


def happened(delivery: Delivery) -> Iterator[Happened]:
    """Tell what a delivery is about.

    Ids are made of the ticket's number and of what tells one change from another, and not of the event's id: what is
    delivered again or by two webhooks is the same event.
    """
    said = members(delivery.body)
    change = Change(members(said.get("detail")), members(said.get("event")), instant(said.get("time")))
    ticket, identities = event_id(change.ticket.get("id")), _identities(change.ticket)
    if ticket is None or not identities:
        return
    for telling in TYPES.get((word(said.get("type")) or "").removeprefix(PREFIX), ()):
        which = telling.told_apart(change)
        if which is not None:
            thing = f"{ticket}/{which}" if which else ticket
            data = {"identities": identities, "case": ticket, **telling.adds(change)}
            yield event_of(telling.touchpoint, thing, at=_at(telling, change), data=data)


def _identities(ticket: Mapping[str, Any]) -> list[dict[str, str]]:
    """Say who asked; the address is there where a trigger's own JSON gives it."""
    requester = members(ticket.get("requester"))
    return named((PERSON, ticket.get("requester_id")), ("email", requester.get("email")))


def _at(telling: Telling, change: Change) -> str | None:
    opened = instant(change.ticket.get("created_at")) if telling.of_the_ticket else None
    return opened or change.time


def _example(kind: str, ticket: Mapping[str, object], event: Mapping[str, object]) -> bytes:
    told = {
        "type": f"{PREFIX}{kind}",
        "id": "0e2d5c1a-7b1c-4c37-9c6e-6d1c0f2f9a11",
        "time": "2026-03-01T11:59:00Z",
        "subject": f"zen:ticket:{ticket['id']}",
        "detail": ticket,
        "event": event,
    }
    return json.dumps(told).encode()


_TICKET: Final = {
    "id": "812",
    "type": "incident",
    "status": "OPEN",
    "priority": "NORMAL",
    "tags": ["web"],
    "requester_id": "40017",
    "created_at": "2026-03-01T11:59:00Z",
}
_SOLVED: Final = {**_TICKET, "status": "SOLVED", "created_at": "2026-03-01T08:59:00Z"}
_JSON: Final = {"content-type": "application/json"}

ADAPTER: Final[Adapter] = webhook(
    "zendesk",
    scheme=SCHEME,
    happened=happened,
    signature_stands="A signature in `X-Zendesk-Webhook-Signature`",
    examples=(
        Example(
            "A new complaint",
            "/hooks/zendesk/our-zendesk",
            _example("ticket.created", _TICKET, {}),
            _JSON,
            touchpoints=("case.opened",),
        ),
        Example(
            "A ticket that was solved",
            "/hooks/zendesk/our-zendesk",
            _example("ticket.status_changed", _SOLVED, {"current": "SOLVED", "previous": "OPEN"}),
            _JSON,
            touchpoints=("case.resolved",),
        ),
        Example(
            "A rating",
            "/hooks/zendesk/our-zendesk",
            _example("ticket.csat_received", _SOLVED, {"satisfaction_score": {"score": "GOOD", "comment": "Quick!"}}),
            _JSON,
            touchpoints=("survey.csat",),
        ),
    ),
)
