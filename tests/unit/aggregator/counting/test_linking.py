"""Who is one person as events come in, against the rules over all links at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence, Sized
from random import Random
from typing import NamedTuple

import pytest

from services.aggregator.counting import linking
from services.core.instants import micros_of
from services.core.persons import ALIAS, BOUNDS, Bounds, Link, persons
from services.state.links import LinkRow
from tests.support.chunks import chunk, event
from tests.support.memory_store import MemoryStore
from tests.unit.aggregator.counting.conftest import Start

NOON_MS = 1_780_315_200_000
NARROW = Bounds(peers=3, peers_of_servers=4, claims=2, aliases=3)

IDENTITIES = (
    *(f"customer:c{n}" for n in range(6)),
    *(f"loyalty:l{n}" for n in range(3)),
    *(f"email_hash:e{n}" for n in range(3)),
    *(f"anonymous:a{n}" for n in range(5)),
    *(f"device:d{n}" for n in range(3)),
)


def now(store: MemoryStore) -> dict[str, str]:
    """The person of everybody, as stored."""
    value_of = {number: value for value, number in store._names.items()}
    return {value: value_of[store.state.person_of[number]] for value, number in store._names.items()}


def by_the_rules(store: MemoryStore, bounds: Bounds = BOUNDS) -> dict[str, str]:
    """The person of everybody, by all links that there are."""
    value_of = {number: value for value, number in store._names.items()}

    def named(row: LinkRow) -> Link:
        at_us = micros_of(row.occurred_at)
        return Link(value_of[row.a], value_of[row.b], row.level, at_us, row.event_id, row.event_key, row.source)

    found = persons(map(named, store.state.links.values()), bounds)
    return {value: found.get(value, value) for value in store._names}


def said(
    number: int,
    identities: Sequence[str],
    *,
    key: str = "browser",
    minute: int = 0,
    source: str = "s",
    alias: str = "",
) -> bytes:
    time = f"2026-06-01T{10 + minute // 60}:{minute % 60:02}:00Z"
    envelope = {"keykind": key} if key else {}
    extra = {"alias": {"kind": "customer", "value": alias}} if alias else {}
    return event(f"e-{number}", time=time, identities=identities, source=source, extra=extra, envelope=envelope)


def random_events(random: Random, count: int) -> list[bytes]:
    """Few identities and few moments, so that most events have something to say about the others' links."""
    values = []
    for number in range(count):
        named = random.sample(IDENTITIES, k=random.choice([1, 2, 2, 2, 3]))
        customers = [one for one in named if one.startswith("customer:")][:1]
        named = sorted(customers + [one for one in named if not one.startswith("customer:")], key=IDENTITIES.index)
        key = random.choice(["server", "till", "signed", "browser", "browser", "browser", ""])
        # Some of these come by keys that may not say so, and then are no events at all.
        alias = f"c{random.randrange(6)}" if customers and random.random() < 0.3 else ""
        minute, source = random.randrange(4), random.choice(["s/1", "s/2", "t"])
        values.append(said(number, named, key=key, minute=minute, source=source, alias=alias))
    return values


@pytest.mark.parametrize("seed", range(60))
async def test_at_every_moment_persons_are_what_the_set_of_links_says(
    start: Start, store: MemoryStore, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With bounds so narrow that crowds form and customers overflow all the time."""
    bounds = NARROW if seed % 4 else BOUNDS
    monkeypatch.setattr(linking.follow, "__kwdefaults__", {"bounds": bounds})
    random = Random(seed)
    worker = await start()
    waiting, first = random_events(random, 70), 0

    while waiting:
        size = random.choice([1, 1, 2, 5])
        await worker.process(chunk(waiting[:size], first=first, at_ms=NOON_MS))
        waiting, first = waiting[size:], first + len(waiting[:size])

        assert now(store) == by_the_rules(store, bounds)


async def process(start: Start, values: Sequence[bytes]) -> None:
    await (await start()).process(chunk(values, at_ms=NOON_MS))


async def test_a_back_dated_event_of_a_browser_takes_nothing_that_a_server_gave_a_customer(
    start: Start, store: MemoryStore
) -> None:
    own = ["loyalty:l", "email_hash:e", "phone_hash:p", "device:d", "anonymous:a"]
    values = [said(0, ["customer:victim", *own], key="server", minute=90)]
    values += [said(n, ["customer:thief", *own], minute=n) for n in range(1, 9)]
    values += [said(9, [*own[:4], "anonymous:thief"], minute=9), said(10, ["device:d", "device:thief"], minute=0)]

    await process(start, values)

    assert {now(store)[one] for one in own} == {"customer:victim"}
    assert now(store)["customer:thief"] == "customer:thief"


@pytest.mark.parametrize("seed", range(20))
async def test_an_alias_makes_one_person_of_two_customers_whatever_comes_first(
    start: Start, store: MemoryStore, seed: int
) -> None:
    """Identifies of both, with and without a customer, and aliases in a row and in a circle, in any order and chunks."""
    random, worker, first = Random(seed), await start(), 0
    values = [
        said(0, ["customer:c1", "anonymous:a1"]),
        said(1, ["anonymous:a1"]),
        said(2, ["customer:c2", "anonymous:a2", "device:d2"]),
        said(3, ["anonymous:a2", "device:d3"]),
        said(4, ["customer:c3"], key="server"),
        said(5, ["customer:c2"], key="server", alias="c3"),
        said(6, ["customer:c2"], key="server", alias="c1"),
        said(7, ["customer:c1"], key="server", alias="c3"),
        said(8, ["customer:c4", "anonymous:a4"], key="server", alias="c4"),
    ]
    random.shuffle(values)

    while values:
        size = random.choice([1, 2, 9])
        await worker.process(chunk(values[:size], first=first, at_ms=NOON_MS))
        values, first = values[size:], first + len(values[:size])

    people = now(store)
    assert {people.pop(one) for one in ("customer:c4", "anonymous:a4")} == {"customer:c4"}
    assert set(people.values()) == {"customer:c1"}
    assert len(people) == 7
    merged = {name: store.state.persons[number][1] for name, number in store._names.items() if "customer" in name}
    winner = store._names["customer:c1"]
    assert merged == {"customer:c1": None, "customer:c2": winner, "customer:c3": winner, "customer:c4": None}
    (told,) = [link for link in store.state.links.values() if link.event_id == "e-6"]
    assert (told.source, told.level) == ("s", ALIAS)


@pytest.mark.parametrize("key", ["browser", "signed", "till", ""])
async def test_no_key_but_a_server_s_makes_one_person_of_two_customers(
    start: Start, store: MemoryStore, key: str
) -> None:
    """However far it dates it back."""
    values = [
        said(1, ["customer:c1", "device:d"], key="server", minute=9),
        said(2, ["customer:c2"], key=key, alias="c1", minute=0),
        said(3, ["customer:c2"], key="server", minute=9),
    ]

    await process(start, values)

    assert now(store) == {one: one for one in ("customer:c1", "customer:c2")} | {"device:d": "customer:c1"}
    (letter,) = store.state.letters.values()
    assert letter.reason == "two_customers"


@pytest.mark.parametrize(
    ("identities", "alias", "reason"),
    [
        (["customer:c1"], "null", "refused_identity"),
        (["customer:c1"], "0", "refused_identity"),
        (["loyalty:l1"], "c1", "invalid_event"),
    ],
)
async def test_an_alias_that_can_join_nobody_is_a_dead_letter(
    start: Start, store: MemoryStore, identities: list[str], alias: str, reason: str
) -> None:
    await process(start, [said(1, identities, key="server", alias=alias)])

    (letter,) = store.state.letters.values()
    assert letter.reason == reason
    assert store.state.links == {}


async def test_customers_of_a_crowd_of_aliases_part_again_and_what_was_theirs_goes_with_them(
    start: Start, store: MemoryStore
) -> None:
    worker, count = await start(), BOUNDS.aliases
    own = [said(n, [f"customer:c{n:02}", f"loyalty:c{n:02}"], key="server") for n in range(count + 1)]
    joins = [said(1000 + n, [f"customer:c{n:02}"], key="server", alias=f"c{n + 1:02}") for n in range(count)]
    await worker.process(chunk([*own, *joins[:-1]], at_ms=NOON_MS))
    assert set(now(store).values()) == {"customer:c00", f"customer:c{count}"}

    await worker.process(chunk(joins[-1:], first=2 * count, at_ms=NOON_MS))

    assert now(store) == {
        f"{kind}:c{n:02}": f"customer:c{n:02}" for kind in ("customer", "loyalty") for n in range(count + 1)
    }
    assert now(store) == by_the_rules(store)
    merged = {store.state.persons[number][1] for name, number in store._names.items() if name.startswith("customer:")}
    assert merged == {None}


async def test_an_event_that_does_not_say_its_key_is_trusted_least(start: Start, store: MemoryStore) -> None:
    values = [
        said(1, ["customer:older", "device:d"], key="", minute=1),
        said(2, ["customer:odd", "device:d"], key="admin", minute=0),
        said(3, ["customer:said", "device:d"], key="signed", minute=9),
    ]

    await process(start, values)

    assert now(store)["device:d"] == "customer:said"


async def test_one_key_makes_one_link_of_a_pair_whatever_it_calls_its_source(start: Start, store: MemoryStore) -> None:
    values = [said(n, ["customer:c", "device:d"], source=f"site/{n}", minute=9 - n) for n in range(9)]

    await process(start, values)

    (link,) = store.state.links.values()
    assert (link.source, link.event_id) == ("site", "e-8")


class Reads(NamedTuple):
    """What the store was asked for."""

    rows: list[int]

    def watch(self, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
        """Count the rows that each question about links and members brings."""
        for table, names in {
            store.links: ("nodes", "around", "among", "best_claims", "claims_from"),
            store.identities: ("of_persons",),
        }.items():
            for name in names:
                monkeypatch.setattr(table, name, self._counted(getattr(table, name)))

    def _counted(self, ask: Callable[..., Awaitable[Sized]]) -> Callable[..., Awaitable[Sized]]:
        async def counted(*arguments: object) -> Sized:
            rows = await ask(*arguments)
            self.rows.append(len(rows))
            return rows

        return counted


HUBS: Mapping[str, Sequence[Sequence[str]]] = {
    "a device with any number of visitors": [[f"anonymous:{n}", "device:hub"] for n in range(300)],
    "a device with any number of customers": [[f"customer:{n}", "device:hub"] for n in range(300)],
    "a customer with any number of devices": [["customer:hub", f"device:{n}"] for n in range(300)],
    "a chain of devices": [pair for n in range(150) for pair in ([f"anonymous:{n}", f"device:{n}"], [f"anonymous:{n + 1}", f"device:{n}"])],
    "a chain of customers": [pair for n in range(150) for pair in ([f"customer:{n}", f"device:{n}"], [f"customer:{n + 1}", f"device:{n}"])],
}  # fmt: skip


@pytest.mark.parametrize("key", ["server", "browser"])
@pytest.mark.parametrize("hub", HUBS)
async def test_an_event_that_joins_a_hub_reads_no_more_than_one_that_joins_two_strangers(
    start: Start, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, hub: str, key: str
) -> None:
    worker, pairs = await start(), HUBS[hub]
    await worker.process(chunk([said(n, pair, key=key, minute=5) for n, pair in enumerate(pairs)], at_ms=NOON_MS))
    plain, joining = Reads([]), Reads([])

    plain.watch(store, monkeypatch)
    await worker.process(chunk([said(900, ["anonymous:x", "device:x"], key=key)], first=len(pairs), at_ms=NOON_MS))
    monkeypatch.undo()
    joining.watch(store, monkeypatch)
    new = [pairs[-1][0], "device:new"] if "a customer" in hub or "chain" in hub else ["anonymous:new", "device:hub"]
    await worker.process(chunk([said(901, new, key=key, minute=9)], first=len(pairs) + 1, at_ms=NOON_MS))

    assert sum(joining.rows) <= 3 * sum(plain.rows)
    assert now(store) == by_the_rules(store)
