"""Bad input to every channel that there is: each gets an answer that helps, and nothing of it becomes a wrong event."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.topics import DLQ
from services.aggregator.counting.records import Event, read_record
from services.infra.http.answer import Application
from services.infra.http.peers import Peers
from services.ingest.adapter import Adapter
from services.ingest.app import build_app, open_to_pages
from services.ingest.cors import with_cors
from services.ingest.discovery import discovered
from tests.support.attempts import CANARY, Attempt, as_client, bad_bodies, changed_requests, sources_of
from tests.support.chunks import LogRecord
from tests.support.clocks import NOON
from tests.support.doors import catalogue_file, memory_door
from tests.support.memory_log import MemoryLog
from tests.support.senders import PATIENT

CHANNELS = discovered()
EACH = pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.name)
BYTES_IN_LOG_MAX = 64 * 1024 * 1024


class Stranger:
    """Somebody who sends to one channel, each request from another address: who guesses keys is soon told to wait."""

    def __init__(self, channel: Adapter) -> None:
        self.channel = channel
        self.log = MemoryLog(buffer_bytes_max=BYTES_IN_LOG_MAX)
        sources = sources_of(channel)
        app = build_app(
            memory_door(self.log, sources=lambda: sources), CHANNELS, unready=self.log.unready, peers=Peers(())
        )
        self._app: Application = with_cors(app, allows=sources.serve_pages_of, is_open=open_to_pages(CHANNELS))
        self._addresses = map("198.51.100.{}:1".format, range(1_000_000))

    async def send(self, attempt: Attempt) -> httpx.Response:
        """Send it; what the log has afterwards is of this request alone."""
        self.log.records.clear()
        transport = httpx.ASGITransport(app=self._app, client=(next(self._addresses), 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
            return await client.request(
                attempt.method,
                attempt.path,
                content=_pieces(attempt.body) if attempt.in_chunks else attempt.body,
                headers=list(attempt.headers),
                params=list(attempt.query) or None,
            )

    def complaints(self, answer: httpx.Response) -> Iterator[str]:
        """Tell what is wrong with an answer to bad input, and with what was kept."""
        if answer.status_code >= 500:
            yield f"failed with {answer.status_code}"
        if answer.status_code >= 400 and not is_problem(answer):
            yield f"{answer.status_code} is no problem: {answer.text[:200]}"
        if CANARY in answer.text and '"results"' not in answer.text:
            yield f"repeats what was sent: {answer.text[:300]}"
        for record in self.log.records:
            if record.topic != DLQ:
                read = read_record(
                    LogRecord(0, int(NOON.timestamp()) * 1000, record.key, record.value),
                    catalogue=catalogue_file().catalogue,
                    known={},
                )
                if not isinstance(read, Event):
                    yield f"kept what no worker can count: {read}"
            elif not dict(record.headers)["reason"]:
                yield "a letter has no reason"

    async def still_serves(self) -> bool:
        example = self.channel.examples[0]
        answer = await self.send(as_client(self.channel, example))
        return answer.status_code == example.answers and len(self._kept()) == len(example.touchpoints)

    def _kept(self) -> list[bytes]:
        return [record.value for record in self.log.records if record.topic != DLQ]


def is_problem(answer: httpx.Response) -> bool:
    if answer.headers.get("content-type") != "application/problem+json":
        return False
    told = json.loads(answer.content)
    return bool(told["type"].startswith("urn:tactus:problem:") and told["status"] == answer.status_code)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 60_000):
        yield body[start : start + 60_000]


@EACH
async def test_a_good_request_spoilt_in_one_way_gets_what_the_corpus_says(channel: Adapter) -> None:
    stranger, wrong = Stranger(channel), {}
    for attempt, expected in changed_requests(channel):
        answer = await stranger.send(attempt)

        problem = json.loads(answer.content)["type"].rpartition(":")[2] if answer.status_code >= 400 else None
        kept = sum(record.topic != DLQ for record in stranger.log.records)
        letters = len(stranger.log.records) - kept
        found = (answer.status_code, problem, bool(kept), letters)
        if found != tuple(expected) or list(stranger.complaints(answer)):
            wrong[attempt.name] = found, tuple(expected), answer.text[:200]

    assert wrong == {}
    assert await stranger.still_serves()


@EACH
async def test_whatever_a_body_holds_it_is_answered_and_what_is_kept_can_be_counted(channel: Adapter) -> None:
    stranger, wrong, tried = Stranger(channel), {}, 0
    for attempt in bad_bodies(channel):
        answer = await stranger.send(attempt)
        tried += 1
        if found := list(stranger.complaints(answer)):
            wrong[attempt.name] = found

    assert wrong == {}
    assert tried > 300
    assert await stranger.still_serves()


@EACH
@settings(parent=PATIENT, max_examples=10)
@given(data=st.data())
async def test_random_bytes_from_somebody_who_may_send_are_answered(channel: Adapter, data: st.DataObject) -> None:
    stranger = Stranger(channel)
    for _ in range(5):
        body = data.draw(st.binary(max_size=200))
        attempt = as_client(channel, channel.examples[0], body)
        assert list(stranger.complaints(await stranger.send(attempt))) == []
    assert await stranger.still_serves()
