"""Ends a worker that stands still while there is work and nothing outside it is to blame.

It runs in a thread with an event loop of its own, because a worker may stand still by blocking its loop while its
heartbeats go on in Kafka's thread, so that no other worker would ever get its partitions.

A database or broker that is away is not a reason to end: a restart cannot bring it back, makes every other worker
rebalance, loses the caches, and a supervisor's growing backoff then delays the work after the outage is over. So
before each strike both are asked, over connections of the watchdog's own; while either is away the count starts
anew. Lag is measured against the log's end as the broker tells it then: what a stuck consumer believes of the
log is as old as its last fetch.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

from schemas.topics import Partition
from services.infra.logs import get_logger

log = get_logger(__name__)

EXIT_STUCK: Final = 4

STRIKES: Final = 3
"""Looks in a row, evenly spread over the allowed time, that must all find a standstill with no excuse."""

PROBE_S: Final = 5.0
"""A log and a database that answer, answer in milliseconds."""

Ends = Mapping[Partition, tuple[int, int]]
"""First offset and end of each partition."""


class Look(NamedTuple):
    """What the worker is seen to do."""

    moved: int
    """Rises with every step forward."""
    busy: bool
    """Starting or rebalancing: a state that must end."""
    positions: Mapping[Partition, int | None]
    """How far each assigned partition is stored, None when it is not owned."""


class Outside(NamedTuple):
    """How to ask about what a worker depends on; both raise when there is no answer."""

    log_ends: Callable[[], Awaitable[Ends]]
    database: Callable[[], Awaitable[None]]


async def until_stuck(look: Callable[[], Look], outside: Outside, *, within_s: float) -> str:
    """Return, with the reason, when nothing moved for `within_s` although it could have."""
    strikes, seen = 0, look()
    while True:
        await asyncio.sleep(within_s / STRIKES)
        before, seen = seen, look()
        reason = None if seen.moved != before.moved else await _standstill(seen, outside)
        strikes = strikes + 1 if reason else 0
        if reason and strikes >= STRIKES:
            return reason


async def _standstill(seen: Look, outside: Outside) -> str | None:
    """Why a worker that did not move should have; None when it had nothing to do or could not."""
    try:
        async with asyncio.timeout(PROBE_S):
            ends = await outside.log_ends()
        reason = "starting or rebalancing without end" if seen.busy else _lag(seen.positions, ends)
        if reason:
            async with asyncio.timeout(PROBE_S):
                await outside.database()
    except Exception as error:  # noqa: BLE001 - whatever it says, it did not answer; a watch that raised would be over
        log.warning("standing_still", because=str(error) or type(error).__name__)
        return None
    return reason


def _lag(positions: Mapping[Partition, int | None], ends: Ends) -> str | None:
    for partition, position in positions.items():
        earliest, end = ends.get(partition, (0, 0))
        if position is None:
            return f"{partition} is assigned but not owned"
        # Records that retention removed will never come: they are no lag.
        if max(position, earliest) < end:
            return f"{partition} stands at {position}, the log ends at {end}"
    return None


def start_watchdog(
    look: Callable[[], Look], outside: Outside, *, within_s: float, end: Callable[[int], object] = os._exit
) -> threading.Thread:
    """Watch from a thread until the process ends; a stuck process is ended at once, without any clean-up."""

    def watch() -> None:
        try:
            reason = asyncio.run(until_stuck(look, outside, within_s=within_s))
            log.error("stuck", reason=reason, exit_code=EXIT_STUCK)
        except Exception:
            # Whatever it is: without its watch the worker could stand still for ever.
            log.exception("watchdog_failed", exit_code=EXIT_STUCK)
        end(EXIT_STUCK)

    thread = threading.Thread(target=watch, name="watchdog", daemon=True)
    thread.start()
    return thread
