"""What the API makes of ingest's answers to letters."""

from __future__ import annotations

import httpx
import msgspec
import pytest

from schemas.replay import REPLAY, Letter, Letters, Result, Results
from services.api.ingest_door import RETRY_S_MAX, IngestDoor, open_door
from services.infra.http.problems import RETRY_AFTER_S, Refused
from services.infra.settings import ApiSettings

LETTERS = [Letter(channel="native", path="/v1/events", source="shop", came=1, original=b'{"id": "a"}')]
KEY = "operator-key-of-a-test"


def door(answer: httpx.Response | httpx.TransportError, seen: list[httpx.Request] | None = None) -> IngestDoor:
    def respond(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        if isinstance(answer, httpx.TransportError):
            raise answer
        return answer

    http = httpx.AsyncClient(transport=httpx.MockTransport(respond), base_url="http://ingest")
    return IngestDoor(http=http, key=KEY)


async def test_letters_go_with_the_operator_s_key_and_their_results_come_back() -> None:
    seen: list[httpx.Request] = []
    results = Results(results=[Result(status="rejected", reason="invalid-event", detail="id: is required")])

    answer = await door(httpx.Response(200, content=msgspec.json.encode(results)), seen).send(
        REPLAY, LETTERS, masked=True
    )

    assert answer == results
    (request,) = seen
    assert (request.url.path, request.headers["authorization"]) == (REPLAY, f"Bearer {KEY}")
    assert msgspec.json.decode(request.content, type=Letters) == Letters(letters=LETTERS, masked=True)


@pytest.mark.parametrize(
    ("answer", "slug", "retry_s"),
    [
        (httpx.Response(429, headers={"Retry-After": "17"}), "too-many-requests", 17),
        (httpx.Response(503, headers={"Retry-After": "4"}), "unavailable", 4),
        (httpx.Response(503), "unavailable", RETRY_AFTER_S),
        (httpx.Response(503, headers={"Retry-After": "soon"}), "unavailable", RETRY_AFTER_S),
        (httpx.Response(429, headers={"Retry-After": "999999"}), "too-many-requests", RETRY_S_MAX),
        (httpx.Response(500), "unavailable", RETRY_AFTER_S),
        (httpx.Response(401), "replay-not-set-up", None),
        (httpx.Response(403), "replay-not-set-up", None),
        (httpx.Response(404), "replay-not-set-up", None),
        (httpx.ConnectError("refused"), "unavailable", RETRY_AFTER_S),
        (httpx.ReadTimeout("too late"), "unavailable", RETRY_AFTER_S),
    ],
)
async def test_what_keeps_letters_out_says_whether_waiting_helps(
    answer: httpx.Response | httpx.TransportError, slug: str, retry_s: int | None
) -> None:
    refused = await door(answer).send(REPLAY, LETTERS, masked=False)

    assert isinstance(refused, Refused)
    assert refused.slug == slug
    assert retry_s is None or refused.retry_after_s == retry_s


async def test_without_an_operator_s_key_nothing_is_sent() -> None:
    refused = await open_door(ApiSettings(ingest="http://127.0.0.1:1")).send(REPLAY, LETTERS, masked=False)

    assert refused == Refused("replay-not-set-up")
