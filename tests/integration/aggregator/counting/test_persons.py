"""Scores of persons: what links join, in any order, by any number of workers."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import numpy as np
import pytest

from schemas.topics import EVENTS, LATE
from services.aggregator.processor import Bounds
from services.core import scoring
from services.core import tallies as columns
from services.core.dimensions import Leaves
from services.core.facts import NO_FACTS
from services.core.tallies import Tallies
from services.infra.catalogue.reading import load_catalogue
from tests.integration.aggregator.counting.conftest import OpenPipeline
from tests.support.chunks import chunk, event
from tests.support.said_log import END, PARTITIONS

pytestmark = pytest.mark.integration

START = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOW_MS = int((START + timedelta(days=1)).timestamp() * 1000)


def at(minutes: float) -> str:
    return (START + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


async def persons(database: asyncpg.Connection) -> dict[str, str]:
    rows = await database.fetch(
        "SELECT i.value, n.value AS person FROM identity AS i JOIN identity AS n ON n.id = i.person"
    )
    return {row["value"]: row["person"] for row in rows}


async def stored(database: asyncpg.Connection) -> dict[str, tuple[float, float, float]]:
    rows = await database.fetch("SELECT person_id, score, confidence, score_7d FROM customer_score")
    return {row["person_id"]: (row["score"], row["confidence"], row["score_7d"]) for row in rows}


async def recomputed(database: asyncpg.Connection) -> dict[str, tuple[float, float, float]]:
    """Every person's score, read afresh from the tally view at the hour its row names."""
    catalogue = load_catalogue()
    rows = await database.fetch(
        "SELECT n.value AS person, t.*, extract(epoch FROM s.as_of)::bigint / 3600 AS at_hour FROM tally AS t "
        "JOIN identity AS i ON i.value = t.identity JOIN identity AS n ON n.id = i.person "
        "JOIN customer_score AS s ON s.person_id = n.value ORDER BY person"
    )
    scores = {}
    for person, group in itertools.groupby(rows, key=lambda row: str(row["person"])):
        mine = list(group)
        triples = sorted({(row["touchpoint"], row["channel"], row["place"]) for row in mine})
        numbers = ("hour", "n", "q", "pos", "neg", "pos2", "neg2", "best", "worst")
        matrix = np.array(
            [
                [triples.index((row["touchpoint"], row["channel"], row["place"])), *(row[name] for name in numbers)]
                for row in mine
            ],
            dtype=np.int64,
        )
        whole, week = scoring.read(
            columns.merge([Tallies(np.zeros(len(matrix), dtype=np.int64), matrix)]),
            facts=NO_FACTS,
            owners=1,
            leaves=Leaves.of(catalogue, triples),
            at_hour=int(mine[0]["at_hour"]),
            parameters=catalogue.parameters,
            windows_h=(None, 168),
        )
        scores[person] = (float(whole.score[0]), float(whole.confidence[0]), float(week.score[0]))
    return scores


async def test_a_visitor_who_logs_in_brings_what_happened_before(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    worker = await open_pipeline()
    before = event("e-1", time=at(0), identities=["anonymous:v-1"], touchpoint="web.checkout_error")
    login = event("e-2", time=at(1), identities=["customer:c-1", "anonymous:v-1"], touchpoint="identity.linked")

    await worker.process(chunk([before], at_ms=NOW_MS))
    await worker.process(chunk([login], part=1, at_ms=NOW_MS))

    assert await persons(database) == {"anonymous:v-1": "customer:c-1", "customer:c-1": "customer:c-1"}
    assert list(await stored(database)) == ["customer:c-1"]
    assert await stored(database) == await recomputed(database)
    assert (await stored(database))["customer:c-1"][0] < 50


async def test_two_customers_who_share_a_device_stay_two(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    worker = await open_pipeline()
    later = event("e-2", time=at(9), identities=["customer:c-2", "device:d-1"])
    first = event("e-1", time=at(1), identities=["customer:c-1", "device:d-1"])

    await worker.process(chunk([later], at_ms=NOW_MS))
    assert (await persons(database))["device:d-1"] == "customer:c-2"
    await worker.process(chunk([first], part=1, at_ms=NOW_MS))

    assert await persons(database) == {
        "customer:c-1": "customer:c-1",
        "customer:c-2": "customer:c-2",
        "device:d-1": "customer:c-1",
    }
    assert await stored(database) == await recomputed(database)


async def test_an_event_counted_for_an_identity_that_moved_meanwhile_goes_to_its_person(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    """One worker knows the visitor from before; the other moves the visitor to a customer behind its back."""
    watcher = await open_pipeline()
    await watcher.process(chunk([event("e-1", time=at(0), identities=["anonymous:v-1"])], at_ms=NOW_MS))
    linker = await open_pipeline()
    login = event("e-2", time=at(1), identities=["customer:c-1", "anonymous:v-1"])
    await linker.process(chunk([login], part=1, at_ms=NOW_MS))
    await watcher.take_ownership({(EVENTS, 0): Bounds(0, END)})

    await watcher.process(chunk([event("e-3", time=at(2), identities=["anonymous:v-1"])], first=1, at_ms=NOW_MS))

    assert await stored(database) == await recomputed(database)
    assert list(await stored(database)) == ["customer:c-1"]


def history(seed: int) -> list[bytes]:
    """A few people with many identities, some of them shared, over days."""
    rng = random.Random(seed)
    names = [f"customer:c-{n}" for n in range(4)]
    names += [f"anonymous:v-{n}" for n in range(4)] + ["device:d-1", "email_hash:e1", "email_hash:e2", "loyalty:l-1"]
    touchpoints = ["order.completed", "web.checkout_error", "case.opened", "web.page_viewed", "call.abandoned"]
    events = []
    for number in range(60):
        identities = rng.sample(names, k=rng.choice([1, 1, 1, 2, 3]))
        customers = [name for name in identities if name.startswith("customer:")]
        identities = customers[:1] + [name for name in identities if not name.startswith("customer:")]
        events.append(
            event(
                f"e-{number}",
                time=at(rng.randrange(0, 1400)),
                identities=identities,
                touchpoint=rng.choice(touchpoints),
                place=rng.choice(["", "store/1", "store/2"]),
            )
        )
    return events


def spread(values: Sequence[bytes], seed: int) -> list[list[bytes]]:
    """The same events in another order, in chunks of other sizes."""
    rng = random.Random(seed)
    shuffled = rng.sample(list(values), k=len(values))
    chunks = []
    while shuffled:
        size = rng.randrange(1, 12)
        chunks.append(shuffled[:size])
        shuffled = shuffled[size:]
    return chunks


@pytest.mark.parametrize("seed", range(4))
async def test_persons_tallies_and_scores_do_not_depend_on_order_or_workers(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, seed: int
) -> None:
    """Two workers race with the same identities from both lanes; the result is that of the sorted history."""
    values = history(seed)
    workers = [await open_pipeline(), await open_pipeline()]
    lanes = [(topic, part) for topic in (EVENTS, LATE) for part in range(PARTITIONS)]
    mine = {lane: workers[number % 2] for number, lane in enumerate(lanes)}
    for lane, worker in mine.items():
        await worker.take_ownership({lane: Bounds(0, END)})
    queues: dict[tuple[str, int], list[list[bytes]]] = {lane: [] for lane in lanes}
    for number, values_of_chunk in enumerate(spread(values, seed)):
        queues[lanes[number % len(lanes)]].append(values_of_chunk)

    async def run(lane: tuple[str, int]) -> None:
        first = 0
        for one in queues[lane]:
            await mine[lane].process(chunk(one, first=first, part=lane[1], topic=lane[0], at_ms=NOW_MS))
            first += len(one)

    await asyncio.gather(*(run(lane) for lane in lanes))

    raced = (await persons(database), await stored(database), await tallies(database))
    assert raced[1] == await recomputed(database)
    await database.execute(
        "TRUNCATE partition_progress, identity, person, leaf, touchpoint_row, seen_event, tally_row, link, dead_letter, dead_letter_change"
    )
    alone = await open_pipeline()
    await alone.process(chunk(values, at_ms=NOW_MS))
    assert raced == (await persons(database), await stored(database), await tallies(database))


async def tallies(database: asyncpg.Connection) -> list[tuple[object, ...]]:
    rows = await database.fetch("SELECT * FROM tally ORDER BY identity, touchpoint, channel, place, hour")
    return [tuple(row) for row in rows]


async def test_a_chunk_that_lagged_behind_takes_no_score_back_in_time(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    worker = await open_pipeline()
    hour_ms = 3_600_000
    loss = event("e-1", time=at(24 * 60), touchpoint="delivery.promise_missed")
    earlier = event("e-2", time=at(0), touchpoint="web.page_viewed")

    await worker.process(chunk([loss], at_ms=NOW_MS))
    lagging = chunk([earlier], topic=LATE, at_ms=NOW_MS - 2 * hour_ms)
    await worker.process(lagging)

    hour = await database.fetchval("SELECT extract(epoch FROM as_of)::bigint / 3600 FROM customer_score")
    assert hour == NOW_MS // hour_ms
    assert (await stored(database))["customer:c-1"][0] < 30
    assert await stored(database) == await recomputed(database)


async def test_a_person_pushed_out_of_the_cache_is_read_again_with_the_same_score(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    first = await open_pipeline()
    await first.process(chunk([event("e-1", time=at(0)), event("e-2", time=at(100))], at_ms=NOW_MS))
    cold = await open_pipeline()

    await cold.process(chunk([event("e-3", time=at(200), touchpoint="case.opened")], first=2, at_ms=NOW_MS))

    assert await stored(database) == await recomputed(database)
    assert await database.fetchval("SELECT sum(n)::int FROM tally") == 3
