"""Bad records written straight to Kafka, past ingest: what any other producer could do to the log."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any, Final

from confluent_kafka import Message, Producer

from tests.faults.ledger import Ledger

TOPICS: Final = ("cx.touchpoints.v1", "cx.touchpoints.late.v1")
PARTITIONS: Final = 8
RUN: Final = 10
"""Bad records in a row on one partition, every so often."""
FLUSH_S: Final = 60.0


def bad_values(dice: random.Random) -> list[bytes | None]:
    """One of each kind that must become a dead letter."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"p-{dice.getrandbits(64)}",
        "source": "storm/poison",
        "type": "tactus.touchpoint.v1",
        "time": "2026-01-01T00:00:00Z",
        "receivedat": "2026-01-01T00:00:00Z",
        "subject": "customer:c-1",
        "data": {
            "touchpoint": "web.page_viewed",
            "channel": "web",
            "identities": [{"kind": "customer", "value": "c-1"}],
        },
    }
    return [
        None,
        b"",
        dice.randbytes(200),
        b"\x00\x00\x00\x00\x01" + dice.randbytes(50),
        b"[1, 2, 3]",
        b'{"specversion": "1.0"',
        json.dumps(event | {"type": "tactus.touchpoint.v9"}).encode(),
        json.dumps(event | {"specversion": "0.3"}).encode(),
        json.dumps({name: value for name, value in event.items() if name != "data"}).encode(),
        json.dumps(event | {"time": "yesterday"}).encode(),
        json.dumps(event | {"data": "text"}).encode(),
        json.dumps(event)[:-40].encode() + b'\xff"}}',
    ]


class Poisoner:
    """Writes a bad record now and then, sometimes ten in a row, and notes in the ledger where each one lies."""

    def __init__(self, bootstrap: str, *, ledger: Ledger, seed: int) -> None:
        self.producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "log_level": 0})
        self.ledger = ledger
        self.dice = random.Random(seed + 2)
        self.stopping = asyncio.Event()
        self.noted = 0

    async def run(self, *, every_s: float) -> int:
        """Poison until told to stop; how many records the log has."""
        while every_s > 0 and not self.stopping.is_set():
            topic, part = self.dice.choice(TOPICS), self.dice.randrange(PARTITIONS)
            kinds = bad_values(self.dice)
            for _ in range(RUN if self.dice.random() < 0.1 else 1):
                self.producer.produce(
                    topic, self.dice.choice(kinds), key=b"customer:c-1", partition=part, on_delivery=self._noted
                )
            self.producer.poll(0)
            try:
                async with asyncio.timeout(every_s):
                    await self.stopping.wait()
            except TimeoutError:
                continue
        await asyncio.to_thread(self.producer.flush, FLUSH_S)
        return self.noted

    def _noted(self, error: object, message: Message) -> None:
        if error is None:
            self.noted += 1
            self.ledger.note([{"status": "poison", "place": [message.topic(), message.partition(), message.offset()]}])
