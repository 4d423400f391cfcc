"""Which logs a worker refuses to go on in."""

from __future__ import annotations

import pytest

from schemas.topics import EVENTS, LATE
from services.aggregator.processor import Bounds
from services.infra.errors import ConfigurationError
from services.infra.kafka import mark_of
from tests.support.chunks import chunk, event
from tests.support.memory_store import MemoryStore
from tests.support.said_log import SaidLog
from tests.unit.aggregator.counting.conftest import Start

NOON = "2026-06-01T12:00:00Z"
NOON_MS = 1_780_315_200_000


async def test_a_log_that_still_holds_the_last_record_goes_on(start: Start, said_log: SaidLog) -> None:
    worker = await start()
    some = chunk([event("e-1", time=NOON), event("e-2", time=NOON)], at_ms=NOON_MS)
    await worker.process(some)

    said_log.marked[EVENTS, 0] = mark_of(some.records[-1])

    assert await worker.take_ownership({(EVENTS, 0): Bounds(0, 9)}) == {(EVENTS, 0): 2}
    assert await worker.take_ownership({(EVENTS, 0): Bounds(2, 2)}) == {(EVENTS, 0): 2}, (
        "retention has taken the record"
    )


@pytest.mark.parametrize("mark", [None, 17], ids=["no record there", "another record"])
async def test_another_log_that_has_grown_past_the_position_is_refused(
    start: Start, said_log: SaidLog, mark: int | None
) -> None:
    worker = await start()
    await worker.process(chunk([event("e-1", time=NOON), event("e-2", time=NOON)], at_ms=NOON_MS))
    said_log.marked[EVENTS, 0] = mark

    with pytest.raises(ConfigurationError, match="tactus topics accept") as refused:
        await worker.take_ownership({(EVENTS, 0): Bounds(0, 600)})

    assert "2 offsets again" in str(refused.value)


async def test_a_log_that_ends_before_the_position_is_refused(start: Start) -> None:
    worker = await start()
    await worker.process(chunk([event("e-1", time=NOON), event("e-2", time=NOON)], at_ms=NOON_MS))

    with pytest.raises(ConfigurationError, match=r"tactus topics accept cx\.touchpoints\.v1/0"):
        await worker.take_ownership({(EVENTS, 0): Bounds(0, 1)})


async def test_every_partition_in_trouble_is_named_whoever_it_is_assigned_to(
    start: Start, store: MemoryStore, said_log: SaidLog
) -> None:
    worker = await start()
    said_log.bounds |= {(EVENTS, 0): (7, 9), (EVENTS, 2): (3, 9), (LATE, 1): (1, 9)}

    with pytest.raises(ConfigurationError) as refused:
        await worker.take_ownership({(EVENTS, 2): Bounds(3, 9)})

    named = [line.rpartition(" ")[2] for line in str(refused.value).splitlines()]
    assert named == [f"{LATE}/1", f"{EVENTS}/0", f"{EVENTS}/2"]
    lost = {(state.topic, state.part): state.lost for state in await store.progress.states() if state.lost}
    assert lost == {(EVENTS, 0): 7, (EVENTS, 2): 3, (LATE, 1): 1}
