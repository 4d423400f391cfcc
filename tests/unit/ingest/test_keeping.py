"""What the door accepts is durable: in the log, or in the spool until the log is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from schemas.topics import EVENTS
from services.infra.errors import UnavailableError
from services.infra.kafka import LogRecord
from services.ingest import keeping
from services.ingest.keeping import Keeper
from services.ingest.spool import Spool
from tests.support.memory_log import MemoryLog
from tests.support.waiting import eventually


def record(number: int, *, size: int = 20) -> LogRecord:
    return LogRecord(EVENTS, b"customer:c1", b"%06d" % number + b"x" * size)


def files(folder: Path) -> list[Path]:
    return list(folder.glob("*.spool"))


@asynccontextmanager
async def keeper_on(log: MemoryLog, folder: Path, *, bytes_max: int = 1 << 20) -> AsyncIterator[Keeper]:
    keeper = Keeper(log, Spool(folder, bytes_max=bytes_max, age_s_max=60, now_s=lambda: 0.0))
    yield keeper
    await keeper.close()


async def test_while_the_log_is_there_the_spool_stays_empty(tmp_path: Path) -> None:
    log = MemoryLog()
    async with keeper_on(log, tmp_path) as keeper:
        kept = await keeper.append([record(1)])

    assert (set(kept.too_large), kept.durable) == (set(), "log")
    assert log.records == [record(1)]
    assert files(tmp_path) == []


async def test_while_the_log_is_away_records_are_on_disk_and_go_on_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "LOOK_S", 0.01)
    log = MemoryLog()
    log.leave()
    async with keeper_on(log, tmp_path) as keeper:
        assert keeper.unready() is None
        kept = await asyncio.gather(*(keeper.append([record(number)]) for number in range(50)))
        draining = asyncio.create_task(keeper.drain())
        log.come_back()
        await keeper.append([record(99)])

        async def all_there() -> bool:
            return len(log.records) == 51

        await eventually(all_there, what="the spool is drained")
        draining.cancel()

    assert {one.durable for one in kept} == {"spool"}
    assert [one for one in log.records if one != record(99)] == [record(number) for number in range(50)]
    assert files(tmp_path) == []


async def test_what_a_log_does_not_acknowledge_is_spooled(tmp_path: Path) -> None:
    log = MemoryLog(buffer_bytes_max=100)
    async with keeper_on(log, tmp_path) as keeper:
        kept = await keeper.append([record(1, size=500)])

    assert kept.durable == "spool"


async def test_what_the_log_does_not_take_stays_in_the_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "LOOK_S", 0.01)
    log, tries = MemoryLog(), 0
    log.leave()
    async with keeper_on(log, tmp_path) as keeper:
        await keeper.append([record(1)])
        log.come_back()
        append = log.append

        async def too_late_at_first(records: Sequence[LogRecord]) -> Collection[int]:
            nonlocal tries
            tries += 1
            if tries < 3:
                raise UnavailableError("no acknowledgement within the deadline")
            return await append(records)

        monkeypatch.setattr(log, "append", too_late_at_first)
        draining = asyncio.create_task(keeper.drain())

        async def drained() -> bool:
            return not files(tmp_path)

        await eventually(drained, what="the spool is drained")
        draining.cancel()

    assert (tries, log.records) == (3, [record(1)])


async def test_without_a_spool_an_absent_log_is_unavailable() -> None:
    log = MemoryLog()
    log.leave()
    keeper = Keeper(log)

    assert keeper.unready() == "the log is away"
    with pytest.raises(UnavailableError):
        await keeper.append([record(1)])


async def test_a_full_spool_says_so_and_refuses(tmp_path: Path) -> None:
    log = MemoryLog()
    log.leave()
    async with keeper_on(log, tmp_path, bytes_max=1600) as keeper:
        await keeper.append([record(1)])
        with pytest.raises(UnavailableError, match="full"):
            await keeper.append([record(number) for number in range(40)])
        while keeper.unready() is None:
            await keeper.append([record(2, size=40)])
        unready = keeper.unready()

    assert unready == "the log is away; the spool is full"


async def test_what_is_too_large_for_its_topic_is_told_and_not_spooled(tmp_path: Path) -> None:
    log = MemoryLog()
    log.limit(EVENTS, 1000)
    log.leave()
    async with keeper_on(log, tmp_path) as keeper:
        kept = await keeper.append([record(1), record(2, size=2000), record(3)])

    assert (set(kept.too_large), kept.durable) == ({1}, "spool")


async def test_a_sender_that_left_costs_nobody_else_what_is_being_written(tmp_path: Path) -> None:
    log = MemoryLog()
    log.leave()
    async with keeper_on(log, tmp_path) as keeper:
        left = asyncio.create_task(keeper.append([record(1)]))
        stays = asyncio.create_task(keeper.append([record(2)]))
        await asyncio.sleep(0)
        left.cancel()

        assert (await stays).durable == "spool"
        again = await keeper.append([record(3)])

    assert again.durable == "spool"
