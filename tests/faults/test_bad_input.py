"""Thousands of bad requests to every channel of one real process: it serves on, and holds no more memory than before."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import psutil
import pytest

from services.infra.kafka import apply_topics
from services.infra.settings import KafkaSettings
from services.ingest.discovery import discovered
from tests.support.attempts import Attempt, as_client, bad_bodies, changed_requests
from tests.support.counts import chosen_scale, chosen_seed
from tests.support.hooks import write_hooks
from tests.support.ingestprocess import IngestProcess, ingest_process
from tests.support.senders import write_sources
from tests.support.wire import Reply, exchange

pytestmark = [pytest.mark.faults, pytest.mark.integration]

EACH: Final = 60
"""Bad bodies of each channel, drawn anew by every seed."""

ROUNDS: Final = 4
GROWTH_BYTES_MAX: Final = 16 * 1024 * 1024
"""What Python's allocator keeps of a peak, not of a request: a kilobyte lost by each would be far more in a long run."""

AT_ONCE: Final = 4


def attempts(dice: random.Random) -> Iterator[Attempt]:
    """Spoilt requests and bad bodies of every channel, signed at this moment."""
    at = str(int(time.time()))
    for channel in discovered():
        yield from (attempt for attempt, _ in changed_requests(channel, signed_at=at))
        yield from dice.sample(list(bad_bodies(channel, signed_at=at)), EACH)


def send(ingest: IngestProcess, attempt: Attempt, number: int) -> Reply:
    """Send it on a connection of its own, as from an address of its own: who guesses keys is soon told to wait."""
    address = f"203.0.{number // 250 % 250}.{number % 250}"
    path = f"{attempt.path}?{urlencode(attempt.query)}" if attempt.query else attempt.path
    return exchange(
        ingest.port,
        method=attempt.method,
        path=path,
        headers=[*attempt.headers, ("x-forwarded-for", address)],
        body=attempt.body,
        chunked=attempt.in_chunks,
    )


def send_all(ingest: IngestProcess, sent: Sequence[Attempt], numbers: Iterator[int]) -> dict[str, int]:
    """Send all, a few at once; the statuses that say that the process failed."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        replies = pool.map(lambda attempt: send(ingest, attempt, next(numbers)), sent)
        answered = zip(sent, (reply.status for reply in replies), strict=True)
        return {attempt.name: status for attempt, status in answered if status >= 500}


def resident_bytes(ingest: IngestProcess) -> int:
    return int(psutil.Process(ingest.process.pid).memory_info().rss)


async def test_thousands_of_bad_requests_fail_nothing_end_nothing_and_leave_memory_as_it_was(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    await apply_topics(KafkaSettings(bootstrap=kafka_bootstrap))
    sources = tmp_path / "with-hooks.toml"
    write_sources(sources)
    write_hooks(sources)
    settings = {"TACTUS_SOURCES": str(sources), "TACTUS_INGEST__TRUSTED_PROXIES": "127.0.0.1"}
    seed, rounds = chosen_seed(), max(2, round(ROUNDS * chosen_scale()))
    sent, numbers = list(attempts(random.Random(seed))), count()
    sys.stderr.write(f"bad input: FAULT_SEED={seed}, {rounds} rounds of {len(sent)} requests\n")

    with ingest_process(kafka_bootstrap, tmp_path, settings=settings) as ingest:
        ingest.wait_ready()
        failed = send_all(ingest, sent, numbers)
        before = resident_bytes(ingest)
        for _ in range(rounds - 1):
            failed |= send_all(ingest, sent, numbers)
        grown = resident_bytes(ingest) - before
        sys.stderr.write(f"bad input: {before / 2**20:.0f} MiB resident, {grown / 2**20:+.1f} MiB after all\n")
        good = {
            channel.name: send(ingest, as_client(channel, channel.examples[0], signed_at=str(int(time.time()))), 0)
            for channel in discovered()
        }

        assert failed == {}
        assert {name: reply.status for name, reply in good.items()} == {
            channel.name: channel.examples[0].answers for channel in discovered()
        }
        assert grown <= GROWTH_BYTES_MAX
        assert ingest.process.poll() is None
        assert ingest.logged("request_failed") == []
        assert "Traceback" not in ingest.log.read_text()
