"""How many names a source may bring, and what becomes of the events that bring more."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from schemas.topics import EVENTS
from services.aggregator.counting.name_bounds import TOO_MANY_NAMES, NameBounds
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.processor import Bounds
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import SystemClock
from services.infra.settings import AggregatorSettings
from services.state.progress import Outcomes
from tests.support.chunks import chunk, event
from tests.support.memory_store import MemoryStore
from tests.support.said_log import SaidLog

NOON = "2026-06-01T12:00:00Z"
NOON_MS = 1_780_315_200_000
BOUNDS = NameBounds(trusted=4, public=2)

StartWith = Callable[[NameBounds], Awaitable[Pipeline]]


@pytest.fixture
async def start_with(store: MemoryStore, said_log: SaidLog) -> AsyncIterator[StartWith]:
    """Start a worker with these bounds; it owns every partition from there on."""
    async with AsyncExitStack() as stack:

        async def start_one(bounds: NameBounds) -> Pipeline:
            catalogue, clock = load_catalogue(None), SystemClock()
            worker = await Pipeline.on(store, said_log, catalogue, cache_rows_max=9, clock=clock, bounds=bounds)
            stack.push_async_callback(worker.close)
            await worker.take_ownership({partition: Bounds(*ends) for partition, ends in said_log.bounds.items()})
            return worker

        yield start_one


def sent(event_id: str, touchpoint: str, *, by: str = "browser", source: str = "web/page", place: str = "") -> bytes:
    envelope = {"keykind": by} if by else {}
    return event(event_id, time=NOON, touchpoint=touchpoint, source=source, place=place, envelope=envelope)


def outcomes(store: MemoryStore) -> Outcomes:
    return store.state.progress[EVENTS, 0].outcomes


def letters(store: MemoryStore) -> list[tuple[int, str]]:
    return sorted((offset, letter.reason) for (_, _, offset), letter in store.state.letters.items())


@pytest.mark.parametrize("by", ["browser", "signed", "", "unheard-of"])
async def test_what_a_public_key_brings_beyond_its_bound_is_kept_as_dead_letters(
    start_with: StartWith, store: MemoryStore, by: str
) -> None:
    worker = await start_with(BOUNDS)

    await worker.process(chunk([sent(f"e-{n}", f"x.made_up_{n}", by=by) for n in range(5)], at_ms=NOON_MS))
    await worker.process(chunk([sent(f"f-{n}", f"x.made_up_{n}", by=by) for n in range(3)], first=5, at_ms=NOON_MS))

    assert outcomes(store) == Outcomes(applied=4, dead=4)
    assert letters(store) == [(offset, TOO_MANY_NAMES) for offset in (2, 3, 4, 7)]
    (detail,) = {letter.detail for letter in store.state.letters.values()}
    assert "may bring 2 such" in detail
    assert "TACTUS_AGGREGATOR__NAMES_PUBLIC_MAX" in detail


async def test_a_raised_bound_lets_what_was_refused_count_when_it_is_replayed(
    start_with: StartWith, store: MemoryStore
) -> None:
    values = [sent(f"e-{n}", f"x.made_up_{n}") for n in range(4)]
    await (await start_with(BOUNDS)).process(chunk(values, at_ms=NOON_MS))

    worker = await start_with(NameBounds(trusted=4, public=4))
    replayed = [letter.value for letter in store.state.letters.values()]
    await worker.process(chunk(replayed, first=4, at_ms=NOON_MS))

    assert outcomes(store) == Outcomes(applied=4, dead=2)


async def test_the_client_part_of_a_source_is_no_source_of_its_own(start_with: StartWith, store: MemoryStore) -> None:
    worker = await start_with(BOUNDS)

    values = [sent(f"e-{n}", f"x.made_up_{n}", source=f"web/{n}") for n in range(5)]
    await worker.process(chunk(values, at_ms=NOON_MS))

    assert store._brought == {"web": 2}


async def test_what_the_catalogue_declares_and_what_is_there_needs_no_room(
    start_with: StartWith, store: MemoryStore
) -> None:
    worker = await start_with(NameBounds(trusted=1, public=0))
    await worker.process(chunk([sent("e-1", "pos.sale_completed", by="till", place="store/1")], at_ms=NOON_MS))

    declared = ["web.page_viewed", "order.completed", "survey.nps"]
    values = [sent(name, name) for name in declared] + [sent("e-2", "pos.sale_completed", place="store/1")]
    await worker.process(chunk(values, first=1, at_ms=NOON_MS))

    assert outcomes(store) == Outcomes(applied=5)
    assert store._brought == {"web": 1}


async def test_no_source_uses_up_the_room_of_another(start_with: StartWith, store: MemoryStore) -> None:
    worker = await start_with(BOUNDS)
    await worker.process(chunk([sent(f"e-{n}", f"x.flood_{n}") for n in range(9)], at_ms=NOON_MS))

    # The same new names, by a browser first: they count for the till, which has room for them.
    both = [("browser", "web"), ("till", "till/7")]
    values = [sent(f"{by}-{n}", f"x.new_{n}", by=by, source=source) for by, source in both for n in range(3)]
    await worker.process(chunk(values, first=9, at_ms=NOON_MS))

    assert outcomes(store) == Outcomes(applied=2 + 6, dead=7)
    assert store._brought == {"web": 2, "till": 3}


async def test_a_twin_of_a_refused_event_may_count_however_the_log_is_cut() -> None:
    refused, twin, again = sent("e-1", "x.new"), sent("e-1", "web.page_viewed"), sent("e-1", "web.page_viewed")
    ends = set()
    for cuts in ((3,), (1, 2), (2, 1), (1, 1, 1)):
        store = MemoryStore()
        catalogue, clock, said = load_catalogue(None), SystemClock(), SaidLog(store)
        bounds = NameBounds(trusted=0, public=0)
        worker = await Pipeline.on(store, said, catalogue, cache_rows_max=9, clock=clock, bounds=bounds)
        await worker.take_ownership({partition: Bounds(*one) for partition, one in said.bounds.items()})
        first = 0
        for size in cuts:
            values = [refused, twin, again][first : first + size]
            await worker.process(chunk(values, first=first, at_ms=NOON_MS))
            first += size
        await worker.close()
        ends.add((outcomes(store), tuple(letters(store))))

    assert ends == {(Outcomes(applied=1, duplicate=1, dead=1), ((0, TOO_MANY_NAMES),))}


@pytest.mark.parametrize("seed", range(5))
async def test_every_record_is_accounted_for_whoever_brings_which_names(
    start_with: StartWith, store: MemoryStore, seed: int
) -> None:
    dice, worker, first = random.Random(seed), await start_with(BOUNDS), 0
    for _ in range(8):
        values = [
            sent(
                f"e-{dice.randrange(60)}",
                f"x.name_{dice.randrange(12)}",
                by=dice.choice(["browser", "server", ""]),
                source=dice.choice(["web/a", "shop/b", "till"]),
            )
            for _ in range(dice.randrange(1, 15))
        ]
        await worker.process(chunk(values, first=first, at_ms=NOON_MS))
        first += len(values)

    (state,) = [state for state in await store.progress.states() if state.next]
    assert (state.next, state.account.gap) == (first, 0)
    assert sum(store._brought.values()) == len(store._leaves)
    assert max(store._brought.values()) <= BOUNDS.trusted


def test_the_bounds_are_the_operators() -> None:
    assert NameBounds.of(AggregatorSettings(names_max=7, names_public_max=3)) == NameBounds(trusted=7, public=3)
