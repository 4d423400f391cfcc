"""Latency, resets, black holes and a narrow line between ingest and Kafka: nothing accepted is lost, or in the log twice."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

import httpx
import pytest

from schemas.topics import EVENTS
from services.infra.kafka import apply_topics
from services.infra.settings import KafkaSettings
from tests.support.independent_log import read_log
from tests.support.ingestprocess import IngestProcess, ingest_process
from tests.support.places import data_directory
from tests.support.proxied_kafka import ProxiedKafka
from tests.support.senders import SERVER_KEY
from tests.support.toxiproxy import Toxic, Way, way_to
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.e2e]

SCALE: Final = float(os.environ.get("FAULT_SCALE") or 1)
SEED: Final = int(os.environ.get("FAULT_SEED") or 41)

SPOILT_S: Final = 8.0 * SCALE
"""Longer than a request's deadline: what it waits for is decided by the way's trouble and not by luck."""

CLEAN_S: Final = 0.5
BATCH: Final = 10

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


class Sent(NamedTuple):
    """What a sender knows of one request when it was acknowledged."""

    ids: Sequence[str]
    attempts: int
    durable: str


class Sender(NamedTuple):
    """A client that sends the same again until it is told that it is kept."""

    name: str
    path: str
    write: Callable[[Sequence[str]], bytes]
    stored: Callable[[str], str]
    """What an id of its own is called in the log."""

    def named(self, number: int) -> str:
        """Give an id to something new: a till only counts."""
        return f"{number:06d}" if self.name == "till" else f"{self.name}-{number:06d}"


def native(ids: Sequence[str]) -> bytes:
    events = [
        {"id": one, "data": {"touchpoint": "web.page_viewed", "channel": "web", "identities": _whom(one)}}
        for one in ids
    ]
    return json.dumps(events).encode()


def segment(ids: Sequence[str]) -> bytes:
    calls = [{"messageId": one, "type": "page", "userId": _whom(one)[0]["value"]} for one in ids]
    return json.dumps({"batch": calls}).encode()


def till(ids: Sequence[str]) -> bytes:
    lines = [{"seq": int(one), "day": "2026-11-01", "identities": _whom(one)} for one in ids]
    return "\n".join(map(json.dumps, lines)).encode()


def _whom(one: str) -> list[dict[str, str]]:
    return [{"kind": "customer", "value": f"c-{one[-2:]}"}]


SENDERS: Final = (
    Sender("native", "/v1/events", native, lambda one: one),
    Sender("segment", "/v1/batch", segment, lambda one: one),
    Sender("till", "/v1/tills/7/1/events", till, lambda one: f"2026-11-01/{int(one)}"),
)


@pytest.fixture(scope="module")
def kafka() -> Iterator[ProxiedKafka]:
    with data_directory() as folder:
        broker = ProxiedKafka(folder)
        broker.start()
        yield broker
        broker.stop()


def send_until_kept(sender: Sender, ingest: IngestProcess, numbers: Iterator[int], stop: threading.Event) -> list[Sent]:
    """Send batch after batch, each until it is acknowledged; ends when told to, with nothing under way."""
    kept: list[Sent] = []
    headers = {"Authorization": f"Bearer {SERVER_KEY}", "Content-Type": "application/json"}
    with httpx.Client(base_url=ingest.url, headers=headers, timeout=PATIENCE_S, trust_env=False) as http:
        while not stop.is_set():
            ids = [sender.named(next(numbers)) for _ in range(BATCH)]
            body = sender.write(ids)
            attempts = 0
            while True:
                attempts += 1
                answer = http.post(sender.path, content=body)
                if answer.is_success:
                    break
                assert answer.status_code in {429, 503}, answer.text
                assert float(answer.headers["Retry-After"]) > 0
                time.sleep(0.2)  # a client that waits, as it was told, but less
            results = answer.json().get("results", []) if sender.name != "segment" else []
            assert all(result["status"] == "accepted" for result in results)
            kept.append(Sent(ids, attempts, results[0]["durable"] if results else ""))
    return kept


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
    first = 10_000 * (1 + list(TROUBLES).index(trouble))
    with data_directory() as folder, way_to(kafka.behind, at=kafka.before) as way:
        settings = {"TACTUS_INGEST__SPOOL": str(folder / "spool"), "TACTUS_INGEST__DEADLINE_S": "2"}
        with ingest_process(kafka.spoilt, folder, settings=settings) as ingest:
            ingest.wait_ready()
            stop = threading.Event()
            with ThreadPoolExecutor(len(SENDERS)) as pool:
                sending = [
                    pool.submit(send_until_kept, sender, ingest, iter(range(first, first + 9_999)), stop)
                    for sender in SENDERS
                ]
                try:
                    spoil(way, dice, TROUBLES[trouble])
                finally:
                    stop.set()
                sent = {sender: one.result(PATIENCE_S) for sender, one in zip(SENDERS, sending, strict=True)}
            wait_until(lambda: ingest.metric("tactus_spool_bytes") == 0.0, what="the spool is empty again")
            assert ingest.stop() == 0

        logged = Counter(json.loads(one.value or b"{}")["id"] for one in read_log(kafka.bootstrap, EVENTS))
    told = Counter(request.durable for requests in sent.values() for request in requests)
    sys.stderr.write(f"{trouble}: {dict(told)}\n")
    assert told["spool"] or "black hole" not in trouble, "the trouble was none"
    for sender, requests in sent.items():
        assert requests
        names = [(sender.stored(one), request) for request in requests for one in request.ids]
        assert [name for name, _ in names if not logged[name]] == []
        once = [name for name, request in names if request.attempts == 1 and request.durable == "log"]
        assert [name for name in once if logged[name] != 1] == []
