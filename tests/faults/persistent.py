"""Clients of three channels that send the same until it is kept, and what the log has of it, told apart as a worker does."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import httpx

from schemas.topics import EVENTS
from services.aggregator.counting.records import Event, read_record
from tests.support.chunks import LogRecord
from tests.support.doors import catalogue_file
from tests.support.independent_log import read_log
from tests.support.senders import SERVER_KEY
from tests.support.waiting import PATIENCE_S

BATCH: Final = 10

PAUSE_S: Final = 0.2
"""A client that waits, as it was told, but less."""


class Sent(NamedTuple):
    """What a sender knows of one request when it was acknowledged."""

    ids: Sequence[str]
    attempts: int
    durable: str
    waited_s: float
    """For the slowest of its answers."""


class Channel(NamedTuple):
    """How the clients of a channel write events, and what their ids are called in the log."""

    name: str
    path: str
    write: Callable[[Sequence[str]], bytes]
    stored: Callable[[str], str]

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


CHANNELS: Final = (
    Channel("native", "/v1/events", native, lambda one: one),
    Channel("segment", "/v1/batch", segment, lambda one: one),
    Channel("till", "/v1/tills/7/1/events", till, lambda one: f"2026-11-01/{int(one)}"),
)


@dataclass
class Persistent:
    """One client of one channel: sends batch after batch, each until it is kept."""

    channel: Channel
    url: str
    numbers: Iterator[int]
    stop: threading.Event
    kept: list[Sent] = field(default_factory=list)

    def run(self) -> list[Sent]:
        """Send until told to stop, with nothing under way at the end."""
        headers = {"Authorization": f"Bearer {SERVER_KEY}", "Content-Type": "application/json"}
        with httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE_S, trust_env=False) as http:
            while not self.stop.is_set():
                ids = [self.channel.named(next(self.numbers)) for _ in range(BATCH)]
                self.kept.append(self._send(http, ids))
        return self.kept

    def _send(self, http: httpx.Client, ids: Sequence[str]) -> Sent:
        body, attempts, slowest_s = self.channel.write(ids), 0, 0.0
        give_up_at = None
        while True:
            attempts += 1
            began = time.monotonic()
            give_up_at = give_up_at or (began + PATIENCE_S if self.stop.is_set() else None)
            assert give_up_at is None or began < give_up_at, "nobody takes the last of it"
            try:
                answer = http.post(self.channel.path, content=body)
            except httpx.TransportError:
                answer = None  # the process is not there, or went while it was asked
            slowest_s = max(slowest_s, time.monotonic() - began)
            if answer is not None and answer.is_success:
                return Sent(ids, attempts, self._durable(answer), slowest_s)
            if answer is not None:
                assert answer.status_code in {429, 503}, answer.text
                assert float(answer.headers["Retry-After"]) > 0
            time.sleep(PAUSE_S)

    def _durable(self, answer: httpx.Response) -> str:
        """Where it is kept; Segment's answer does not say."""
        results = answer.json().get("results", [])
        assert all(result["status"] == "accepted" for result in results)
        return results[0]["durable"] if results else ""


@dataclass
class Acknowledged:
    """What all clients together were told is kept, once they have stopped."""

    of_channels: dict[str, list[Sent]] = field(default_factory=dict)

    @property
    def requests(self) -> list[tuple[Channel, Sent]]:
        return [(channel, sent) for channel in CHANNELS for sent in self.of_channels[channel.name]]

    def ids(self) -> set[str]:
        """Their ids, as the log has them."""
        return {channel.stored(one) for channel, sent in self.requests for one in sent.ids}

    def told_once_by_the_log(self) -> set[str]:
        """The ids of requests that were sent once, and answered with the log's word for it."""
        once = [(channel, sent) for channel, sent in self.requests if sent.attempts == 1 and sent.durable == "log"]
        return {channel.stored(one) for channel, sent in once for one in sent.ids}

    def durable(self) -> Counter[str]:
        return Counter(sent.durable for _, sent in self.requests)


@contextmanager
def persistent_clients(url: str, *, first: int) -> Iterator[Acknowledged]:
    """Let a client of each channel send for the length of the block; then all that they began is kept."""
    acknowledged, stop = Acknowledged(), threading.Event()
    clients = [Persistent(channel, url, iter(range(first, first + 99_999)), stop) for channel in CHANNELS]
    with ThreadPoolExecutor(len(clients)) as pool:
        running = [pool.submit(client.run) for client in clients]
        try:
            yield acknowledged
        finally:
            stop.set()
            for client, one in zip(clients, running, strict=True):
                acknowledged.of_channels[client.channel.name] = one.result(2 * PATIENCE_S)


def copies_in_log(bootstrap: str) -> Counter[str]:
    """How often each event stands in the log; fails where two copies are not one event to a worker, which counts one."""
    hashes: defaultdict[tuple[bytes, str], set[bytes]] = defaultdict(set)
    copies: Counter[str] = Counter()
    for one in read_log(bootstrap, EVENTS):
        record = LogRecord(one.offset, one.append_time_ms, one.key, one.value)
        event = read_record(record, catalogue=catalogue_file().catalogue, known={})
        assert isinstance(event, Event), event
        hashes[event.key, event.event_id].add(event.body_hash)
        copies[event.event_id] += 1
    assert [name for (_, name), bodies in hashes.items() if len(bodies) > 1] == []
    assert len(hashes) == len(copies), "one id under two sources"
    return copies


def lost(ids: Collection[str], copies: Counter[str]) -> list[str]:
    """The first of what was acknowledged and is not in the log."""
    return sorted(set(ids) - copies.keys())[:10]
