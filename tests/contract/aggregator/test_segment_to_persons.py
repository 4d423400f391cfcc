"""The seam between two services that never import each other: whom calls of Segment's protocol name is one person."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

import pytest

from schemas.topics import DLQ
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.processor import Bounds
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import SystemClock
from tests.support.chunks import chunk
from tests.support.doors import memory_client
from tests.support.memory_log import MemoryLog
from tests.support.memory_store import MemoryStore
from tests.support.said_log import SaidLog
from tests.support.senders import BROWSER_KEY, SERVER_KEY, SHOP_PAGE

NOON_MS = 1_772_366_400_000

PAGE: list[tuple[str, dict[str, Any]]] = [
    ("track", {"anonymousId": "v-7", "event": "Product Viewed"}),
    ("identify", {"anonymousId": "v-7", "userId": "c2"}),
    ("identify", {"anonymousId": "v-7", "userId": None}),
    ("identify", {"anonymousId": "v-7", "userId": "null", "traits": {"email": "n/a"}}),
    ("page", {"anonymousId": "v-7", "userId": "c2"}),
    ("group", {"anonymousId": "v-7", "userId": "c2", "groupId": "acme"}),
    ("alias", {"userId": "c2", "previousId": "stranger"}),
]
"""What a page sends beside each other, so that it arrives in any order; its alias is not believed."""

SERVER: list[tuple[str, dict[str, Any]]] = [
    ("track", {"userId": "c3", "event": "Order Completed"}),
    ("alias", {"userId": "c2", "previousId": "c3"}),
    ("alias", {"userId": "c1", "previousId": "c2"}),
    ("group", {"userId": "c9", "groupId": "acme", "traits": {"email": "info@acme.example"}}),
    ("group", {"userId": "c8", "groupId": "acme", "traits": {"email": "info@acme.example"}}),
    ("track", {"userId": "stranger", "event": "Order Completed"}),
]


async def logged(calls: Iterable[tuple[str, str, Mapping[str, Any]]]) -> list[bytes]:
    """What the log gets of calls by these keys."""
    log = MemoryLog()
    async with memory_client(log, Origin=SHOP_PAGE) as client:
        for number, (key, kind, message) in enumerate(calls):
            path, body = f"/v1/{kind}?writeKey={key}", {"messageId": f"m-{number}", "timestamp": None, **message}
            answer = await client.post(path, content=json.dumps(body), headers={"content-type": "text/plain"})
            assert answer.status_code == 200
    return [one.value for one in log.records if one.topic != DLQ]


@pytest.mark.parametrize("seed", range(12))
async def test_calls_in_any_order_make_the_same_persons(seed: int) -> None:
    random, store = Random(seed), MemoryStore()
    calls = [*((BROWSER_KEY, *call) for call in PAGE), *((SERVER_KEY, *call) for call in SERVER)]
    random.shuffle(calls)
    values = await logged(calls)
    said = SaidLog(store)
    worker = await Pipeline.on(store, said, load_catalogue(), cache_rows_max=1000, clock=SystemClock())
    await worker.take_ownership({partition: Bounds(*ends) for partition, ends in said.bounds.items()})

    first = 0
    while values:
        size = random.choice([1, 3, 20])
        await worker.process(chunk(values[:size], first=first, at_ms=NOON_MS))
        values, first = values[size:], first + len(values[:size])
    await worker.close()

    value_of = {number: value for value, number in store._names.items()}
    people = {value_of[number]: value_of[person] for number, person in store.state.person_of.items()}
    one = ("customer:c1", "customer:c2", "customer:c3", "anonymous:v-7", "anonymous:c2", "anonymous:c3")
    alone = ("customer:c8", "customer:c9", "customer:stranger")
    assert people == dict.fromkeys(one, "customer:c1") | {name: name for name in alone}
    assert store.state.letters == {}
