"""Turn what changed into messages for those who want to hear it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from pydantic import BaseModel

from schemas.score import MergedCustomer, ScoredCustomer
from schemas.topics import ALERTS
from schemas.webhooksapi import KINDS, MESSAGE_BYTES_MAX, WebhookMessage
from services.state.feeds import Outgoing
from services.state.webhook_deliveries import Listener, Message, Stale

SCORE: Final = "score.changed"

REASONS_MAX: Final = 5
REASON_EVENTS_MAX: Final = 1
"""What is left of an alert that would be too long: a person reads the first reasons, and the API has all of them."""

ID_CHARS: Final = 32


def of_score(
    record: ScoredCustomer | MergedCustomer, listeners: Iterable[Listener]
) -> tuple[list[Message], list[Stale]]:
    """Tell of somebody's score: the messages for who wants them, and what waits for everybody and is stale by now.

    An endpoint that hears only of some bands hears of somebody while the score is in one; that somebody turned out to be
    another is for all who hear of scores.
    """
    band = record.band if isinstance(record, ScoredCustomer) else None
    id_ = _id("score", f"{record.customer}\0{record.version}".encode())
    body = _body(SCORE, record.at, record)
    messages, stale = [], []
    for one in listeners:
        if not _wants(one.kinds, SCORE):
            continue
        wanted = band is None or _wants(one.bands, band)
        stale.append(Stale(one.id, record.customer, id_ if wanted else ""))
        if wanted:
            messages.append(Message(one.id, id_, SCORE, record.customer, body))
    return messages, stale


def of_letter(outgoing: Outgoing, listeners: Iterable[Listener]) -> list[Message]:
    """Tell a step of an alert or an incident, as it goes to its topic, to those who want it.

    Raises ValueError for what is no record of ours.
    """
    topic, key, value = outgoing.letter
    kind = None if value is None else _kind(topic, record := msgspec.json.decode(value, type=dict[str, Any]))
    if value is None or kind is None:
        return []
    body = _body(kind, record["changed_at"], record)
    if len(body) > MESSAGE_BYTES_MAX:
        body = _body(kind, record["changed_at"], _shortened(record))
    id_ = _id(kind.partition(".")[0], f"{outgoing.position.id}\0".encode() + value)
    return [
        Message(one.id, id_, kind, key, body)
        for one in listeners
        if one.made_at <= outgoing.created_at
        and _wants(one.kinds, kind)
        and _wants(one.severities, record.get("severity", ""))
    ]


def _kind(topic: str, record: dict[str, Any]) -> str | None:
    """Name a record of the outbox by what it tells and what has happened to that; None for what nobody is told."""
    kind = f"{record.get('kind', 'alert')}.{record.get('state')}"
    return kind if topic == ALERTS and kind in KINDS and "changed_at" in record else None


def _wants(filter_: Iterable[str], value: str) -> bool:
    """Tell whether a filter lets a value through; what has no such property is not filtered by it."""
    chosen = set(filter_)
    return not chosen or not value or value in chosen


def _shortened(record: dict[str, Any]) -> dict[str, Any]:
    reasons = [
        {**reason, "events": reason.get("events", [])[:REASON_EVENTS_MAX]}
        for reason in record.get("reasons", [])[:REASONS_MAX]
    ]
    return {**record, "reasons": reasons}


def _body(kind: str, timestamp: str, data: BaseModel | dict[str, Any]) -> str:
    told = data.model_dump(mode="json") if isinstance(data, BaseModel) else data
    return WebhookMessage(type=kind, timestamp=timestamp, data=told).model_dump_json()


def _id(of: str, what: bytes) -> str:
    """Name a message by what it says, so that whoever makes it again names it the same."""
    return f"{of}_{hashlib.sha256(what).hexdigest()[:ID_CHARS]}"
