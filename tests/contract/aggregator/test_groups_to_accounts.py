"""The seam between the door and the worker: whom calls of Segment's protocol say to act for which company."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from schemas.topics import DLQ
from services.core.instants import hour_of
from tests.support.clocks import NOON
from tests.support.companies import counted
from tests.support.doors import memory_client
from tests.support.memory_log import MemoryLog
from tests.support.memory_store import MemoryStore
from tests.support.senders import BROWSER_KEY, SERVER_KEY, SHOP_PAGE

USER, CHAMPION, DECISION_MAKER = range(3)

CALLS: list[tuple[str, str, dict[str, Any]]] = [
    (SERVER_KEY, "group", {"userId": "c1", "groupId": "acme", "traits": {"role": "decision_maker"}}),
    (SERVER_KEY, "group", {"userId": "c2", "groupId": "acme", "traits": {"role": "no such role"}}),
    (SERVER_KEY, "track", {"userId": "c3", "event": "Order Completed", "context": {"groupId": "acme"}}),
    (SERVER_KEY, "track", {"userId": "c4", "event": "Order Completed"}),
    (BROWSER_KEY, "group", {"anonymousId": "v-7", "userId": "c5", "groupId": "acme", "traits": {"role": "champion"}}),
]


@pytest.mark.parametrize("seed", range(6))
async def test_groups_in_any_order_make_the_same_contacts(seed: int) -> None:
    random, store, log = Random(seed), MemoryStore(), MemoryLog()
    async with memory_client(log, Origin=SHOP_PAGE) as client:
        for number, (key, kind, message) in random.sample([*enumerate(CALLS)], len(CALLS)):
            body = {"messageId": f"m-{number}", "timestamp": f"2026-03-01T11:0{number}:00Z", **message}
            answer = await client.post(f"/v1/{kind}?writeKey={key}", content=json.dumps(body))
            assert answer.status_code == 200

    await counted(store, [one.value for one in log.records if one.topic != DLQ], random=random)

    contacts = await store.accounts.contacts("acme", until_hour=hour_of(NOON))
    assert [(one.customer, one.role) for one in contacts.people] == [
        ("customer:c1", DECISION_MAKER),
        ("customer:c2", USER),
        ("customer:c3", USER),
    ]
    assert store.state.letters == {}
