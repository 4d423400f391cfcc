"""Scores with promises: whatever order events come in and however the log is cut, as if all were read in one go."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.processor import Bounds
from services.core.catalogue import Catalogue
from services.infra.clock import SystemClock
from tests.support.chunks import chunk
from tests.support.memory_store import MemoryStore
from tests.support.promises import BOOK, CATALOGUE, START, Recount, crossed_lives, said
from tests.support.said_log import SaidLog

NOW_MS = int(START.timestamp() * 1000) + 10 * 86_400_000


async def worker_on(store: MemoryStore, catalogue: Catalogue = CATALOGUE) -> Pipeline:
    log = SaidLog(store)
    worker = await Pipeline.on(store, log, catalogue, cache_rows_max=10_000, clock=SystemClock())
    await worker.take_ownership({partition: Bounds(*ends) for partition, ends in log.bounds.items()})
    return worker


def people(store: MemoryStore) -> dict[str, str]:
    value_of = {number: value for value, number in store._names.items()}
    return {value_of[number]: value_of[person] for number, person in store.state.person_of.items()}


def scores(store: MemoryStore) -> dict[str, tuple[float, int]]:
    """Each person's stored score, and the hour it was read at."""
    value_of = {number: value for value, number in store._names.items()}
    return {
        value_of[person]: (store.state.scores[person][0], row[2] or 0)
        for person, row in store.state.persons.items()
        if row[1] is None and person in store.state.scores
    }


def assert_as_if_read_in_one_go(store: MemoryStore, values: list[bytes]) -> None:
    recount = Recount.of(values, CATALOGUE, at_ms=NOW_MS)
    person_of = people(store)
    told = scores(store)
    assert told == {
        person: (recount.score(person, person_of, at_hour=hour), hour) for person, (_, hour) in told.items()
    }


@pytest.mark.parametrize("seed", range(12))
async def test_in_any_order_and_any_chunks_scores_are_as_if_read_in_one_go(seed: int) -> None:
    random, store = Random(seed), MemoryStore()
    values = crossed_lives(random, 40)
    sent = [*values, *random.choices(values, k=10)]
    random.shuffle(sent)
    worker = await worker_on(store)

    first = 0
    while sent:
        size = random.choice([1, 3, 20])
        await worker.process(chunk(sent[:size], first=first, at_ms=NOW_MS))
        sent, first = sent[size:], first + len(sent[:size])
    await worker.close()

    assert_as_if_read_in_one_go(store, values)
    recount, person_of = Recount.of(values, CATALOGUE, at_ms=NOW_MS), people(store)
    for person, (score, hour) in scores(store).items():
        plain = recount.plain(person, person_of, book=BOOK, at_hour=hour)
        assert score == pytest.approx(plain, abs=1e-9)


async def test_whoever_keeps_it_keeps_it_for_the_one_it_was_promised_to() -> None:
    store = MemoryStore()
    worker = await worker_on(store)
    ordered = said("e-1", "order.completed", hours=0, order="7", promised_at="2026-06-03T12:00:00Z")
    brought = said("e-2", "delivery.delivered", hours=24 * 9, who=["email_hash:" + "d" * 32], order="7")

    await worker.process(chunk([ordered], at_ms=NOW_MS))
    waiting = scores(store)["customer:a"][0]
    await worker.process(chunk([brought], first=1, at_ms=NOW_MS))
    await worker.close()

    assert scores(store)["customer:a"][0] > waiting
    assert scores(store)["email_hash:" + "d" * 32][0] == 50
    assert_as_if_read_in_one_go(store, [ordered, brought])


async def test_what_is_no_new_event_leaves_no_fact() -> None:
    store = MemoryStore()
    worker = await worker_on(store)
    ordered = said("e-1", "order.completed", hours=0, order="7", promised_at="2026-06-03T12:00:00Z")
    otherwise = said("e-1", "order.completed", hours=0, order="8", promised_at="2026-06-03T12:00:00Z")

    await worker.process(chunk([ordered, ordered, otherwise], at_ms=NOW_MS))
    await worker.process(chunk([otherwise, ordered], first=3, at_ms=NOW_MS))
    await worker.close()

    assert {fact.key for fact in store.state.facts} == {"order/7"}
    assert sorted(fact.role for fact in store.state.facts) == ["states", "tells"]


@pytest.mark.parametrize(
    ("named", "facts"),
    [
        ({}, 0),
        ({"order": "7"}, 2),
        ({"parcel": "P"}, 1),
        ({"promised_at": "2026-06-03"}, 0),
        ({"case": "C"}, 0),
        ({"machine_made": True, "order": "7"}, 0),
    ],
)
async def test_an_event_leaves_facts_of_what_it_names_and_of_nothing_else(named: dict[str, Any], facts: int) -> None:
    store = MemoryStore()
    worker = await worker_on(store)
    stated = {"promised_at": "2026-06-03T12:00:00Z"} if facts else {}

    await worker.process(chunk([said("e-1", "order.completed", hours=0, **{**stated, **named})], at_ms=NOW_MS))
    await worker.close()

    assert len(store.state.facts) == facts
    assert len(store.state.events) == 1


async def test_a_promise_for_no_day_is_refused_though_nothing_is_named() -> None:
    store = MemoryStore()
    worker = await worker_on(store)

    await worker.process(chunk([said("e-1", "order.completed", hours=0, promised_at="soon")], at_ms=NOW_MS))
    await worker.close()

    [letter] = store.state.letters.values()
    assert (letter.reason, letter.detail[:22]) == ("invalid_argument", "properties.promised_at")
