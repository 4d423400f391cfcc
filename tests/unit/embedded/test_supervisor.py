"""How children are kept alive, and when they are given up."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from services.embedded.supervisor import DEATHS_MAX, Supervised
from services.infra.errors import ConfigurationError, UnavailableError
from tests.support.waiting import eventually


class Scripted:
    """A child that ends as the script says; a None in it runs until the test is over."""

    command = ("child",)
    pid = os.getpid()

    def __init__(self, log: Path, codes: list[int | None], *, ready: bool = True) -> None:
        self.log = log
        self.launches = 0
        self._codes = codes
        self._ready = ready

    def prepare(self) -> None:
        """Nothing to prepare."""

    def launch(self) -> None:
        self.launches += 1

    def is_ready(self) -> bool:
        return self._ready and self.poll() is None

    def poll(self) -> int | None:
        return self._codes[min(self.launches, len(self._codes)) - 1]

    def stop(self) -> None:
        """Nothing to stop."""

    def kill(self) -> None:
        """Nothing to kill."""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "child.log"
    path.write_text("set TACTUS_THIS to that\n")
    return path


async def kept(child: Scripted, until: Callable[[], bool]) -> list[str]:
    """Supervise the child until the condition holds, or it is given up; return what was said."""
    said: list[str] = []
    supervised = Supervised("api", child, tell=lambda: None, say=said.append, first_pause_s=0.01)
    keeping = asyncio.create_task(supervised.keep())

    async def over() -> bool:
        return until() or keeping.done()

    await eventually(over, what="the script has been played")
    if keeping.done():
        await keeping
    keeping.cancel()
    return said


async def test_a_child_that_died_is_started_again_and_it_is_said(log: Path) -> None:
    child = Scripted(log, [-9, None])

    said = await kept(child, lambda: child.launches == 2)

    assert said == ["api ended (signal 9): starting it again in 0.01 s"]


async def test_pauses_grow(log: Path) -> None:
    child = Scripted(log, [1, 1, 1, None])

    said = await kept(child, lambda: child.launches == 4)

    assert [line.rpartition(" in ")[2] for line in said] == ["0.01 s", "0.02 s", "0.04 s"]


async def test_a_child_that_refuses_its_configuration_again_and_again_ends_with_its_words(log: Path) -> None:
    child = Scripted(log, [2])

    with pytest.raises(ConfigurationError, match="set TACTUS_THIS to that"):
        await kept(child, lambda: False)

    assert child.launches == 3


async def test_a_child_that_never_ran_is_given_up(log: Path) -> None:
    child = Scripted(log, [1])

    with pytest.raises(UnavailableError, match=f"api ended {DEATHS_MAX} times"):
        await kept(child, lambda: False)


async def test_ready_waits_for_the_child_to_say_so(log: Path) -> None:
    supervised = Supervised("api", Scripted(log, [None]), tell=lambda: None, say=print)
    keeping = asyncio.create_task(supervised.keep())

    await asyncio.wait_for(supervised.ready(), 5)

    keeping.cancel()
