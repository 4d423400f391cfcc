"""The client for dead letters: goes on from page to page, waits when it is asked to, and says what only a person can mend."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from services.client.dead_letters import LETTERS, REPLAY, LettersClient
from services.client.posting import ATTEMPTS_MAX
from services.infra.errors import ConfigurationError, UnavailableError

Respond = Callable[[httpx.Request], httpx.Response]


class Waits:
    """Notes how long somebody would have waited."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def client(respond: Respond, waits: Waits | None = None) -> LettersClient:
    http = httpx.AsyncClient(transport=httpx.MockTransport(respond), base_url="http://api")
    return LettersClient(http=http, pause=waits or Waits())


def outcomes(*ids: int, next_: str | None = None, retry_after_s: int = 0) -> httpx.Response:
    told = [{"id": one, "outcome": "accepted", "reason": "", "detail": ""} for one in ids]
    return httpx.Response(200, json={"outcomes": told, "next": next_, "retry_after_s": retry_after_s})


def problem(status: int, detail: str, **headers: str) -> httpx.Response:
    body = {"title": "No", "status": status, "detail": detail}
    return httpx.Response(
        status, content=json.dumps(body), headers={"Content-Type": "application/problem+json", **headers}
    )


async def test_pages_follow_each_other_by_their_cursor_and_a_door_that_asks_to_wait_is_obeyed() -> None:
    asked: list[dict[str, str]] = []
    pages = iter([outcomes(1, 2, next_="2-9", retry_after_s=3), outcomes(3, next_="3-9"), outcomes(9)])
    waits = Waits()

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        return next(pages)

    async with client(respond, waits) as letters:
        told = [one.id async for page in letters.outcomes("POST", REPLAY, {"reason": "r"}) for one in page.outcomes]

    assert told == [1, 2, 3, 9]
    assert asked == [{"reason": "r"}, {"reason": "r", "cursor": "2-9"}, {"reason": "r", "cursor": "3-9"}]
    assert waits.seconds == [3]


async def test_an_api_or_an_ingest_that_is_away_is_asked_again_as_it_says() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    answers: list[Respond] = [
        refuse,
        lambda _: problem(503, "Ingest does not answer.", **{"Retry-After": "4"}),
        lambda _: problem(429, "Too fast.", **{"Retry-After": "7"}),
        lambda _: outcomes(1),
    ]
    turns = iter(answers)

    def respond(request: httpx.Request) -> httpx.Response:
        return next(turns)(request)

    waits = Waits()

    async with client(respond, waits) as letters:
        told = [one.id async for page in letters.outcomes("POST", REPLAY, {}) for one in page.outcomes]

    assert told == [1]
    assert waits.seconds[1:] == [4, 7]


async def test_an_ingest_that_stays_away_is_told_in_its_words_and_not_waited_for_for_ever() -> None:
    waits = Waits()

    async with client(lambda _: problem(503, "Ingest does not answer (ConnectError)."), waits) as letters:
        with pytest.raises(UnavailableError, match=r"Ingest does not answer .* goes on from here"):
            [page async for page in letters.outcomes("POST", REPLAY, {})]

    assert len(waits.seconds) == ATTEMPTS_MAX - 1


@pytest.mark.parametrize(
    ("status", "detail"),
    [
        (401, "Send a valid key"),
        (403, "Use a key with the scope dead-letters:write."),
        (404, "Check the id"),
        (409, "Name letters"),
        (501, "TACTUS_API__OPERATOR_KEY"),
    ],
)
async def test_what_waiting_does_not_mend_is_told_at_once(status: int, detail: str) -> None:
    waits = Waits()

    async with client(lambda _: problem(status, detail), waits) as letters:
        with pytest.raises(ConfigurationError, match=detail):
            await letters.letter(1)

    assert waits.seconds == []


async def test_letters_of_all_pages_come_in_their_order() -> None:
    def page(request: httpx.Request) -> httpx.Response:
        assert request.url.path == LETTERS
        first = int(request.url.params.get("cursor", "0-4").partition("-")[0])
        letter = {
            "id": first + 1, "state": "open", "at": "2026-03-01T12:00:00Z", "origin": "ingest", "reason": "r",
            "detail": "d", "source": None, "channel": None, "event_id": None, "size": 1,
        }  # fmt: skip
        return httpx.Response(200, json={"letters": [letter], "next": None if first == 3 else f"{first + 1}-4"})

    async with client(page) as letters:
        assert [letter.id async for letter in letters.letters({})] == [1, 2, 3, 4]
