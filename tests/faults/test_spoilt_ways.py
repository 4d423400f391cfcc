"""Latency, resets, black holes and a narrow line between ingest and Kafka: nothing accepted is lost, or in the log twice."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final

import pytest

from services.infra.kafka import apply_topics
from services.infra.settings import KafkaSettings
from tests.faults.persistent import copies_in_log, lost, persistent_clients
from tests.support.counts import chosen_scale
from tests.support.ingestprocess import ingest_process
from tests.support.places import data_directory
from tests.support.proxied_kafka import ProxiedKafka
from tests.support.slowness import Slowness
from tests.support.toxiproxy import Toxic, Way, way_to
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.e2e]

SCALE: Final = chosen_scale()
SEED: Final = int(os.environ.get("FAULT_SEED") or 41)

SPOILT_S: Final = 8.0 * SCALE
"""Longer than a request's deadline: what it waits for is decided by the way's trouble and not by luck."""

CLEAN_S: Final = 0.5

DEADLINE_S: Final = 2

ANSWER_S_MAX: Final = 3.0 * DEADLINE_S
"""For the log, for its refused events once more, and for the disk."""

TROUBLES: Final = {
    "latency of a second, and more or less": (
        Toxic.up("latency", latency=500, jitter=400),
        Toxic.down("latency", latency=500, jitter=400),
    ),
    "resets in the middle of a request": (Toxic.up("limit_data", bytes=3000), Toxic.up("reset_peer", timeout=40)),
    "resets in the middle of an answer": (Toxic.down("limit_data", bytes=200),),
    "a black hole towards Kafka": (Toxic.up("timeout", timeout=0),),
    "a black hole on the way back": (Toxic.down("timeout", timeout=0),),
    "a line of 16 kB a second in crumbs": (
        Toxic.up("bandwidth", rate=16),
        Toxic.up("slicer", average_size=64, size_variation=32, delay=500),
    ),
}


@pytest.fixture(scope="module")
def kafka() -> Iterator[ProxiedKafka]:
    with data_directory() as folder:
        broker = ProxiedKafka(folder)
        broker.start()
        yield broker
        broker.stop()


def spoil(way: Way, dice: random.Random, toxics: Sequence[Toxic]) -> None:
    """Trouble that comes and goes, and is over at the end."""
    until_s = time.monotonic() + SPOILT_S
    while time.monotonic() < until_s:
        with way.spoilt(*toxics):
            time.sleep(dice.uniform(0.5, 1.0) * SPOILT_S)  # how long trouble lasts is what is tried
        time.sleep(CLEAN_S)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_nothing_that_was_acknowledged_over_a_spoilt_way_is_lost_or_kept_twice(
    kafka: ProxiedKafka, trouble: str
) -> None:
    asyncio.run(apply_topics(KafkaSettings(bootstrap=kafka.bootstrap)))
    sys.stderr.write(f"spoilt ways: FAULT_SEED={SEED} FAULT_SCALE={SCALE:g}\n")
    dice = random.Random(f"{SEED}/{trouble}")
    first = 100_000 * (1 + list(TROUBLES).index(trouble))
    with data_directory() as folder, way_to(kafka.behind, at=kafka.before) as way:
        settings = {"TACTUS_INGEST__SPOOL": str(folder / "spool"), "TACTUS_INGEST__DEADLINE_S": str(DEADLINE_S)}
        with ingest_process(kafka.spoilt, folder, settings=settings) as ingest:
            ingest.wait_ready()
            slowness = Slowness(ingest.process.pid)
            with persistent_clients(ingest.url, first=first) as acknowledged:
                spoil(way, dice, TROUBLES[trouble])
            slower = slowness.factor()
            wait_until(lambda: ingest.metric("tactus_spool_bytes") == 0.0, what="the spool is empty again")
            assert ingest.stop() == 0

    copies, durable = copies_in_log(kafka.bootstrap), acknowledged.durable()
    slowest_s = max(sent.waited_s for _, sent in acknowledged.requests)
    sys.stderr.write(f"{trouble}: {dict(durable)}, slowest answer {slowest_s:.1f} s\n")
    assert durable["spool"] or "black hole" not in trouble, "the trouble was none"
    assert all(acknowledged.of_channels.values())
    assert slowest_s < ANSWER_S_MAX * slower
    assert lost(acknowledged.ids(), copies) == []
    assert [one for one in acknowledged.told_once_by_the_log() if copies[one] != 1] == []
