"""An event counts once, and every record is accounted for."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from schemas.topics import DLQ, EVENTS, LATE
from services.aggregator.processor import Bounds
from services.infra.errors import ConfigurationError, FencedError
from tests.integration.aggregator.counting.conftest import OpenPipeline
from tests.support.chunks import LogRecord, chunk, event

pytestmark = pytest.mark.integration

NOON = "2026-06-01T12:00:00Z"
NOON_MS = 1_780_315_200_000


async def totals(database: asyncpg.Connection, topic: str = EVENTS) -> dict[str, int]:
    row = await database.fetchrow(
        "SELECT sum(applied)::int AS applied, sum(duplicate)::int AS duplicate, sum(conflict)::int AS conflict, "
        "sum(dead)::int AS dead, sum(next)::int AS next FROM partition_progress WHERE topic = $1",
        topic,
    )
    assert row is not None
    return dict(row)


async def counted(database: asyncpg.Connection) -> int:
    return int(await database.fetchval("SELECT coalesce(sum(n), 0)::int FROM tally"))


async def test_an_event_delivered_twice_in_a_chunk_counts_once(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    worker = await open_pipeline()

    await worker.process(chunk([event("e-1", time=NOON), event("e-1", time=NOON)], at_ms=NOON_MS))

    assert await counted(database) == 1
    assert await totals(database) == {"applied": 1, "duplicate": 1, "conflict": 0, "dead": 0, "next": 2}


async def test_an_event_delivered_again_later_and_by_the_late_topic_counts_once(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    worker = await open_pipeline()
    await worker.process(chunk([event("e-1", time=NOON), event("e-2", time=NOON)], at_ms=NOON_MS))

    await worker.process(chunk([event("e-2", time=NOON), event("e-3", time=NOON)], first=2, at_ms=NOON_MS))
    await worker.process(chunk([event("e-1", time=NOON)], topic=LATE, at_ms=NOON_MS))

    assert await counted(database) == 3
    assert await totals(database) == {"applied": 3, "duplicate": 1, "conflict": 0, "dead": 0, "next": 4}
    assert await totals(database, LATE) == {"applied": 0, "duplicate": 1, "conflict": 0, "dead": 0, "next": 1}


async def test_the_same_event_with_another_body_is_a_conflict_with_a_dead_letter(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    worker = await open_pipeline()
    other = event("e-1", time=NOON, extra={"text": "another"})
    await worker.process(chunk([event("e-1", time=NOON), other], at_ms=NOON_MS))

    await worker.process(chunk([other], first=2, at_ms=NOON_MS))

    letters = await database.fetch("SELECT reason, log_offset, value FROM dead_letter ORDER BY log_offset")
    assert [(row["reason"], row["log_offset"], row["value"]) for row in letters] == [
        ("conflict", 1, other),
        ("conflict", 2, other),
    ]
    assert await totals(database) == {"applied": 1, "duplicate": 0, "conflict": 2, "dead": 0, "next": 3}


async def test_the_same_id_at_another_time_is_the_same_event(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    worker = await open_pipeline()

    await worker.process(
        chunk([event("e-1", time=NOON), event("e-1", time="2026-06-01T11:00:00.000001Z")], at_ms=NOON_MS)
    )
    await worker.process(chunk([event("e-1", time="2026-05-31T12:00:00Z")], first=2, at_ms=NOON_MS))

    assert await counted(database) == 1
    assert await totals(database) == {"applied": 1, "duplicate": 2, "conflict": 0, "dead": 0, "next": 3}


async def test_an_event_without_a_time_of_its_own_is_known_by_source_and_id(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    worker = await open_pipeline()
    arrival = {"timeorigin": "arrival"}
    await worker.process(chunk([event("e-1", time=NOON, envelope=arrival)], at_ms=NOON_MS))

    again = event("e-1", time="2026-06-01T12:00:07Z", envelope=arrival)
    other = event("e-1", time="2026-06-01T12:00:09Z", envelope=arrival, extra={"text": "another"})
    await worker.process(chunk([again, other, again], first=1, at_ms=NOON_MS))

    assert await counted(database) == 1
    assert await totals(database) == {"applied": 1, "duplicate": 2, "conflict": 1, "dead": 0, "next": 4}


async def test_a_clamped_event_that_is_sent_again_once_its_time_has_come_counts_once(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    worker = await open_pipeline()
    ahead = "2026-06-01T12:07:00Z"
    clamped = {"timeorigin": "clamped", "clienttime": ahead}
    first = event("e-1", time=NOON, envelope=clamped)
    again = event("e-1", time=ahead)
    other = event("e-1", time=ahead, extra={"text": "another"})
    await worker.process(chunk([first], at_ms=NOON_MS))

    await worker.process(chunk([again, other], first=1, at_ms=NOON_MS))
    both = [event("e-2", time=NOON, envelope=clamped), event("e-2", time=ahead)]
    await worker.process(chunk(both, first=3, at_ms=NOON_MS))

    assert await counted(database) == 2
    assert await totals(database) == {"applied": 2, "duplicate": 2, "conflict": 1, "dead": 0, "next": 5}


@pytest.mark.parametrize("cut", [1, 2, 3, 4], ids="cut after {}".format)
async def test_an_event_that_is_clamped_when_it_is_sent_again_counts_once(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, cut: int
) -> None:
    worker = await open_pipeline()
    ahead = "2026-06-01T12:07:00Z"
    clamped = {"timeorigin": "clamped", "clienttime": ahead}
    another = {"text": "another"}
    log = [
        event("e-1", time=ahead),
        event("e-1", time=NOON, envelope=clamped, extra=another),
        event("e-1", time=NOON, envelope=clamped),
        event("e-1", time=ahead, extra=another),
    ]

    await worker.process(chunk(log[:cut], at_ms=NOON_MS))
    if log[cut:]:
        await worker.process(chunk(log[cut:], first=cut, at_ms=NOON_MS))

    assert await counted(database) == 1
    assert await totals(database) == {"applied": 1, "duplicate": 1, "conflict": 2, "dead": 0, "next": 4}
    dead = await database.fetch("SELECT log_offset FROM dead_letter ORDER BY 1")
    assert [row["log_offset"] for row in dead] == [1, 3]


async def test_records_that_can_never_count_become_dead_letters_and_the_partition_goes_on(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    worker = await open_pipeline()
    good = event("e-1", time=NOON)
    bad: list[bytes | None] = [
        None,
        b"\x00\xff\xfe",
        b"{}",
        b"[" * 100_000,
        b'{"specversion": "1.0", "id": ',
        good.replace(b'"tactus.touchpoint.v1"', b'"tactus.touchpoint.v9"'),
        good.replace(b"customer:c-1", b"customer:null"),
        good.replace(b'"order.completed"', b'"order\\u0000completed"'),
        good.replace(NOON.encode(), b"1931-06-01T12:00:00Z"),
        event("e-9", time=NOON, identities=("customer:a", "customer:b")),
        event("e-9", time=NOON, identities=("email:ann@mail.example",)),
        event("e-9", time=NOON, identities=("customer:a", "phone:+48600100200")),
        event("e-9", time=NOON, touchpoint="survey.nps", extra={"rating": {"scale": "nps", "value": 11}}),
    ]

    await worker.process(chunk([*bad, good], at_ms=NOON_MS))

    rows = await database.fetch("SELECT reason, origin, value FROM dead_letter ORDER BY log_offset")
    assert [row["reason"] for row in rows] == [
        "null_value",
        "malformed_json",
        "invalid_event",
        "invalid_event",
        "malformed_json",
        "unknown_version",
        "refused_identity",
        "invalid_character",
        "time_out_of_range",
        "two_customers",
        "refused_identity",
        "refused_identity",
        "invalid_argument",
    ]
    assert [row["value"] for row in rows] == bad
    assert {row["origin"] for row in rows} == {"aggregator"}
    assert await totals(database) == {"applied": 1, "duplicate": 0, "conflict": 0, "dead": 13, "next": 14}


async def test_what_ingest_refused_is_copied_beside_the_workers_own_dead_letters(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    worker = await open_pipeline()
    refused = LogRecord(0, NOON_MS, None, b'{"half": ', [("reason", b"malformed-json"), ("detail", b"cut")])

    await worker.process(chunk([], topic=DLQ, at_ms=NOON_MS)._replace(next=1, records=[refused]))

    row = await database.fetchrow("SELECT origin, reason, detail, value FROM dead_letter")
    assert tuple(row or ()) == ("ingest", "malformed-json", "cut", b'{"half": ')
    assert await counted(database) == 0


async def test_a_worker_that_lost_its_partition_is_fenced_and_changes_nothing(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    zombie = await open_pipeline()
    await zombie.process(chunk([event("e-1", time=NOON)], at_ms=NOON_MS))
    owner = await open_pipeline()

    with pytest.raises(FencedError):
        await zombie.process(chunk([event("e-2", time=NOON)], first=1, at_ms=NOON_MS))
    await owner.process(chunk([event("e-2", time=NOON)], first=1, at_ms=NOON_MS))

    assert await counted(database) == 2


async def test_what_a_fenced_worker_set_aside_is_not_set_aside(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    zombie = await open_pipeline()
    await open_pipeline()

    with pytest.raises(FencedError):
        await zombie.process(chunk([b"junk", event("e-1", time=NOON)], at_ms=NOON_MS))

    assert await database.fetchval("SELECT count(*) FROM dead_letter") == 0
    assert (await totals(database))["dead"] == 0


async def test_a_chunk_that_starts_elsewhere_than_the_stored_position_is_refused(open_pipeline: OpenPipeline) -> None:
    worker = await open_pipeline()
    await worker.process(chunk([event("e-1", time=NOON)], at_ms=NOON_MS))

    with pytest.raises(FencedError):
        await worker.process(chunk([event("e-1", time=NOON)], at_ms=NOON_MS))


async def test_a_topic_made_anew_is_refused_with_the_command_that_accepts_it(open_pipeline: OpenPipeline) -> None:
    worker = await open_pipeline()
    await worker.process(chunk([event("e-1", time=NOON), event("e-2", time=NOON)], at_ms=NOON_MS))

    with pytest.raises(ConfigurationError, match=r"tactus topics accept cx\.touchpoints\.v1/0"):
        await worker.take_ownership({(EVENTS, 0): Bounds(0, 1)})


async def test_records_that_retention_removed_are_counted_and_stop_the_worker(
    open_pipeline: OpenPipeline, database: asyncpg.Connection
) -> None:
    worker = await open_pipeline()
    await worker.process(chunk([event("e-1", time=NOON)], at_ms=NOON_MS))

    with pytest.raises(ConfigurationError, match="removed 6 records"):
        await worker.take_ownership({(EVENTS, 0): Bounds(7, 9)})

    assert await database.fetchval("SELECT lost FROM partition_progress WHERE topic = $1 AND part = 0", EVENTS) == 6


async def test_a_connection_that_breaks_in_mid_transaction_loses_and_doubles_nothing(
    open_pipeline: OpenPipeline, database: asyncpg.Connection, postgres_dsn: str
) -> None:
    worker = await open_pipeline()
    blocker = await asyncpg.connect(postgres_dsn)
    await worker.process(chunk([event("e-1", time=NOON)], at_ms=NOON_MS))
    async with blocker.transaction():
        await blocker.execute("SELECT 1 FROM person FOR UPDATE")
        work = asyncio.create_task(worker.process(chunk([event("e-2", time=NOON)], first=1, at_ms=NOON_MS)))
        waiting = (
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'tactus-aggregator' AND wait_event_type = 'Lock'"
        )
        while (pid := await database.fetchval(waiting)) is None:  # noqa: ASYNC110 - the event is in the database
            await asyncio.sleep(0.01)
        await database.execute("SELECT pg_terminate_backend($1)", pid)
    await work
    await blocker.close()

    assert await counted(database) == 2
    assert (await totals(database))["applied"] == 2
