"""What makes two events the same, and what makes one a conflict: the hash of source and id, and that of what was sent."""

from __future__ import annotations

import hashlib
import re
from typing import Final

_CHANNEL: Final = re.compile(rb'"channel":"[^"]*",?')
"""The channel that ingest put in: a slug, and inside a text its quotes would be escaped."""


def event_key(source: str, event_id: str) -> bytes:
    """Return 16 bytes by which an event is known."""
    return hashlib.sha256(f"{source}\0{event_id}".encode()).digest()[:16]


def body_hash(data: bytes, *, channel_origin: str) -> bytes:
    """Return 8 bytes of the hash of an event's data as the client sent it: without the channel that ingest put in."""
    return hashlib.sha256(_CHANNEL.sub(b"", data, count=1) if channel_origin else data).digest()[:8]
