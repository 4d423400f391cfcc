"""Rules that change later: a log counted anew under them has the scores of a door that had them from the start."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import NamedTuple

import asyncpg
import msgspec
import pytest
from pydantic import SecretStr

from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.processor import Bounds
from services.core.classes import reclass
from services.infra.catalogue.reading import load_catalogue
from services.infra.classes.staffed import rules_for
from services.infra.clock import SystemClock
from services.infra.settings import PostgresSettings
from services.state.classed import classed_counts
from services.state.database import Database
from services.state.pool import connected
from services.state.roles import WORKER
from tests.contract.aggregator.test_reclassed import AFTER, BEFORE, STAFF
from tests.support.chunks import chunk
from tests.support.clocks import StandingClock
from tests.support.databases import Databases, as_role
from tests.support.said_log import SaidLog
from tests.support.senders import HASH_KEY
from tests.support.visitors import classes_of, logged, sources_with, traffic

pytestmark = pytest.mark.integration

CHUNK = 40
SECONDS = 20 * 365 * 86_400.0

TALLIES = "SELECT * FROM tally ORDER BY identity, touchpoint, channel, place, hour"
EVENTS = "SELECT source, event_id, identity, touchpoint, occurred_at, valence, stake FROM touchpoint ORDER BY 1, 2"
SCORES = """
    SELECT i.value, p.score, p.confidence, p.se, p.score_24h, p.score_7d, p.score_30d, p.score_90d, p.band
    FROM person AS p JOIN identity AS i ON i.id = p.id WHERE p.merged_into IS NULL ORDER BY i.value
"""


class Counted(NamedTuple):
    """All that a database knows after a log was counted."""

    tallies: Sequence[asyncpg.Record]
    events: Sequence[asyncpg.Record]
    scores: Sequence[asyncpg.Record]
    bodies: Sequence[bytes]
    classes: Mapping[str, int]


Count = Callable[[Sequence[bytes]], Awaitable[Counted]]


@pytest.fixture
async def count(databases: Databases) -> AsyncIterator[Count]:
    """Count a log into a fresh database, and look at what is there."""
    async with AsyncExitStack() as stack:

        async def counted(values: Sequence[bytes]) -> Counted:
            name = await databases.create()
            stack.push_async_callback(databases.drop, name)
            dsn = databases.server.dsn_of(name)
            await _count(as_role(dsn, WORKER), values)
            return await _look(dsn)

        yield counted


async def _count(dsn: str, values: Sequence[bytes]) -> None:
    store = await Database.open(PostgresSettings(dsn=SecretStr(dsn)), lanes=1)
    log = SaidLog(store)
    worker = await Pipeline.on(store, log, load_catalogue(), cache_rows_max=1000, clock=SystemClock())
    await worker.take_ownership({partition: Bounds(*ends) for partition, ends in log.bounds.items()})
    at_ms = StandingClock().now_us() // 1000
    for first in range(0, len(values), CHUNK):
        await worker.process(chunk(values[first : first + CHUNK], first=first, at_ms=at_ms))
    await worker.close()


async def _look(dsn: str) -> Counted:
    async with connected(dsn, application="test") as statements:
        classes = await classed_counts(statements, seconds=SECONDS)
    database = await asyncpg.connect(dsn)
    try:
        bodies = await database.fetch("SELECT body FROM touchpoint_row ORDER BY key")
        return Counted(
            tallies=await database.fetch(TALLIES),
            events=await database.fetch(EVENTS),
            scores=await database.fetch(SCORES),
            bodies=[row["body"].encode() for row in bodies],
            classes=classes.by_class,
        )
    finally:
        await database.close()


async def test_a_fresh_replay_under_later_rules_scores_as_if_they_had_held_from_the_start(
    count: Count, tmp_path: Path
) -> None:
    sent = traffic(Random(3), 160)
    before, after = classes_of(tmp_path, BEFORE), classes_of(tmp_path, AFTER)
    late = sources_with(STAFF)
    then = await count(await logged(sent, classes=before, sources=sources_with({})))

    rules = rules_for(after, late, hash_key=HASH_KEY.encode())
    decoded = [msgspec.json.decode(body) for body in then.bodies]
    replayed = await count([msgspec.json.encode(reclass(one, rules), order="deterministic") for one in decoded])

    from_the_start = await count(await logged(sent, classes=after, sources=late))
    assert replayed == from_the_start
    assert len(replayed.events) == len(sent)
    assert replayed.scores != then.scores
    assert [row["n"] for row in replayed.tallies] == [row["n"] for row in then.tallies]
    assert replayed.classes.keys() == {"bot", "monitor", "staff", "test"}
