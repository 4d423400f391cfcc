"""What keeping cx.scores.v1 costs: updates published by one process, and the time from an event's 202 to its record."""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Final
from uuid import uuid4

import asyncpg
import httpx
from confluent_kafka import Consumer
from pydantic import SecretStr

from bench.latency import BATCH, WARM_UP_S, Load, event, figures
from bench.report import publish, working_directory
from schemas.topics import SCORES
from services.client.connection import Connection
from services.embedded.kafka import EmbeddedKafka
from services.embedded.postgres import EmbeddedPostgres
from services.embedded.stack import LocalStack
from services.infra.kafka import FencedProducer, apply_topics
from services.infra.settings import KafkaSettings, PostgresSettings
from services.outbound.feed.changed_scores import ChangedScores
from services.outbound.feed.publishing import Publishing
from services.state.migrations import migrate
from services.state.outbound import OutboundDatabase

PERSONS: Final = 50_000
CHUNK: Final = 500
"""Persons of a transaction, as a worker under load writes them."""

GOAL_PER_S: Final = 5000
PROBES_PER_S: Final = 20
PATIENCE_S: Final = 30.0

PEOPLE: Final = """
WITH m AS (INSERT INTO model (version) VALUES ('bench') RETURNING id),
i AS (INSERT INTO identity (id, value, person) SELECT n, 'customer:bench-' || n, n FROM generate_series(1, $1::int) AS n RETURNING id)
INSERT INTO person (id, model, version, score, confidence) SELECT i.id, m.id, i.id, 100 * random(), random() * .9 FROM i, m
"""
CHANGES: Final = """
INSERT INTO score_change (version, model, persons, scores, confidences, bands)
SELECT max(id), 1, array_agg(id), array_agg(score), array_agg(confidence), array_agg(band) FROM person GROUP BY id / $1::int
"""


async def published(folder: Path, *, persons: int) -> dict[str, object]:
    """Updates a second of one process that has a backlog, nobody twice in it, and the CPU of each on our side."""
    server, broker = EmbeddedPostgres(folder), EmbeddedKafka(folder / "kafka")
    server.start()
    broker.start()
    try:
        settings = KafkaSettings(bootstrap=broker.bootstrap)
        await migrate(server.dsn)
        await apply_topics(settings)
        owner = await asyncpg.connect(server.dsn)
        await owner.execute(PEOPLE, persons)
        database = OutboundDatabase(PostgresSettings(dsn=SecretStr(server.dsn)), application="tactus-bench")
        producer = FencedProducer(settings, name="tactus-bench", deadline_s=60)
        feed = Publishing(database, producer, ChangedScores(), holder=uuid4(), lease_s=600)
        while await feed.step() == 0:
            pass  # it takes its name and its place
        await owner.execute(CHANGES, CHUNK)
        began, cpu = time.perf_counter(), time.process_time()
        while await feed.step() == 0:
            pass
        took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
        await feed.stop()
        await database.close()
        await owner.close()
    finally:
        broker.stop()
        server.stop()
    return {
        "updates": persons,
        "updates_per_s": round(persons / took_s),
        "updates_per_s_goal": GOAL_PER_S,
        "cpu_us_per_update": round(1e6 * cpu_s / persons, 1),
    }


class Follower(threading.Thread):
    """Notes when each customer's first record came, by another client than the product's."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(daemon=True)
        self.came: dict[str, float] = {}
        self._brokers = bootstrap
        self._told = threading.Event()

    def run(self) -> None:
        """Read until told to stop."""
        consumer = Consumer(
            {
                "bootstrap.servers": self._brokers,
                "group.id": "bench",
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 10,
            }
        )
        consumer.subscribe([SCORES])
        while not self._told.is_set():
            for message in consumer.consume(1000, timeout=0.01):
                if message.error() is None:
                    self.came.setdefault(json.loads(message.value() or b"{}").get("customer", ""), time.monotonic())
        consumer.close()

    def stop(self) -> None:
        """Leave off."""
        self._told.set()
        self.join()


async def waited(connection: Connection, *, rate: int, seconds: float) -> dict[str, object]:
    """Seconds from the 202 of a new customer's first event to the record, beside a steady load."""
    follower = Follower(connection.kafka)
    follower.start()
    acknowledged: dict[str, float] = {}
    headers = {"Authorization": f"Bearer {connection.keys['server']}"}

    async def probe(number: int) -> None:
        answer = await ingest.post("/v1/events", json=event(f"p-{number}", customer=f"probe-{number}"))
        answer.raise_for_status()
        acknowledged[f"customer:probe-{number}"] = time.monotonic()

    async with httpx.AsyncClient(base_url=connection.ingest, headers=headers, timeout=30) as ingest:
        load = Load(ingest, rate=max(BATCH, rate - PROBES_PER_S), seconds=seconds + WARM_UP_S)
        running = asyncio.create_task(load.run())
        await asyncio.sleep(WARM_UP_S)
        async with asyncio.TaskGroup() as probes:
            for number in range(int(seconds * PROBES_PER_S)):
                probes.create_task(probe(number))
                await asyncio.sleep(1 / PROBES_PER_S)
        await running
    ended = time.monotonic()
    while not acknowledged.keys() <= follower.came.keys() and time.monotonic() - ended < PATIENCE_S:  # noqa: ASYNC110 - a thread notes what is waited for
        await asyncio.sleep(0.1)
    follower.stop()
    waits = [follower.came[customer] - when for customer, when in acknowledged.items()]
    return {**figures(waits), "rate": rate, "generator_late_ms": round(load.late_s * 1000, 1)}


async def run(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Both measurements, one after the other."""
    found = await published(folder / "feed", persons=arguments.persons)
    if arguments.seconds:
        async with LocalStack(folder / "data", workers=1) as connection:
            found["from_202_to_record"] = await waited(connection, rate=arguments.rate, seconds=arguments.seconds)
    return found


def main() -> None:
    """Print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--persons", type=int, default=PERSONS)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30, help="of load; 0 leaves the second measurement out")
    arguments = parser.parse_args()
    with working_directory() as folder:
        (folder / "feed").mkdir()
        publish(asyncio.run(run(arguments, folder)), path=arguments.json)


if __name__ == "__main__":
    main()
