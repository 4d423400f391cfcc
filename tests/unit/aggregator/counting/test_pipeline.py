"""From records to counts, in memory."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.topics import DLQ, EVENTS, LATE
from services.aggregator.counting import batch as batches
from services.aggregator.counting import pipeline as pipelines
from services.aggregator.processor import Chunk
from services.infra.errors import ConfigurationError, FencedError, UnavailableError
from services.state.events import Known, Numbers, Storable
from services.state.progress import Outcomes
from tests.support.chunks import LogRecord, chunk, event
from tests.support.memory_store import MemoryStore
from tests.unit.aggregator.counting.conftest import Start

NOON = "2026-06-01T12:00:00Z"
NOON_MS = 1_780_315_200_000
DAY_MS = 24 * 3_600_000


def outcomes(store: MemoryStore, topic: str = EVENTS) -> Outcomes:
    return store.state.progress[topic, 0].outcomes


def counted(store: MemoryStore) -> int:
    return sum(int(row[2]) for row in store.state.tallies.values())


async def test_an_event_counts_once_however_often_it_comes(start: Start, store: MemoryStore) -> None:
    worker = await start()
    once, other = event("e-1", time=NOON), event("e-1", time=NOON, extra={"text": "another"})

    await worker.process(chunk([once, once, other], at_ms=NOON_MS))
    await worker.process(chunk([other, once], first=3, at_ms=NOON_MS))
    await worker.process(chunk([once], topic=LATE, at_ms=NOON_MS))

    assert counted(store) == 1
    assert outcomes(store) == Outcomes(applied=1, duplicate=2, conflict=2)
    assert outcomes(store, LATE) == Outcomes(duplicate=1)
    assert sorted(store.state.letters) == [(EVENTS, 0, 2), (EVENTS, 0, 3)]


@pytest.mark.parametrize(
    ("time", "envelope"),
    [
        ("2026-06-01T11:00:00Z", {}),
        (NOON, {"timeorigin": "arrival"}),
        (NOON, {"timeorigin": "clamped", "clienttime": "2026-06-01T12:07:00Z"}),
    ],
    ids=["another time", "no time", "a time ahead"],
)
async def test_a_retry_that_differs_only_in_its_time_is_a_duplicate(
    start: Start, store: MemoryStore, time: str, envelope: dict[str, str]
) -> None:
    worker = await start()

    await worker.process(chunk([event("e-1", time=NOON)], at_ms=NOON_MS))
    await worker.process(chunk([event("e-1", time=time, envelope=envelope)], first=1, at_ms=NOON_MS + 1))

    assert counted(store) == 1
    assert outcomes(store) == Outcomes(applied=1, duplicate=1)


async def test_after_thirty_days_of_log_time_an_id_names_another_event_also_within_one_chunk(
    start: Start, store: MemoryStore
) -> None:
    worker = await start()
    values = [event("e-1", time=f"2026-0{month}-01T12:00:00Z") for month in (6, 6, 8)]
    records = [LogRecord(place, NOON_MS + place * 30 * DAY_MS, b"k", value) for place, value in enumerate(values)]

    await worker.process(Chunk(EVENTS, 0, 0, 3, records))

    assert outcomes(store) == Outcomes(applied=2, duplicate=1)
    assert store.state.progress[EVENTS, 0].next == 3


async def test_an_event_from_the_future_counts_in_the_hour_of_the_log(start: Start, store: MemoryStore) -> None:
    worker = await start()

    await worker.process(chunk([event("e-1", time="2026-06-01T13:00:04Z")], at_ms=NOON_MS + 3_599_000))

    ((_, _, hour),) = store.state.tallies
    ((_, as_of),) = [(row[0], row[2]) for row in store.state.persons.values()]
    assert hour == as_of == NOON_MS // 3_600_000


async def test_offsets_without_a_record_are_told_apart_from_losses(start: Start, store: MemoryStore) -> None:
    worker = await start()
    holed = [LogRecord(offset, NOON_MS, b"k", event(f"e-{offset}", time=NOON)) for offset in (2, 5)]

    await worker.process(Chunk(EVENTS, 0, 0, 7, holed))
    await worker.process(Chunk(EVENTS, 0, 7, 9, []))

    (state,) = [state for state in await store.progress.states() if state.next]
    assert (state.next, state.skipped, state.outcomes, state.account.gap) == (9, 7, Outcomes(applied=2), 0)
    with pytest.raises(ConfigurationError, match="removed 4 records"):
        await worker.process(Chunk(EVENTS, 0, 9, 14, [holed[0]._replace(offset=13)], lost=4))


async def test_a_worker_that_lost_its_partition_is_fenced_and_changes_nothing(start: Start, store: MemoryStore) -> None:
    zombie, owner = await start(), await start()

    with pytest.raises(FencedError):
        await zombie.process(chunk([event("e-1", time=NOON)], at_ms=NOON_MS))
    await owner.process(chunk([event("e-1", time=NOON)], at_ms=NOON_MS))

    assert counted(store) == 1


async def test_a_database_that_is_away_is_waited_for(
    start: Start, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, tries = await start(), 0
    add = store.events.add

    async def away_at_first(events: list[Storable], numbers: Numbers) -> list[Known]:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise UnavailableError("away")
        return await add(events, numbers)

    monkeypatch.setattr(store.events, "add", away_at_first)
    await worker.process(chunk([event("e-1", time=NOON)], at_ms=NOON_MS))

    assert (tries, counted(store)) == (3, 1)
    assert outcomes(store) == Outcomes(applied=1)


async def test_a_record_that_nobody_foresaw_is_set_aside_and_its_partition_goes_on(
    start: Start, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start()
    values = [event(f"e-{place}", time=NOON) for place in range(5)]
    read = batches.read_chunk

    def broken(piece: Chunk, **options: Any) -> Any:  # noqa: ANN401 - hands on whatever it is given
        if any(record.value == values[3] for record in piece.records):
            raise OverflowError
        return read(piece, **options)

    monkeypatch.setattr(pipelines, "read_chunk", broken)
    await worker.process(chunk(values, at_ms=NOON_MS))

    assert outcomes(store) == Outcomes(applied=4, dead=1)
    assert [(key[2], letter.reason) for key, letter in store.state.letters.items()] == [(3, "unforeseen")]
    assert store.state.progress[EVENTS, 0].next == 5


async def test_a_fault_of_our_own_sets_no_flood_of_events_aside(
    start: Start, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start()

    def broken(piece: Chunk, **_options: Any) -> Any:  # noqa: ANN401 - raises whatever it is given
        raise KeyError(piece.first)

    monkeypatch.setattr(pipelines, "read_chunk", broken)
    values = [event(f"e-{place}", time=NOON) for place in range(2 * pipelines.UNFORESEEN_MAX)]

    with pytest.raises(KeyError):
        await worker.process(chunk(values, at_ms=NOON_MS))
    assert len(store.state.letters) <= pipelines.UNFORESEEN_MAX


async def test_odd_headers_of_refused_events_end_no_worker(start: Start, store: MemoryStore) -> None:
    worker = await start()
    headers: list[Any] = [("reason", None), ("detail", b"\\u0000 \x00 \xff"), ("source", b"shop")]

    await worker.process(Chunk(DLQ, 0, 0, 1, [LogRecord(0, NOON_MS, None, b"{", headers)]))

    (letter,) = store.state.letters.values()
    assert (letter.reason, letter.source, letter.value) == ("", "shop", b"{")


async def test_numbers_of_a_database_that_went_back_are_not_believed(start: Start, store: MemoryStore) -> None:
    worker = await start()
    before = dict(store._names)
    await worker.process(chunk([event("e-1", time=NOON, identities=("customer:lost",))], at_ms=NOON_MS))

    # The database is restored as it was, and the number is given to somebody else.
    store.generation, store._names = "second", before
    store.state.person_of.clear()
    store.state.persons.clear()
    store.state.tallies.clear()
    store.state.events.clear()
    store.state.seen.clear()
    other = store.number("customer:other")
    await worker.process(chunk([event("e-2", time=NOON, identities=("customer:lost",))], first=1, at_ms=NOON_MS))

    assert other == 1
    assert {key[0] for key in store.state.tallies} == {store._names["customer:lost"]} != {other}
