"""Try again while the database is away: no event is lost by waiting, and none is skipped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from services.infra.errors import UnavailableError
from services.infra.logs import get_logger

log = get_logger(__name__)

T = TypeVar("T")

PAUSES_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Between attempts while Postgres is away: quick after a hiccup, no storm of connections in an outage."""


async def pause(failures: int) -> None:
    """Wait before the next attempt after so many failures in a row, from 0."""
    await asyncio.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])


async def patiently(statement: Callable[[], Awaitable[T]]) -> T:
    """Say something to the database until it is heard."""
    failures = 0
    while True:
        try:
            return await statement()
        except UnavailableError as error:
            log.warning("statement_retried", because=str(error))
            await pause(failures)
            failures += 1
