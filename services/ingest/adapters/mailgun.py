"""Mailgun's webhooks: what became of an e-mail that was sent. They bear their signature inside."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

from schemas.limits import BODY_BYTES_MAX
from services.core.instants import instant_of
from services.infra.hook_rows import Hook
from services.ingest.adapter import Adapter, Example
from services.ingest.decode import read_text
from services.ingest.head import Head
from services.ingest.hooks import Delivery, Happened, Verify, event_of, named, webhook
from services.ingest.judge import Arrival
from services.ingest.loose import members, word

TOLERANCE: Final = timedelta(hours=9)
"""Mailgun sends again for eight hours, and does not say that it signs again; an hour more is for clocks and queues."""

_SECONDS: Final = re.compile(r"[0-9]{10}")
"""Nothing parts the timestamp from the token behind it: its length must, or one signature would fit several pairs."""


def verify(_head: Head, raw: bytes, hook: Hook, received: Arrival) -> bool:
    """Tell whether one of the secrets signed the timestamp and the token in this body.

    The signature does not cover what the body tells. Whoever reads one delivery on its way may send other events with
    its token until the tolerance has passed: a token that comes twice cannot be told without keeping every token, and
    a retry bears it twice by right. So the address must be one of HTTPS. An event that comes twice still counts once,
    by its own id. An account below another is also signed for by the secret of the one above.
    """
    said = members(members(read_text(raw, bytes_max=BODY_BYTES_MAX).event).get("signature"))
    timestamp, token = word(said.get("timestamp")) or "", word(said.get("token"))
    if token is None or _SECONDS.fullmatch(timestamp) is None:
        return False
    if abs(instant_of(int(timestamp) * 1_000_000) - received.at) > TOLERANCE:
        return False
    signatures = [word(said.get(name)) or "" for name in ("signature", "parent-signature")]
    message = f"{timestamp}{token}".encode()
    expected = [hmac.new(secret, message, sha256).hexdigest() for secret in hook.secrets]
    # Every secret is tried on both signatures, whether one has fitted or not.
    fits = [hmac.compare_digest(one.encode(), given.encode()) for one in expected for given in signatures]
    return any(fits)


SCHEME: Final[Verify] = verify

FAILED: Final = "failed"
TOUCHPOINTS: Final[Mapping[str, str]] = {
    "delivered": "email.delivered",
    "opened": "email.opened",
    "clicked": "email.clicked",
    "unsubscribed": "email.unsubscribed",
    "complained": "email.spam_reported",
    FAILED: "email.bounced",
}


def happened(delivery: Delivery) -> Iterator[Happened]:
    """Tell of the event; a customer's id stands in it where the sender gave one with the e-mail."""
    said = members(members(delivery.body).get("event-data"))
    touchpoint, thing = _touchpoint(said), word(said.get("id"))
    customer = members(said.get("user-variables")).get("customer_id")
    identities = named(("customer", customer), ("email", said.get("recipient")))
    if touchpoint is not None and thing is not None and identities:
        is_test = members(said.get("flags")).get("is-test-mode") is True
        data = {"identities": identities, "class": "test" if is_test else None}
        yield event_of(touchpoint, thing, at=said.get("timestamp"), data=data)


def _touchpoint(said: Mapping[str, Any]) -> str | None:
    """Name the touchpoint; Mailgun tries again after a failure that is not permanent."""
    event = word(said.get("event")) or ""
    return None if event == FAILED and said.get("severity") != "permanent" else TOUCHPOINTS.get(event)


_CLICKED: Final = {
    "signature": {
        "timestamp": "1772366400",
        "token": "fifty characters that Mailgun makes up",
        "signature": "hexadecimal HMAC-SHA256 of the timestamp and the token",
    },
    "event-data": {
        "id": "Y2xpY2tlZC0xLWFuYQ",
        "event": "clicked",
        "timestamp": 1772366340.25,
        "recipient": "ana@example.com",
        "user-variables": {"customer_id": "c-1001"},
    },
}

ADAPTER: Final[Adapter] = webhook(
    "mailgun",
    scheme=SCHEME,
    happened=happened,
    signature_stands="A signature in the body, of a timestamp and a token",
    examples=(
        Example(
            "A link in an e-mail that was clicked",
            "/hooks/mailgun/our-mailgun",
            json.dumps(_CLICKED).encode(),
            {"content-type": "application/json"},
            touchpoints=("email.clicked",),
        ),
    ),
)
