"""Unmodified clients of Segment's protocol: every call is stored exactly once, whatever happens on the way."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable

import asyncpg
import pytest

from services.client.connection import Connection
from tests.support.clients import by_browser, by_node, by_python
from tests.support.unreliable import Trouble, unreliable_way
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

TROUBLES: list[list[Trouble]] = [[], ["503", "503"], ["429"], ["lost"], ["lost", "503", "429"]]
PLAN = pytest.mark.parametrize("troubles", TROUBLES, ids=lambda plan: " ".join(plan) or "no trouble")

EXPECTED = {
    0: "identity.linked",
    1: "order.completed",
    2: "web.page_viewed",
    3: "web.page_viewed",
    4: "identity.linked",
    5: "identity.linked",
    6: "x.lamp_dimmed",
    7: "identity.linked",
    8: "x.lamp_dimmed",
}
"""What the messages of the clients on servers are, by the number at the end of their ids."""


@pytest.fixture
def prefix() -> str:
    return f"t{uuid.uuid4().hex[:12]}"


async def stored(stack: Connection, ids: list[str]) -> dict[str, str]:
    """The touchpoints of these events, once all are stored; each of them once."""

    async def all_of_them() -> list[asyncpg.Record] | None:
        store = await asyncpg.connect(stack.postgres)
        try:
            rows = await store.fetch("SELECT event_id, touchpoint FROM touchpoint WHERE event_id = ANY($1)", ids)
        finally:
            await store.close()
        return rows if {row["event_id"] for row in rows} == set(ids) else None

    rows = await eventually(all_of_them, what=f"{len(ids)} events are stored")
    assert set(Counter(row["event_id"] for row in rows).values()) == {1}
    return {row["event_id"]: row["touchpoint"] for row in rows}


async def persons(stack: Connection, identities: list[str]) -> dict[str, str]:
    """The persons of those of these that are known."""
    store = await asyncpg.connect(stack.postgres)
    try:
        rows = await store.fetch(
            "SELECT i.value, p.value AS person FROM identity AS i JOIN identity AS p ON p.id = i.person WHERE i.value = ANY($1)",
            identities,
        )
    finally:
        await store.close()
    return {row["value"]: row["person"] for row in rows}


@PLAN
@pytest.mark.parametrize("client", [by_python, by_node], ids=["python", "node"])
async def test_every_call_of_a_server_s_client_is_stored_exactly_once(
    stack: Connection, prefix: str, client: Callable[[str, str, str], list[str]], troubles: list[Trouble]
) -> None:
    with unreliable_way(stack.ingest, troubles) as way:
        ids = client(way.url, stack.keys["server"], prefix)

    touchpoints = await stored(stack, ids)
    assert {int(one.rpartition("-")[2]): touchpoint for one, touchpoint in touchpoints.items()} == EXPECTED
    # Whom the aliases name is one person: a visitor, and who bought as a guest, which is another customer.
    people = await persons(
        stack, [f"customer:{prefix}-customer", f"customer:{prefix}-guest", f"anonymous:{prefix}-visitor"]
    )
    assert set(people.values()) == {f"customer:{prefix}-customer"}
    assert len(people) == 3
    assert way.met == troubles
    assert {status for _, status in way.statuses} == {200}


@PLAN
@pytest.mark.parametrize("delivery", ["standard", "batching"])
async def test_every_call_of_a_page_is_stored_exactly_once(
    stack: Connection, prefix: str, delivery: str, troubles: list[Trouble]
) -> None:
    with (
        unreliable_way(stack.ingest, troubles) as way,
        by_browser(way.url, stack.keys["browser"], prefix, delivery=delivery) as ids,
    ):
        touchpoints = await stored(stack, ids)

    assert Counter(touchpoints.values()) == Counter(
        ["identity.linked", "web.cart_added", "web.page_viewed", "identity.linked", "x.lamp_dimmed"]
    )
    assert way.met == troubles
    assert {status for _, status in way.statuses} == {200}
