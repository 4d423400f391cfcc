"""Make one attempt: sign a message, post it, and say what that means."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Final, Literal, NamedTuple

from standardwebhooks.webhooks import Webhook

from schemas.webhooksapi import ANSWER_CHARS_MAX
from services.infra.egress.gate import Gate
from services.infra.egress.posting import Answered, Unanswered, Way, post
from services.infra.egress.urls import NotAllowed
from services.outbound.webhooks.schedule import asked_wait_s
from services.state.webhook_deliveries import Lease

USER_AGENT: Final = "Tactus-Webhooks/1"

Outcome = Literal[
    "delivered",
    "refused",
    "redirected",
    "gone",
    "timeout",
    "unreachable",
    "unresolved",
    "blocked",
    "malformed",
]


class Attempt(NamedTuple):
    """What became of an attempt."""

    outcome: Outcome
    status: int | None
    answer: str
    asked_s: float | None
    """How long the receiver asks to wait."""


async def attempt(lease: Lease, *, gate: Gate, way: Way, now: datetime) -> Attempt:
    """Send a message once; raises nothing but a cancellation."""
    target = gate.target(lease.url)
    if isinstance(target, NotAllowed):
        # It was made under another setting.
        return Attempt("blocked", None, target.because, None)
    answered = await post(target, headers_of(lease, now=now), lease.body.encode(), way=way)
    if isinstance(answered, Unanswered):
        return Attempt(answered.outcome, None, answered.because, None)
    return _judged(answered, now=now)


def headers_of(lease: Lease, *, now: datetime) -> dict[str, str]:
    """Sign a message for this attempt, by every secret that is in force; the spec has receivers look for one that fits."""
    signatures = [Webhook(secret).sign(lease.message, now, lease.body) for secret in lease.secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "webhook-id": lease.message,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _judged(answered: Answered, *, now: datetime) -> Attempt:
    text = answered.body.decode("utf-8", "replace").replace("\x00", "\ufffd")[:ANSWER_CHARS_MAX]
    asked_s = asked_wait_s(answered.retry_after, now=now)
    return Attempt(_outcome(answered.status), answered.status, text, asked_s)


def _outcome(status: int) -> Outcome:
    if status == HTTPStatus.GONE:
        return "gone"
    match status // 100:
        case 2:
            return "delivered"
        case 3:
            return "redirected"
        case _:
            return "refused"
