"""What counting may rely on of stored facts, of the memory of the tests and of Postgres alike."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from services.aggregator.counting.ports import Store
from services.core.dimensions import Leaf
from services.core.facts import HARMS, KEEPS, STATES, TELLS, Fact
from services.infra.settings import PostgresSettings
from services.state.database import Database
from services.state.facts import SHARED_MAX, Asked, Shared, facts_of_persons
from services.state.leaves import Brought
from services.state.roles import WORKER
from tests.support.databases import Databases, as_role
from tests.support.memory_store import MemoryStore

LEAF = Leaf("order.completed", "web", "store/1")
A, B, C = "customer:a", "customer:b", "customer:c"


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
def databases_or_none(request: pytest.FixtureRequest) -> Databases | None:
    return None if request.param == "memory" else request.getfixturevalue("databases")


@pytest.fixture
async def store(databases_or_none: Databases | None) -> AsyncIterator[Store]:
    """A store in which three customers and a leaf have numbers."""
    if databases_or_none is None:
        memory = MemoryStore()
        await prepare(memory)
        yield memory
        return
    name = await databases_or_none.create()
    dsn = SecretStr(as_role(databases_or_none.server.dsn_of(name), WORKER))
    opened = await Database.open(PostgresSettings(dsn=dsn), lanes=2)
    await prepare(opened)
    yield opened
    await opened.close()
    await databases_or_none.drop(name)


async def prepare(store: Store) -> None:
    await store.identities.add([A, B, C])
    await store.leaves.add([Brought(LEAF, None, 0)])


async def number(store: Store, value: str) -> int:
    return (await store.identities.find([value]))[0].number


async def fact(store: Store, whose: str, key: str, part: str = "", *, role: str = STATES, event_id: str = "e") -> Fact:
    identity = await number(store, whose)
    return Fact(identity, "order", key, part, role, "shop/web", event_id, 7, -1, None, -5, 1_000_000, LEAF)


async def add(store: Store, *facts: Fact) -> set[str]:
    """Store facts in a transaction of their own; returns the names that had facts before."""
    [leaf] = await store.leaves.find([LEAF])
    async with store.transaction() as transaction:
        known = await transaction.facts.lock(facts)
        await transaction.facts.add(facts, [leaf.number] * len(facts))
    return known


async def sharing(store: Store, *asked: Asked) -> list[Shared]:
    async with store.transaction() as transaction:
        return sorted(await transaction.facts.sharing(asked))


async def test_a_fact_is_read_as_it_was_stored(store: Store) -> None:
    plain = await fact(store, A, "order/ż 1")
    due = plain._replace(role=KEEPS, due_us=-(1 << 50), received_hour=70_000_000, part="parcel/'", q=0)
    told = plain._replace(role=TELLS, kind="once:order", v=1_000_000, event_id="e-2")

    await add(store, plain, due, told)

    person = await number(store, A)
    async with store.transaction() as transaction:
        assert sorted(await transaction.facts.of_persons([person])) == sorted(
            (person, one) for one in (plain, due, told)
        )
        assert len(await transaction.facts.of_persons([person], facts_max=2)) == 2
        assert await transaction.facts.of_persons([await number(store, B)]) == []


async def test_a_name_tells_whether_it_had_facts_before(store: Store) -> None:
    assert await add(store, await fact(store, A, "order/1", "parcel/1")) == set()
    assert await add(store, await fact(store, B, "order/2", "parcel/1"), await fact(store, B, "order/2")) == {
        "parcel/1"
    }
    assert await add(store, await fact(store, A, "order/2")) == {"order/2"}


async def test_facts_of_a_transaction_that_fails_are_not_there(store: Store) -> None:
    mine = await fact(store, A, "order/1")
    [leaf] = await store.leaves.find([LEAF])

    async def fail() -> None:
        async with store.transaction() as transaction:
            await transaction.facts.lock([mine])
            await transaction.facts.add([mine], [leaf.number])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert await add(store, mine) == set()
    assert await sharing(store, Asked(await number(store, B), "order/1", alone=False)) == [
        Shared(await number(store, B), mine.identity, mine)
    ]


async def test_a_name_leads_to_the_facts_of_others(store: Store) -> None:
    a, b = await number(store, A), await number(store, B)
    ordered, brought = await fact(store, A, "order/1"), await fact(store, B, "order/1", role=KEEPS)
    harm = await fact(store, B, "order/1", role=HARMS)
    await add(store, ordered, brought, harm, await fact(store, B, "order/2"))

    assert await sharing(store, Asked(a, "order/1", alone=False)) == [Shared(a, b, brought)]
    assert await sharing(store, Asked(b, "order/1", alone=False)) == [Shared(b, a, ordered)]


async def test_a_part_leads_to_wholes_only_where_it_stands_alone(store: Store) -> None:
    a, b = await number(store, A), await number(store, B)
    whole, alone = await fact(store, A, "order/1", "parcel/1"), await fact(store, B, "parcel/1", "parcel/1", role=KEEPS)
    await add(store, whole, alone, await fact(store, C, "order/9", "parcel/2"))

    assert await sharing(store, Asked(a, "parcel/1", alone=False)) == [Shared(a, b, alone)]
    assert await sharing(store, Asked(b, "parcel/1", alone=True)) == [Shared(b, a, whole), Shared(b, b, alone)]
    assert await sharing(store, Asked(b, "order/1", alone=False)) == [Shared(b, a, whole)]


async def test_names_are_followed_to_what_names_the_same_in_another_way(store: Store) -> None:
    ordered, sent = await fact(store, A, "order/1"), await fact(store, B, "order/1", "parcel/1")
    brought = await fact(store, C, "parcel/1", "parcel/1", role=KEEPS)
    await add(store, ordered, sent, brought)
    a, b, c = [await number(store, who) for who in (A, B, C)]

    async with store.transaction() as transaction:
        found = await facts_of_persons(transaction.facts, [a, b, c])

    assert {person: sorted(one.facts) for person, one in found.items()} == dict.fromkeys(
        (a, b, c), sorted([ordered, sent, brought])
    )
    assert {person: one.identities for person, one in found.items()} == {one: {one} for one in (a, b, c)}


async def test_what_too_many_share_says_nothing_about_anybody(store: Store) -> None:
    mine = await fact(store, A, "order/0")
    others = await fact(store, B, "order/0")
    await add(store, *(others._replace(event_id=f"e-{one}") for one in range(SHARED_MAX - 1)), mine)
    a = await number(store, A)
    assert len(await sharing(store, Asked(a, "order/0", alone=False))) == SHARED_MAX - 1

    await add(store, await fact(store, C, "order/0"))

    assert await sharing(store, Asked(a, "order/0", alone=False)) == []
    async with store.transaction() as transaction:
        assert [one.facts for one in (await facts_of_persons(transaction.facts, [a])).values()] == [(mine,)]
