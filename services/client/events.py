"""The HTTP client of the commands: sends events, retries what may be retried, knows the reply to each."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from types import TracebackType
from typing import Final, NamedTuple, Self

import httpx
import msgspec

from schemas.instant import write_instant
from schemas.limits import BODY_BYTES_MAX, EVENTS_MAX
from schemas.touchpoint import TYPE
from services.infra.errors import ConfigurationError, UnavailableError

BATCH_EVENTS_MAX: Final = EVENTS_MAX
"""What the door takes in one request."""

BATCH_BYTES_MAX: Final = BODY_BYTES_MAX
"""What the door takes as one body."""

GZIP_BYTES_MIN: Final = 1400
"""A body that fits into one network packet gains nothing by being smaller."""

ATTEMPTS_MAX: Final = 12
"""With the waits below about a minute and a half: a broker or a door restarts within that."""

WAIT_S_MAX: Final = 10.0
"""The longest wait between attempts, also when the door asks for more: a person is watching."""

TIMEOUT_S: Final = 20.0
"""Four times the door's own deadline: whoever says nothing for so long is gone."""

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""Where the bytes cost nothing and compressing them does."""

_TRY_LATER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_STOP: Final = frozenset({401, 403, 404, 405, 415})
_JSON: Final = msgspec.json.Encoder()


class Outgoing(NamedTuple):
    """One event, encoded once: sending it again sends the same bytes."""

    id: str
    encoded: bytes

    @classmethod
    def of(cls, *, event_id: str, source: str, occurred_at: datetime | None, body: Mapping[str, object]) -> Self:
        """Encode an event; without a time the door gives it the time of arrival."""
        event: dict[str, object] = {"specversion": "1.0", "id": event_id, "source": source, "type": TYPE}
        if occurred_at is not None:
            event["time"] = write_instant(occurred_at)
        event["data"] = body
        return cls(event_id, _JSON.encode(event))


class Reply(NamedTuple):
    """What the door answered about one event."""

    id: str
    accepted: bool
    reason: str
    durable: str = ""


class _Result(msgspec.Struct):
    """One line of the door's answer."""

    index: int
    status: str
    reason: str = ""
    detail: str = ""
    durable: str = ""

    @property
    def why(self) -> str:
        """The reason, with what exactly is wrong where the door says so."""
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


class _Answer(msgspec.Struct):
    """The door's answer to a batch."""

    results: list[_Result]


class _Problem(msgspec.Struct):
    """RFC 9457: why the request as a whole was refused."""

    title: str = ""
    detail: str = ""


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_PROBLEM: Final = msgspec.json.Decoder(_Problem)


def batches(events: Iterable[Outgoing]) -> Iterator[list[Outgoing]]:
    """Cut events into batches that the door takes, in their order."""
    batch: list[Outgoing] = []
    size = 2
    for event in events:
        length = len(event.encoded) + 1
        if batch and (len(batch) == BATCH_EVENTS_MAX or size + length > BATCH_BYTES_MAX):
            yield batch
            batch, size = [], 2
        batch.append(event)
        size += length
    if batch:
        yield batch


@dataclass(slots=True, kw_only=True)
class EventsClient:
    """A key's connection to the door for events.

    `repeated` counts the events of requests that were sent again although nobody knows whether the first
    attempt reached the log: so many duplicates may stand in it.
    """

    http: httpx.AsyncClient
    compress: bool
    pause: Callable[[float], Awaitable[object]]
    repeated: int = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    async def send(self, events: Sequence[Outgoing]) -> list[Reply]:
        """Send one batch; the replies come in the order of the events, one for each.

        Raises UnavailableError when the door stays away: the events may or may not be in the log, and may be
        sent again. Raises ConfigurationError when the key is refused.
        """
        answer = await self._post_until_answered(events)
        if answer.status_code in _STOP:
            raise ConfigurationError(f"{answer.request.url} answered {answer.status_code}: {_problem(answer)}")
        replies = _replies(answer, events)
        if replies is not None:
            return replies
        if len(events) == 1:
            return [Reply(events[0].id, accepted=False, reason=_problem(answer))]
        # The request as a whole was refused: cut it until the event at fault stands alone.
        half = len(events) // 2
        return [*await self.send(events[:half]), *await self.send(events[half:])]

    async def _post_until_answered(self, events: Sequence[Outgoing]) -> httpx.Response:
        body, headers = self._request(events)
        reason = ""
        for attempt in range(ATTEMPTS_MAX):
            wait_s = min(0.2 * 2**attempt, WAIT_S_MAX)
            try:
                answer = await self.http.post("/v1/events", content=body, headers=headers)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                reason = f"no connection: {error}"  # it never arrived, so it cannot be there twice
            except httpx.TransportError as error:
                reason = f"no answer: {type(error).__name__}"
                self.repeated += len(events)
            else:
                if answer.status_code not in _TRY_LATER:
                    return answer
                reason = f"{answer.status_code}: {_problem(answer)}"
                wait_s = _asked_wait_s(answer, otherwise_s=wait_s)
                self.repeated += len(events)
            if attempt + 1 < ATTEMPTS_MAX:
                await self.pause(wait_s)
        raise UnavailableError(f"{self.http.base_url} took nothing in {ATTEMPTS_MAX} attempts ({reason})")

    def _request(self, events: Sequence[Outgoing]) -> tuple[bytes, dict[str, str]]:
        body = b"[" + b",".join(event.encoded for event in events) + b"]"
        headers = {"Content-Type": "application/cloudevents-batch+json"}
        if self.compress and len(body) > GZIP_BYTES_MIN:
            return gzip.compress(body, compresslevel=1, mtime=0), {**headers, "Content-Encoding": "gzip"}
        return body, headers


def open_client(*, url: str, key: str, connections: int) -> EventsClient:
    """A client for the door at this address, with so many requests at once."""
    http = httpx.AsyncClient(
        base_url=url,
        headers={"Authorization": f"Bearer {key}"},
        timeout=httpx.Timeout(TIMEOUT_S),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        trust_env=False,
    )
    return EventsClient(http=http, compress=http.base_url.host not in LOOPBACK, pause=asyncio.sleep)


def _replies(answer: httpx.Response, events: Sequence[Outgoing]) -> list[Reply] | None:
    """The replies in an answer; None when it does not speak of every event."""
    try:
        results = _ANSWER.decode(answer.content).results
    except msgspec.DecodeError:
        return None
    by_index = {result.index: result for result in results}
    if by_index.keys() != set(range(len(events))):
        return None
    return [
        Reply(event.id, result.status == "accepted", result.why, result.durable)
        for event, result in zip(events, (by_index[i] for i in range(len(events))), strict=True)
    ]


def _problem(answer: httpx.Response) -> str:
    try:
        problem = _PROBLEM.decode(answer.content)
    except msgspec.DecodeError:
        return HTTPStatus(answer.status_code).phrase
    return problem.detail or problem.title or HTTPStatus(answer.status_code).phrase


def _asked_wait_s(answer: httpx.Response, *, otherwise_s: float) -> float:
    """How long the door asks to wait, within our own bound."""
    try:
        asked_s = float(answer.headers.get("Retry-After", ""))
    except ValueError:
        return otherwise_s
    return min(max(asked_s, 0.0), WAIT_S_MAX)
