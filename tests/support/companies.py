"""Companies for tests: what keys tell of persons who act for them, from the door to the worker's tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from pydantic import SecretStr

from schemas.topics import DLQ
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.counting.ports import Store
from services.aggregator.processor import Bounds
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import SystemClock
from services.infra.settings import PostgresSettings
from services.state.database import Database
from services.state.roles import WORKER
from tests.support.chunks import chunk
from tests.support.clocks import NOON
from tests.support.databases import as_role
from tests.support.doors import memory_client
from tests.support.memory_log import MemoryLog
from tests.support.said_log import SaidLog
from tests.support.senders import BACKFILL_KEY

NOON_MS = int(NOON.timestamp() * 1000)


class Told(NamedTuple):
    """One event as a server tells it."""

    event_id: str
    customer: str
    touchpoint: str
    time: str
    account: str | None = None
    role: object = None
    also: str | None = None
    """Another identity, kind:value."""

    @property
    def native(self) -> dict[str, object]:
        identities = [f"customer:{self.customer}", *([] if self.also is None else [self.also])]
        data: dict[str, object] = {
            "touchpoint": self.touchpoint,
            "identities": [dict(zip(("kind", "value"), one.split(":", 1), strict=True)) for one in identities],
        }
        if self.account is not None:
            data["account"] = self.account
        if self.role is not None:
            data["properties"] = {"role": self.role}
        return {"id": self.event_id, "time": self.time, "data": data}


async def logged(told: Sequence[Told], *, key: str = BACKFILL_KEY) -> list[bytes]:
    """What the log gets of these events, in their order; all are taken."""
    log = MemoryLog(buffer_bytes_max=8 * 1024 * 1024)
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    async with memory_client(log) as client:
        for one in told:
            answer = await client.post("/v1/events", content=json.dumps(one.native), headers=headers)
            assert answer.status_code == 202, answer.text
    return [one.value for one in log.records if one.topic != DLQ]


async def counted(store: Store, values: Sequence[bytes], *, random: Random) -> None:
    """Count these records in chunks of any size, by a worker that closes the store afterwards."""
    said = SaidLog(store)
    worker = await Pipeline.on(store, said, load_catalogue(), cache_rows_max=1000, clock=SystemClock())
    try:
        await worker.take_ownership({partition: Bounds(*ends) for partition, ends in said.bounds.items()})
        first = 0
        while first < len(values):
            size = random.choice([1, 2, 5, 20])
            await worker.process(chunk(values[first : first + size], first=first, at_ms=NOON_MS))
            first = min(first + size, len(values))
    finally:
        await worker.close()


async def store_companies(dsn: str, told: Sequence[Told], *, random: Random | None = None) -> None:
    """Let these events come by the door and be counted in a database; shuffled, and in chunks of any size, by `random`."""
    dice = random or Random(0)
    came = dice.sample(told, len(told)) if random else told
    settings = PostgresSettings(dsn=SecretStr(as_role(dsn, WORKER)))
    await counted(await Database.open(settings, lanes=2), await logged(came), random=dice)
