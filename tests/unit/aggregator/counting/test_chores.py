"""Chores never stand before the work."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import REGISTRY

from services.aggregator.counting import chores as chores_of
from services.aggregator.counting.chores import Chores
from services.infra.errors import UnavailableError
from services.state.housekeeping import Chores as Done
from tests.support.memory_store import MemoryStore


@pytest.mark.parametrize("error", [UnavailableError("a dump holds the lock"), ValueError("a fault of ours")], ids=str)
async def test_a_round_that_fails_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    store, rounds, well = MemoryStore(), 0, asyncio.Event()
    monkeypatch.setattr(chores_of, "AGAIN_S", 0.0)

    async def keep_house() -> Done:
        nonlocal rounds
        rounds += 1
        if rounds < 3:
            raise error
        well.set()
        return Done(["2026_07"], 1, 0)

    monkeypatch.setattr(store, "keep_house", keep_house)
    chores = Chores(store)

    await chores.start()
    await asyncio.wait_for(well.wait(), 5)
    await chores.stop()

    assert rounds >= 3
    assert (REGISTRY.get_sample_value("tactus_chores_done_timestamp_seconds") or 0) > 0
