"""Bad records in the log become dead letters; nothing stops, and the next good event counts."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from typing import Final

import httpx
import pytest
from confluent_kafka import Message, Producer

from tests.faults.cluster import Cluster
from tests.faults.poison import PARTITIONS, TOPICS, bad_values
from tests.faults.storm import ask_oracle, complaints
from tests.support.places import data_directory
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.e2e]

RUN: Final = 10
DEAD_WITHIN_S: Final = 30.0
"""An idle machine takes under one; two cores with three times too much to do are given thirty."""

Place = tuple[str, int, int]


def write(bootstrap: str, values: Sequence[bytes | None], *, topic: str, part: int) -> dict[Place, bytes | None]:
    """Append records past ingest; where each one lies."""
    written: dict[Place, bytes | None] = {}

    def note(_: object, message: Message) -> None:
        written[topic, part, message.offset() or 0] = message.value()

    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 50})
    for value in values:
        producer.produce(topic, value, key=b"customer:c-1", partition=part, on_delivery=note)
    producer.flush(30)
    assert len(written) == len(values)
    return written


async def dead_letters(cluster: Cluster) -> dict[Place, bytes | None]:
    rows = await cluster.query("SELECT topic, part, log_offset, value FROM dead_letter WHERE origin = 'aggregator'")
    return {(row["topic"], row["part"], row["log_offset"]): row["value"] for row in rows}


async def send_good(cluster: Cluster, event_id: str) -> None:
    connection = cluster.connection
    event = {
        "id": event_id,
        "data": {
            "touchpoint": "order.completed",
            "channel": "web",
            "identities": [{"kind": "customer", "value": event_id}],
        },
    }
    async with httpx.AsyncClient(base_url=connection["ingest"], timeout=10) as client:
        answer = await client.post(
            "/v1/events", json=event, headers={"authorization": f"Bearer {connection['keys']['server']}"}
        )
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text


async def test_poison_becomes_dead_letters_and_the_partition_goes_on() -> None:
    dice = random.Random(3)
    with data_directory() as folder:
        async with Cluster(folder, workers=1) as cluster:
            pids = cluster.connection["pids"]
            bad: dict[Place, bytes | None] = {}
            for topic in TOPICS:
                for part in range(PARTITIONS):
                    bad |= await asyncio.to_thread(write, cluster.bootstrap, bad_values(dice), topic=topic, part=part)
            a_run = [dice.randbytes(64) for _ in range(RUN)]
            bad |= await asyncio.to_thread(write, cluster.bootstrap, a_run, topic=TOPICS[0], part=0)
            written = time.monotonic()

            async def all_dead() -> bool:
                return await dead_letters(cluster) == bad

            await eventually(all_dead, what="every bad record is a dead letter", timeout_s=DEAD_WITHIN_S)
            sys.stdout.write(f"{len(bad)} bad records dead {time.monotonic() - written:.2f} s after the last\n")

            for number in range(2 * PARTITIONS):
                await send_good(cluster, f"good-{number}")

            async def all_counted() -> bool:
                return bool(await cluster.query("SELECT 1 FROM tally HAVING sum(n) = $1", 2 * PARTITIONS))

            await eventually(all_counted, what="good events after the bad ones count")
            assert complaints(await ask_oracle(cluster, ledger=None)) == {}
            assert cluster.connection["pids"] == pids
            assert "ended" not in cluster.up_said()
