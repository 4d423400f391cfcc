"""Dead letters for tests, as the aggregator keeps them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.state.dead_letters import DeadLetter, DeadLetterTable
from services.state.pool import connected

RECEIVED_AT = "2026-03-01T11:00:00Z"


@asynccontextmanager
async def letters_in(dsn: str) -> AsyncIterator[DeadLetterTable]:
    """Open the table as the database's owner."""
    async with connected(dsn, application="tactus-tests") as statements:
        yield DeadLetterTable(statements)


def a_letter(
    offset: int, value: bytes | None = b'{"id": "e1"}', *, reason: str = "invalid-event", **headers: str
) -> DeadLetter:
    """Make a letter of ingest's, of the shop's native channel unless its headers say another."""
    told = {
        "reason": reason,
        "detail": "data: is required",
        "source": "shop",
        "receivedat": RECEIVED_AT,
        "channel": "native",
        "path": "/v1/events",
        **headers,
    }
    written = [(name, text.encode()) for name, text in told.items()]
    return DeadLetter(reason, told["detail"], told["source"], None, offset, None, value, written)
