"""Strangers with a page's key press on one real ingest process: a good sender beside them hardly notices."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import psutil
import pytest

from schemas.limits import EVENTS_MAX, RATIO_MAX, VALUES_MAX
from services.infra.kafka import apply_topics
from services.infra.settings import KafkaSettings
from tests.faults.overload import QUIET_MS_MIN, Answers, press
from tests.support.ingestprocess import IngestProcess, ingest_process
from tests.support.senders import ANONYMOUS_KEY, SERVER_KEY, event, visit
from tests.support.slowness import Slowness
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.integration]

SECONDS: Final = 4.0
GROWTH_BYTES_MAX: Final = 150 * 1024 * 1024

GOOD: Final = json.dumps(event("good")).encode()


def tiny_values() -> bytes:
    """As many values as a request may hold, so small that they pack well, and not so well that it shows."""
    digits = random.Random(1)
    each = VALUES_MAX // EVENTS_MAX - 20
    events = [visit(number, p=[digits.randrange(10) for _ in range(each)]) for number in range(EVENTS_MAX)]
    packed = gzip.compress(body := json.dumps(events, separators=(",", ":")).encode())
    assert len(body) < RATIO_MAX * len(packed)
    return packed


GZIP = {"content-encoding": "gzip"}
TINY = tiny_values()
LARGE = json.dumps([visit(n, **{f"p{m}": "x" * 1000 for m in range(18)}) for n in range(50)]).encode()
ONE = json.dumps([visit(n, who="the-same") for n in range(200)]).encode()


@asynccontextmanager
async def pressed(
    ingest: IngestProcess, body: bytes, *, times: int, headers: dict[str, str], key: str = ANONYMOUS_KEY
) -> AsyncIterator[Answers]:
    """So many senders who never stop, each with a connection of its own."""
    answers = Answers()
    tasks = [asyncio.create_task(press(ingest, body, answers, key=key, headers=headers)) for _ in range(times)]
    try:
        yield answers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def good_p99_ms(ingest: IngestProcess) -> float:
    """How long a good sender waits, one request after the other, had the door a core of its own; all are accepted."""
    answers, slowness = Answers(), Slowness(ingest.process.pid)
    task = asyncio.create_task(press(ingest, GOOD, answers, key=SERVER_KEY, headers={}))
    await asyncio.sleep(SECONDS)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert set(answers.statuses) == {202}
    return answers.p99_ms / slowness.factor()


@pytest.mark.parametrize(
    ("body", "times", "headers"),
    [(TINY, 8, GZIP), (LARGE, 32, {}), (ONE, 8, {})],
    ids=["gzip of many tiny values", "parallel bodies of a megabyte", "a flood of one key and identity"],
)
async def test_a_good_sender_is_hardly_delayed_and_memory_stays(
    tmp_path: Path, kafka_bootstrap: str, body: bytes, times: int, headers: dict[str, str]
) -> None:
    with ingest_process(kafka_bootstrap, tmp_path) as ingest:
        await apply_topics(KafkaSettings(bootstrap=kafka_bootstrap))
        await asyncio.to_thread(ingest.wait_ready)
        process = psutil.Process(ingest.process.pid)
        quiet_ms, memory = await good_p99_ms(ingest), process.memory_info().rss

        async with pressed(ingest, body, times=times, headers=headers) as answers:
            await eventually(answers.any, what="the first of them is answered")
            beside_ms = await good_p99_ms(ingest)
            grown = process.memory_info().rss - memory

        assert beside_ms <= max(3 * quiet_ms, QUIET_MS_MIN)
        assert grown <= GROWTH_BYTES_MAX
        assert 500 not in answers.statuses
        assert ingest.status("/readyz") == 200


async def test_more_callers_never_mean_less_work_done(tmp_path: Path, kafka_bootstrap: str) -> None:
    done = {4: 0, 64: 0}
    with ingest_process(kafka_bootstrap, tmp_path) as ingest:
        await apply_topics(KafkaSettings(bootstrap=kafka_bootstrap))
        await asyncio.to_thread(ingest.wait_ready)
        # In turn: what else the machine does meanwhile presses on both alike.
        for times in 3 * (4, 64):
            async with pressed(ingest, LARGE, times=times, headers={}, key=SERVER_KEY) as answers:
                await asyncio.sleep(SECONDS)
                done[times] += answers.accepted_events

    # All but the same on a quiet machine; on a busy one the 64 clients themselves take from the two cores.
    assert done[64] >= 0.5 * done[4], done
