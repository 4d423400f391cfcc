"""Judge a quiet stack: does the store hold exactly what the raw log says, and is every acknowledged event in it?

Its own program: another Kafka client (confluent-kafka), plain dicts and integers, no code of the services.
Exit code 0 = nothing lost, nothing counted twice, everything equal; 1 = violations; 2 = could not judge.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import asyncpg
from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.faults.expected import LogRecord, replay
from tests.faults.findings import Holdings, Progress, compare
from tests.faults.ledger import read_ledger
from tests.faults.persons import read_model
from tests.reference.promises import read_book

EVENT_TOPICS: Final = ("cx.touchpoints.v1", "cx.touchpoints.late.v1")
DLQ: Final = "cx.touchpoints.dlq.v1"
CATALOGUE: Final = Path(__file__).parents[2] / "schemas" / "catalogue.yaml"
READ_S: Final = 10.0
"""Silence of the broker after which reading the log is given up."""

BATCH: Final = 10_000
"""The client waits until it has all that was asked for, so never ask for more than there is."""

Ends = dict[tuple[str, int], tuple[int, int]]


def open_reader(bootstrap: str) -> Consumer:
    """A client that belongs to no group and commits nothing."""
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "tactus-oracle",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": False,
            "log_level": 0,
        }
    )


def log_bounds(reader: Consumer, topics: tuple[str, ...]) -> Ends:
    """First offset and end of every partition of the topics."""
    bounds: Ends = {}
    for topic in topics:
        known = reader.list_topics(topic, timeout=READ_S).topics[topic].partitions
        for part in sorted(known):
            bounds[topic, part] = reader.get_watermark_offsets(TopicPartition(topic, part), timeout=READ_S)
    return bounds


def read_partition(reader: Consumer, topic: str, part: int, bounds: tuple[int, int]) -> Iterator[LogRecord]:
    """Every record of one partition up to its end as it was, in order."""
    start, end = bounds
    position = start
    if start == end:
        return
    reader.assign([TopicPartition(topic, part, start)])
    while position < end:
        messages = reader.consume(min(end - position, BATCH), timeout=READ_S)
        if not messages:
            raise TimeoutError(f"{topic}/{part} fell silent at {position} of {end}")
        for message in messages:
            if message.error():
                raise KafkaException(message.error())
            offset = message.offset()
            if offset is None or offset >= end:
                break
            yield LogRecord(topic, part, offset, message.value())
            position = offset + 1


TALLIES: Final = "SELECT identity, touchpoint, channel, place, hour, n, q, pos, neg, pos2, neg2, best, worst FROM tally"
TOUCHPOINTS: Final = (
    "SELECT source, event_id, identity, touchpoint, channel, place, occurred_at, received_at, valence, stake,"
    " body::text AS body FROM touchpoint"
)
DEAD: Final = "SELECT origin, reason, topic, part, log_offset FROM dead_letter"
PERSONS: Final = "SELECT i.value, p.value AS person FROM identity AS i JOIN identity AS p ON p.id = i.person"
SCORES: Final = "SELECT * FROM customer_score"
ALERTS: Final = "SELECT id::text AS alert, state FROM alert"
STEPS: Final = """
SELECT value ->> 'alert' AS alert, value ->> 'state' AS state
FROM (SELECT convert_from(value, 'UTF8')::json AS value FROM outbox WHERE topic = 'cx.alerts.v1') AS letters
WHERE value ->> 'alert' IS NOT NULL
"""
PROGRESS: Final = (
    "SELECT topic, part, next, start, applied, duplicate, conflict, dead, erased, lost FROM partition_progress"
)


async def read_holdings(dsn: str) -> Holdings:
    """What the store says, through the views and names that SQL users rely on."""
    store = await asyncpg.connect(dsn)

    async def rows(sql: str) -> list[dict[str, Any]]:
        return [dict(row) for row in await store.fetch(sql)]

    try:
        async with store.transaction(isolation="repeatable_read", readonly=True):
            return Holdings(
                tallies=await rows(TALLIES),
                touchpoints=await rows(TOUCHPOINTS),
                dead=await rows(DEAD),
                progress={(row["topic"], row["part"]): Progress(*row[2:]) for row in await store.fetch(PROGRESS)},
                persons={row["value"]: row["person"] for row in await store.fetch(PERSONS)},
                scores=await rows(SCORES),
                alerts=await rows(ALERTS),
                steps=await rows(STEPS),
            )
    finally:
        await store.close()


def judge_stack(*, bootstrap: str, dsn: str, ledger: Path | None) -> dict[str, Any]:
    """Read everything and list the violations."""
    reader = open_reader(bootstrap)
    try:
        bounds = log_bounds(reader, (*EVENT_TOPICS, DLQ))
        records = (
            record
            for (topic, part), limits in bounds.items()
            if topic in EVENT_TOPICS
            for record in read_partition(reader, topic, part, limits)
        )
        book = read_book(CATALOGUE)
        expected = replay(records, book)
        holdings = asyncio.run(read_holdings(dsn))
    finally:
        reader.close()
    lines = list(read_ledger(ledger)) if ledger else []
    return compare(expected, holdings, model=read_model(CATALOGUE), book=book, bounds=bounds, ledger=lines)


def main() -> int:
    """Judge, print the counts, and say by the exit code whether anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--bootstrap", required=True, help="Kafka, host:port")
    parser.add_argument("--postgres", required=True, help="connection URL of the store")
    parser.add_argument("--ledger", type=Path, help="the driver's ledger")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args()
    try:
        report = judge_stack(bootstrap=options.bootstrap, dsn=options.postgres, ledger=options.ledger)
    except (KafkaException, TimeoutError, OSError, asyncpg.PostgresError) as error:
        sys.stderr.write(f"oracle: could not judge: {error!r}\n")
        return 2
    sys.stdout.write(json.dumps(report, indent=None if options.json else 2) + "\n")
    return 1 if report["violations"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
