"""The commands' HTTP client: retries the same ids, stops at a refused key, and has a reply to every event."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.client.events import (
    BATCH_BYTES_MAX,
    BATCH_EVENTS_MAX,
    EventsClient,
    Outgoing,
    batches,
    open_client,
)
from services.client.posting import ATTEMPTS_MAX, WAIT_S_MAX, Poster
from services.infra.errors import ConfigurationError, UnavailableError

Answerer = Callable[[httpx.Request], httpx.Response]


def event(number: int, *, size: int = 10) -> Outgoing:
    return Outgoing.of(
        event_id=f"e{number}",
        source="test",
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
        body={"touchpoint": "web.page_viewed", "text": "x" * size},
    )


def sent_ids(request: httpx.Request) -> list[str]:
    packed = request.headers.get("Content-Encoding") == "gzip"
    content = gzip.decompress(request.content) if packed else request.content
    return [entry["id"] for entry in json.loads(content)]


def all_accepted(request: httpx.Request) -> httpx.Response:
    results = [
        {"index": i, "id": id_, "status": "accepted", "durable": "log"} for i, id_ in enumerate(sent_ids(request))
    ]
    return httpx.Response(202, json={"results": results})


class Door:
    """Answers each request with the next answerer; the last one stays."""

    def __init__(self, *answerers: Answerer) -> None:
        self.answerers = list(answerers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answerer = self.answerers.pop(0) if len(self.answerers) > 1 else self.answerers[0]
        return answerer(request)


class Waits(list[float]):
    """How long the client would have waited between attempts."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def waits() -> Waits:
    return Waits()


def client_of(door: Door, waits: Waits, *, compress: bool = False) -> EventsClient:
    http = httpx.AsyncClient(base_url="http://door.example", transport=httpx.MockTransport(door))
    return EventsClient(poster=Poster(http=http, pause=waits), compress=compress)


def unavailable(retry_after: str) -> Answerer:
    return lambda _: httpx.Response(503, json={"title": "the log is away"}, headers={"Retry-After": retry_after})


def unanswered(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("no answer", request=request)


def unreachable(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


async def test_a_busy_door_gets_the_same_events_again_when_it_asked_for_them(waits: Waits) -> None:
    door = Door(unavailable("3"), unavailable("600"), all_accepted)

    async with client_of(door, waits) as sender:
        replies = await sender.send([event(1), event(2)])

    assert [reply.id for reply in replies if reply.accepted] == ["e1", "e2"]
    assert [request.content for request in door.requests] == [door.requests[0].content] * 3
    assert waits == [3.0, WAIT_S_MAX]


async def test_an_unanswered_request_is_sent_again_and_counted_as_perhaps_there_twice(waits: Waits) -> None:
    door = Door(unanswered, all_accepted)

    async with client_of(door, waits) as sender:
        await sender.send([event(1), event(2)])

    assert len(waits) == 1
    assert sender.repeated == 2


async def test_a_request_that_never_left_is_not_counted_as_repeated(waits: Waits) -> None:
    door = Door(unreachable, all_accepted)

    async with client_of(door, waits) as sender:
        await sender.send([event(1)])

    assert len(waits) == 1
    assert sender.repeated == 0


async def test_a_door_that_stays_away_is_given_up_aloud(waits: Waits) -> None:
    door = Door(unreachable)

    async with client_of(door, waits) as sender:
        with pytest.raises(UnavailableError, match=f"{ATTEMPTS_MAX} attempts"):
            await sender.send([event(1)])

    assert len(door.requests) == ATTEMPTS_MAX
    assert sum(waits) < 120


async def test_a_refused_key_stops_at_once(waits: Waits) -> None:
    door = Door(lambda _: httpx.Response(401, json={"title": "unknown key"}))

    async with client_of(door, waits) as sender:
        with pytest.raises(ConfigurationError, match="unknown key"):
            await sender.send([event(1)])

    assert waits == []


async def test_verdicts_come_in_the_order_of_the_events(waits: Waits) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        results = [
            {
                "index": 1,
                "id": "e2",
                "status": "rejected",
                "reason": "invalid-event",
                "detail": "rating.value must be between 1 and 5",
            },
            {"index": 0, "id": "e1", "status": "accepted", "durable": "log"},
        ]
        return httpx.Response(202, json={"results": results}, request=request)

    async with client_of(Door(answer), waits) as sender:
        replies = await sender.send([event(1), event(2)])

    assert [(v.id, v.accepted, v.reason) for v in replies] == [
        ("e1", True, ""),
        ("e2", False, "invalid-event: rating.value must be between 1 and 5"),
    ]
    assert waits == []


async def test_a_batch_refused_as_a_whole_costs_only_the_event_at_fault(waits: Waits) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if "e3" in sent_ids(request):
            return httpx.Response(400, json={"title": "malformed", "detail": "the body is not JSON"})
        return all_accepted(request)

    async with client_of(Door(answer), waits) as sender:
        replies = await sender.send([event(number) for number in range(7)])

    assert [v.id for v in replies] == [f"e{number}" for number in range(7)]
    assert [(v.id, v.reason) for v in replies if not v.accepted] == [("e3", "the body is not JSON")]
    assert waits == []


async def test_an_answer_that_forgets_an_event_is_not_taken_for_a_verdict(waits: Waits) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        ids = sent_ids(request)
        results = [{"index": 0, "id": ids[0], "status": "accepted"}]
        return httpx.Response(202, json={"results": results})

    async with client_of(Door(answer), waits) as sender:
        replies = await sender.send([event(1), event(2)])

    assert [v.accepted for v in replies] == [True, True]  # each was asked about alone
    assert waits == []


async def test_large_bodies_are_packed_for_a_distant_door_only(waits: Waits) -> None:
    far, near = Door(all_accepted), Door(all_accepted)

    async with client_of(far, waits, compress=True) as sender:
        await sender.send([event(1, size=5000)])
        await sender.send([event(2)])
    async with client_of(near, waits) as sender:
        await sender.send([event(3, size=5000)])

    assert [r.headers.get("Content-Encoding") for r in far.requests + near.requests] == ["gzip", None, None]
    assert waits == []


@pytest.mark.parametrize(("url", "compress"), [("http://127.0.0.1:8080", False), ("https://in.shop.example", True)])
async def test_compression_follows_the_distance(url: str, *, compress: bool) -> None:
    async with open_client(url=url, key="k", connections=1) as sender:
        assert sender.compress is compress


@given(st.lists(st.integers(0, 300_000), max_size=30), st.integers(0, 1200))
def test_batches_keep_every_event_in_order_and_within_limits(sizes: list[int], small: int) -> None:
    events = [Outgoing(f"e{i}", b"x" * size) for i, size in enumerate([*sizes, *[9] * small])]

    cut = list(batches(events))

    assert [event for batch in cut for event in batch] == events
    for batch in cut:
        body = 2 + sum(len(event.encoded) + 1 for event in batch)
        assert 1 <= len(batch) <= BATCH_EVENTS_MAX
        assert body <= BATCH_BYTES_MAX or len(batch) == 1
