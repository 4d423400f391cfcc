"""The HTTP client of the commands: sends events in batches, knows the reply to each."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Final, NamedTuple, Self

import httpx
import msgspec

from schemas.instant import write_instant
from schemas.limits import BODY_BYTES_MAX, EVENTS_MAX
from schemas.touchpoint import TYPE
from services.client.posting import Poster, open_poster, problem_of
from services.infra.errors import ConfigurationError

BATCH_EVENTS_MAX: Final = EVENTS_MAX
"""What the door takes in one request."""

BATCH_BYTES_MAX: Final = BODY_BYTES_MAX
"""What the door takes as one body."""

GZIP_BYTES_MIN: Final = 1400
"""A body that fits into one network packet gains nothing by being smaller."""

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""Where the bytes cost nothing and compressing them does."""

_STOP: Final = frozenset({401, 403, 404, 405, 415})
_JSON: Final = msgspec.json.Encoder()


class Outgoing(NamedTuple):
    """One event, encoded once: sending it again sends the same bytes."""

    id: str
    encoded: bytes

    @classmethod
    def of(cls, *, event_id: str, source: str, occurred_at: datetime | None, body: Mapping[str, object]) -> Self:
        """Encode an event; without a time the door gives it the time of arrival, without a source its key's alone."""
        event: dict[str, object] = {"specversion": "1.0", "id": event_id, "source": source, "type": TYPE}
        if not source:
            del event["source"]
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


_ANSWER: Final = msgspec.json.Decoder(_Answer)


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
    """A key's connection to the door for events: by the native channel, or by another that answers like it."""

    poster: Poster
    compress: bool
    path: str = "/v1/events"
    content_type: str = "application/cloudevents-batch+json"

    @property
    def repeated(self) -> int:
        """How many events were sent again without knowing whether the first attempt had arrived."""
        return self.poster.repeated

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.poster.__aexit__(kind, error, trace)

    async def send(self, events: Sequence[Outgoing]) -> list[Reply]:
        """Send one batch; the replies come in the order of the events, one for each.

        Raises UnavailableError when the door stays away: the events may or may not be in the log, and may be
        sent again. Raises ConfigurationError when the key is refused.
        """
        body, headers = self._request(events)
        answer = await self.poster.post(self.path, body, headers, events=len(events))
        if answer.status_code in _STOP:
            raise ConfigurationError(
                f"{answer.request.url.copy_with(query=None)} answered {answer.status_code}: {problem_of(answer)}"
            )
        replies = _replies(answer, events)
        if replies is not None:
            return replies
        if len(events) == 1:
            return [Reply(events[0].id, accepted=False, reason=problem_of(answer))]
        # The request as a whole was refused: cut it until the event at fault stands alone.
        half = len(events) // 2
        return [*await self.send(events[:half]), *await self.send(events[half:])]

    async def send_all(self, events: Iterable[Outgoing]) -> list[Reply]:
        """Send events in as many batches as they need, one after the other; raises as `send` does."""
        return [reply for batch in batches(events) for reply in await self.send(batch)]

    def _request(self, events: Sequence[Outgoing]) -> tuple[bytes, dict[str, str]]:
        body = b"[" + b",".join(event.encoded for event in events) + b"]"
        headers = {"Content-Type": self.content_type}
        if self.compress and len(body) > GZIP_BYTES_MIN:
            return gzip.compress(body, compresslevel=1, mtime=0), {**headers, "Content-Encoding": "gzip"}
        return body, headers


def open_client(*, url: str, key: str, connections: int) -> EventsClient:
    """A client for the door at this address, with so many requests at once."""
    poster = open_poster(url=url, headers={"Authorization": f"Bearer {key}"}, connections=connections)
    return EventsClient(poster=poster, compress=poster.http.base_url.host not in LOOPBACK)


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
