"""Who hangs together with very many costs the database no more than anybody else, and keeps nobody waiting."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import asyncpg
import pytest

from schemas.topics import EVENTS, LATE
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.processor import Bounds
from services.core.persons import BOUNDS, LEVELS, Link, persons
from services.state.links import Crowded, crowded
from services.state.pool import connected
from services.state.queries import SQL
from tests.integration.aggregator.counting.conftest import OpenPipeline
from tests.integration.aggregator.counting.test_persons import NOW_MS, at, recomputed, spread, stored
from tests.integration.aggregator.counting.test_persons import persons as stored_persons
from tests.support.chunks import chunk, event
from tests.support.said_log import END

pytestmark = pytest.mark.integration

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "shared-identities.md"

HUB = 4000
"""Large enough that whatever reads a hub whole reads ten times what is allowed."""


def said(number: int, identities: Sequence[str], *, key: str = "browser", minutes: float = 5, alias: str = "") -> bytes:
    extra = {"alias": {"kind": "customer", "value": alias}} if alias else {}
    return event(f"e-{number}", time=at(minutes), identities=identities, extra=extra, envelope={"keykind": key})


async def count(worker: Pipeline, events: Sequence[Sequence[str]], *, first: int = 0) -> int:
    values = [said(first + place, identities) for place, identities in enumerate(events)]
    await worker.process(chunk(values, first=first, at_ms=NOW_MS))
    return first + len(values)


async def by_the_rules(database: asyncpg.Connection) -> dict[str, str]:
    rows = await database.fetch(
        "SELECT x.value AS a, y.value AS b, level, (extract(epoch FROM occurred_at) * 1000000)::bigint, event_id, "
        "event_key, source FROM link JOIN identity AS x ON x.id = a JOIN identity AS y ON y.id = b"
    )
    found = persons(Link(*row) for row in rows)
    return {row["value"]: found.get(row["value"], row["value"]) for row in await database.fetch("TABLE identity")}


async def assert_scores_are_of_the_tallies(database: asyncpg.Connection) -> None:
    """Whoever has fallen out of a crowd and has no events of its own is neutral."""
    neutral = dict.fromkeys(await stored(database), (50.0, 0.0, 50.0))
    assert await stored(database) == neutral | await recomputed(database)


def most_rows(plan: dict[str, object]) -> Iterator[float]:
    """Of each step of a plan, how many rows it has read."""
    for step in plan.get("Plans", ()):  # type: ignore[attr-defined] # what EXPLAIN writes
        yield from most_rows(step)
    yield float(plan["Actual Rows"]) * float(plan["Actual Loops"])  # type: ignore[arg-type] # what EXPLAIN writes
    yield float(plan.get("Rows Removed by Filter", 0))  # type: ignore[arg-type] # what EXPLAIN writes


@pytest.mark.parametrize("analysed", ["never", "early", "amid", "late"])
async def test_no_question_about_links_reads_a_hub_or_a_chain_whole(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, analysed: str
) -> None:
    """Neither while the planner knows nothing of the tables yet, nor while it knows what they were, nor when it knows all."""
    worker, first = await open_pipeline(), 0
    hubs = [[f"anonymous:v{n}", "device:hub"] for n in range(HUB)]
    kiosk = [[f"customer:v{n}", "device:kiosk"] for n in range(HUB)]
    rich = [["customer:rich", f"device:r{n}"] for n in range(HUB)]
    chain = [[f"anonymous:c{n + end}", f"device:c{n}"] for n in range(HUB // 2) for end in (0, 1)]
    for table in ("link", "identity"):
        await database.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
    last_before = {"early": hubs[:5], "amid": kiosk}
    for events in (hubs[:5], hubs[5:], kiosk, rich, chain):
        first = await count(worker, events, first=first)
        if events == last_before.get(analysed):
            await database.execute("ANALYZE")
    aliases = [said(first + n, [f"customer:a{n}"], key="server", alias=f"a{n + 1}") for n in range(HUB)]
    await worker.process(chunk(aliases, first=first, at_ms=NOW_MS))
    if analysed == "late":
        await database.execute("ANALYZE")
    wanted = ["anonymous:v9", "device:hub", "device:kiosk", "customer:rich", "anonymous:c1000", "device:c1000"]
    wanted += ["customer:a7", "customer:a2000"]
    numbers = await database.fetchval("SELECT array_agg(id) FROM identity WHERE value = ANY($1)", wanted)
    questions = {
        "nodes_around": [numbers],
        "links_among": [numbers, [LEVELS - 1] * len(numbers)],
        "best_claims": [numbers],
        "claims_from": [numbers, [BOUNDS.claims] * len(numbers), [20] * len(numbers)],
    }

    for name, arguments in questions.items():
        text = await database.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {SQL[name]}", *arguments)
        assert max(most_rows(json.loads(text)[0]["Plan"])) <= 2 * BOUNDS.claims, (name, text)


async def test_a_hub_is_nobody_in_particular_and_the_doctor_and_the_page_tell_of_it(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, postgres_dsn: str
) -> None:
    worker, first = await open_pipeline(), 0
    hub = [[f"anonymous:v{n}", "device:hub"] for n in range(2 * BOUNDS.peers)]
    rich = [["customer:rich", f"device:r{n}"] for n in range(2 * BOUNDS.claims)]
    for events in (hub, rich):
        first = await count(worker, events, first=first)

    assert await stored_persons(database) == await by_the_rules(database)
    await assert_scores_are_of_the_tallies(database)
    [query] = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    shared = [tuple(row) for row in await database.fetch(query)]
    assert shared[:2] == [
        ("customer:rich", "shop", "browser", 2 * BOUNDS.claims),
        ("device:hub", "shop", "browser", 2 * BOUNDS.peers),
    ]
    async with connected(postgres_dsn, application="test") as statements:
        assert await crowded(statements) == Crowded(1, 2 * BOUNDS.peers + 1, 0)


def crowded_history(seed: int) -> list[bytes]:
    """People who share devices and cards by keys of every kind, with enough of them for crowds to form."""
    rng = random.Random(seed)
    strong = [f"loyalty:l{n}" for n in range(8)] + [f"email_hash:e{n}" for n in range(8)]
    weak = [f"anonymous:a{n}" for n in range(60)] + [f"device:d{n}" for n in range(8)]
    values = []
    for number in range(300):
        identities = rng.sample(strong, k=rng.choice([0, 0, 1])) + rng.sample(weak, k=rng.choice([1, 2]))
        if rng.random() < 0.3:
            identities.insert(0, f"customer:c{rng.randrange(6)}")
        key = rng.choice(["server", "till", "signed", "browser", "browser"])
        alias = f"c{rng.randrange(4)}" if identities[0].startswith("customer:") and rng.random() < 0.1 else ""
        key = "server" if alias else key
        values.append(said(number, identities, key=key, minutes=rng.randrange(40), alias=alias))
    return values


@pytest.mark.parametrize("seed", range(3))
async def test_workers_that_race_end_with_the_persons_that_the_set_of_links_says(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, seed: int
) -> None:
    workers = [await open_pipeline() for _ in range(3)]
    lanes = [(topic, part) for topic in (EVENTS, LATE) for part in range(3)]
    for number, lane in enumerate(lanes):
        await workers[number % 3].take_ownership({lane: Bounds(0, END)})
    chunks = spread(crowded_history(seed), seed)

    async def run(number: int) -> None:
        first, (topic, part) = 0, lanes[number]
        for values in chunks[number :: len(lanes)]:
            await workers[number % 3].process(chunk(values, first=first, part=part, topic=topic, at_ms=NOW_MS))
            first += len(values)

    await asyncio.gather(*map(run, range(len(lanes))))

    assert await stored_persons(database) == await by_the_rules(database)
    await assert_scores_are_of_the_tallies(database)


async def test_customers_whom_a_server_s_alias_joins_are_one_person_by_the_smaller_name(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    worker = await open_pipeline()
    values = [
        said(0, ["customer:c2", "device:d"], key="server"),
        said(1, ["customer:c3"], key="server"),
        said(2, ["customer:c3"], key="server", alias="c2"),
        said(3, ["customer:c1"], key="server"),
        said(4, ["customer:c2"], key="server", alias="c1"),
    ]

    for first, value in enumerate(values):
        await worker.process(chunk([value], first=first, at_ms=NOW_MS))

    assert set((await stored_persons(database)).values()) == {"customer:c1"}
    assert list(await stored(database)) == ["customer:c1"]
    assert await stored(database) == await recomputed(database)
    tombs = await database.fetch(
        "SELECT i.value, m.value FROM person AS p JOIN identity AS i USING (id) JOIN identity AS m ON m.id = p.merged_into "
        "WHERE i.value LIKE 'customer:%' ORDER BY 1"
    )
    assert [tuple(row) for row in tombs] == [("customer:c2", "customer:c1"), ("customer:c3", "customer:c1")]
    kept = await database.fetch("SELECT event_id, source, level FROM link WHERE alias ORDER BY event_id")
    assert [tuple(row) for row in kept] == [("e-2", "shop", -1), ("e-4", "shop", -1)]


async def test_aliases_of_too_many_customers_part_them_and_the_doctor_tells_of_it(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, postgres_dsn: str
) -> None:
    worker, count_of = await open_pipeline(), BOUNDS.aliases + 1
    values = [said(n, [f"customer:c{n:02}", f"loyalty:c{n:02}"], key="server") for n in range(count_of)]
    joins = [said(100 + n, [f"customer:c{n:02}"], key="server", alias=f"c{n + 1:02}") for n in range(count_of - 1)]
    await worker.process(chunk([*values, *joins[1:]], at_ms=NOW_MS))
    assert len(await stored(database)) == 2

    await worker.process(chunk(joins[:1], first=len(values) + len(joins) - 1, at_ms=NOW_MS))

    named = await stored_persons(database)
    assert named == {
        f"{kind}:c{n:02}": f"customer:c{n:02}" for kind in ("customer", "loyalty") for n in range(count_of)
    }
    assert named == await by_the_rules(database)
    await assert_scores_are_of_the_tallies(database)
    async with connected(postgres_dsn, application="test") as statements:
        assert await crowded(statements) == Crowded(customers=0, others=0, aliased=count_of)


async def test_whoever_links_waits_only_for_those_whom_the_links_are_about(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    worker = await open_pipeline()
    await count(worker, [["anonymous:a"], ["device:d"]])
    neighbour = await open_pipeline()

    async with database.transaction():
        await database.execute(
            "SELECT FROM person JOIN identity USING (id) WHERE value = 'anonymous:a' FOR UPDATE OF person"
        )
        waiting = asyncio.create_task(count(neighbour, [["anonymous:a", "device:d"]], first=2))
        await wait_until_somebody_waits(database)
        other = chunk([said(9, ["customer:c", "device:e"])], part=1, at_ms=NOW_MS)
        await neighbour.process(other)
        assert (await stored_persons(database))["device:e"] == "customer:c"
        assert not waiting.done()
    await waiting

    assert (await stored_persons(database))["device:d"] == "anonymous:a"


async def wait_until_somebody_waits(database: asyncpg.Connection) -> None:
    """Return when a worker stands before a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(10):
        while not await database.fetchval(query):  # noqa: ASYNC110 - the event is in the database
            await asyncio.sleep(0.01)


async def test_a_browser_key_moves_neither_what_a_server_linked_to_a_customer_nor_its_score(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    """A thief names the victim's card, e-mail, phone and devices beside a customer of its own, dated long before."""
    worker = await open_pipeline()
    own = ["loyalty:l", "email_hash:e", "phone_hash:p", "device:d", "anonymous:a"]
    values = [said(0, ["customer:victim", *own], key="server", minutes=600)]
    values += [said(n, [own[n % 5]], key="server", minutes=600 + n) for n in range(1, 20)]
    await worker.process(chunk(values, at_ms=NOW_MS))
    before = await stored(database)

    await worker.process(
        chunk([said(100 + n, ["customer:thief", *own], minutes=n) for n in range(8)], first=len(values), at_ms=NOW_MS)
    )

    named = await stored_persons(database)
    assert {named[one] for one in own} == {"customer:victim"}
    assert (await stored(database))["customer:victim"] == before["customer:victim"]
