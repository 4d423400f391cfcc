"""A rebuild that is stopped, finds no room, or runs while workers are killed; and what is shown after it took its place."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from pathlib import Path
from random import Random
from typing import NamedTuple

import asyncpg
import pytest

from services.aggregator.counting.census_taking import CensusTaking, Step
from services.aggregator.rebuilding.judging import Judge
from services.commands import rebuild
from services.core.classes import NO_RULES
from services.core.instants import hour_of
from services.state.database import Database
from services.state.roles import WORKER
from tests.integration.aggregator.counting.test_rebuild import (
    LATER,
    OURS,
    events,
    look,
    rebuilt,
    worker_on,
)
from tests.integration.aggregator.counting.test_rebuild import small as small  # noqa: PLC0414 - its fixtures hold here
from tests.integration.aggregator.counting.test_rebuild import two as two  # noqa: PLC0414
from tests.support.clocks import NOON, StandingClock
from tests.support.databases import as_role
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

KILLS = 4
GIB = 1 << 30
AFTER = NOON
"""The log took them all at this moment, and none counts as later."""


class Ended(NamedTuple):
    """How a process ended, and what it said."""

    code: int
    said: str


class Starting:
    """Starts rebuilds and workers as processes."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self._dsn, self._folder = dsn, folder
        (folder / "sources.toml").touch()

    async def rebuild(self) -> asyncio.subprocess.Process:
        """With portions of five events."""
        return await self._start("tests.support.rebuild_process", "5")

    async def worker(self, values: list[bytes]) -> asyncio.subprocess.Process:
        """It goes on where the one before was killed."""
        (self._folder / "log").write_bytes(b"\n".join(values))
        return await self._start(
            "tests.support.counting_process", as_role(self._dsn, WORKER), str(self._folder / "log")
        )

    async def _start(self, *command: str) -> asyncio.subprocess.Process:
        environment = {
            **os.environ,
            "TACTUS_POSTGRES__DSN": self._dsn,
            "TACTUS_SOURCES": str(self._folder / "sources.toml"),
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *command),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        while (line := await process.stdout.readline()) and line != b"ready\n":
            pass
        return process


async def ended(process: asyncio.subprocess.Process) -> Ended:
    _, said = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode is not None
    return Ended(process.returncode, said.decode())


async def test_a_rebuild_that_is_stopped_by_a_person_says_so_and_goes_on(two: tuple[str, str], tmp_path: Path) -> None:
    async with worker_on(two[0], OURS, part=0) as worker:
        await worker.count(events(Random(1), 400))
    then = await look(two[0])
    starting = Starting(two[0], tmp_path)
    process = await starting.rebuild()
    database = await asyncpg.connect(two[0])
    moved = "SELECT count(*) FROM rebuild WHERE events > 0"
    await eventually(lambda: database.fetchval(moved), what="some events are judged")

    process.send_signal(signal.SIGINT)
    stopped = await ended(process)
    midway = await look(two[0])
    went_on = await ended(await starting.rebuild())

    outcomes = await database.fetch("SELECT outcome FROM rebuild")
    await database.close()
    assert stopped.code == 130, stopped.said
    assert "nothing that is read has changed" in stopped.said
    assert "Traceback" not in stopped.said
    assert midway == then
    assert went_on.code == 0, went_on.said
    assert [row["outcome"] for row in outcomes] == ["swapped"], "the same one, and not another"


async def test_workers_that_are_killed_while_a_rebuild_runs_lose_nothing(two: tuple[str, str], tmp_path: Path) -> None:
    chance, starting, values = Random(3), Starting(two[0], tmp_path), events(Random(3), 700)
    async with worker_on(two[0], OURS, part=0) as worker:
        await worker.count(values[:200])
    rebuilding = await starting.rebuild()
    kills = 0
    for _ in range(KILLS):
        worked = await starting.worker(values)
        await asyncio.sleep(chance.uniform(0.02, 0.3))
        if worked.returncode is None:
            worked.send_signal(signal.SIGKILL)
        kills += (await ended(worked)).code == -signal.SIGKILL

    last, swapped = await ended(await starting.worker(values)), await ended(rebuilding)

    assert kills
    assert (last.code, swapped.code) == (0, 0), last.said + swapped.said
    async with worker_on(two[0], OURS, part=1) as filler:
        await filler.fill(OURS)
    async with worker_on(two[1], OURS, part=0) as plain:
        await plain.count(values)
    assert await look(two[0]) == await look(two[1])


@pytest.mark.parametrize(("free", "begins"), [(0, False), (GIB, True)])
async def test_a_rebuild_begins_only_where_there_is_room(
    free: int,
    begins: bool,  # noqa: FBT001 - a parameter of the test
    two: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with worker_on(two[0], OURS, part=0) as worker:
        await worker.count(events(Random(1), 50))
    (tmp_path / "sources.toml").touch()
    monkeypatch.setenv("TACTUS_POSTGRES__DSN", two[0])
    monkeypatch.setenv("TACTUS_SOURCES", str(tmp_path / "sources.toml"))
    usage = type(shutil.disk_usage("/"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(GIB, GIB - free, free))

    code = await asyncio.to_thread(rebuild.run, shadow=True, data=None)

    database = await asyncpg.connect(two[0])
    assert await database.fetchval("SELECT count(*) FROM rebuild") == (1 if begins else 0)
    await database.close()
    said = capsys.readouterr().err
    assert code == (0 if begins else 1), said
    assert ("make room" in said) is not begins


async def test_after_a_swap_the_former_census_is_shown_until_the_next_which_begins_at_once(
    two: tuple[str, str],
) -> None:
    async with worker_on(two[0], OURS, part=0) as worker:
        await worker.pipeline._census.stop()  # of the present, where nothing has happened
        await worker.count(events(Random(1), 200))
        before = await _census(worker.store)
        assert not await _begins(worker.store), "it rests"
        await rebuilt(two[0], Judge(LATER, NO_RULES))
        await worker.fill(OURS)

        shown = await _shown(worker.store)
        begins = await _begins(worker.store)
        after = await _census(worker.store)

    assert shown == before
    assert begins
    assert after[0] > before[0]
    assert after[1] != before[1], "it sums up what was judged anew"


async def _shown(store: Database) -> tuple[int, int]:
    """The number of the census that is read, and what everybody has lost by it."""
    async with store.transaction() as transaction:
        census = await transaction.census.last()
        assert census is not None
        sums = await transaction.census.sums(census, scope="", by="everything")
        return census.number, sums[""].now.lost


async def _begins(store: Database) -> bool:
    async with store.transaction() as transaction:
        return await transaction.census.begin(hour=hour_of(AFTER), rest_s=3600.0, rest_times=9.0)


async def _census(store: Database) -> tuple[int, int]:
    taking = CensusTaking(store, OURS, StandingClock(AFTER))
    while await taking.step(rest_s=3600.0, rest_times=0) is not Step.DONE:
        pass
    return await _shown(store)
