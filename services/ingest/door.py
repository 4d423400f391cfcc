"""Take a posted request through its gates, cheapest first, and answer when the log has its events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Final, NamedTuple

import structlog

from schemas.limits import HEADER_BYTES_MAX, HEADERS_MAX
from schemas.topics import DLQ
from services.infra.clock import Clock
from services.infra.errors import UnavailableError
from services.infra.http.answer import Answer
from services.infra.http.keys import bearer_or_user_key
from services.infra.http.problems import Refused, refusal
from services.infra.kafka import LogRecord
from services.infra.sources import Source, Sources
from services.ingest import answers, cloudevents
from services.ingest.answers import Verdict, valid_id
from services.ingest.dead_letters import DeadLetters, Unfit
from services.ingest.decode import Form, Incoming, event_of_headers, events_of, form_of
from services.ingest.event_log import EventLog
from services.ingest.hints import Hints
from services.ingest.judge import Accepted, Arrival, Judge, arrival
from services.ingest.limits import Budget, Share, inflate, read_body
from services.ingest.metering import Meter
from services.ingest.rejection import Reason, Rejected

log = structlog.get_logger(__name__)

BODY_SECONDS_MAX: Final = 10.0
"""A megabyte over a slow mobile line; a body that comes slower than that holds memory for nothing."""

AWAY: Final = Refused(
    "unavailable",
    "Send the same again, under the same ids, after Retry-After: what the log has of it already counts once.",
)
"""A late acknowledgement is an unknown outcome, so the answer promises nothing about what was kept."""

TOO_LARGE_FOR_THE_LOG: Final = Rejected(Reason.TOO_LARGE, "the log takes no event of this size: send it smaller")

RECORD_CONTENT_TYPE: Final = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)

Headers = Sequence[tuple[str, str]]
"""Names in small letters, values as latin-1 text."""


class Posted(NamedTuple):
    """A request, its body still on the way."""

    headers: Headers
    body: AsyncIterable[bytes]

    def all(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for header, value in self.headers if header == name]

    def one(self, name: str) -> str | None:
        """Return a header's value; several are joined, as HTTP has it."""
        return ", ".join(self.all(name)) or None


@dataclass(frozen=True, kw_only=True)
class Door:
    """Everything that a request needs; one for the whole process."""

    event_log: EventLog
    judge: Judge
    sources: Callable[[], Sources]
    clock: Clock
    budget: Budget
    meter: Meter

    @cached_property
    def _hints(self) -> Hints:
        return Hints(self.judge.catalogue.entries)

    async def post_events(self, posted: Posted) -> Answer:
        """Answer `POST /v1/events`."""
        started = perf_counter()
        channel = "other"
        with self.budget.share() as share:
            outcome = await self._verdicts(posted, share)
        if isinstance(outcome, Refused):
            answer = refusal(outcome)
        else:
            channel = self.meter.events(outcome)
            answer = answers.of_verdicts(outcome, hints=self._hints)
        self.meter.request(answer, channel=channel, seconds=perf_counter() - started)
        return answer

    async def _verdicts(self, posted: Posted, share: Share) -> Sequence[Verdict] | Refused:
        source = self._admitted(posted)
        if isinstance(source, Refused):
            return source
        form = form_of(posted.one("content-type"), binary=cloudevents.is_binary(name for name, _ in posted.headers))
        if isinstance(form, Refused):
            return form
        if self.event_log.unready() is not None:
            return AWAY
        body = await _body(posted, share)
        if isinstance(body, Refused):
            return body
        return await self._judged(_incoming(posted, form, body), body, source)

    def _admitted(self, posted: Posted) -> Source | Refused:
        """Say whose request this is, by its head alone."""
        size = sum(len(name) + len(value) for name, value in posted.headers)
        if len(posted.headers) > HEADERS_MAX or size > HEADER_BYTES_MAX:
            return Refused("headers-too-large")
        key = bearer_or_user_key(posted.all("authorization"))
        source = self.sources().source(key) if key is not None else None
        if source is None:
            return Refused("unauthorized")
        origin = posted.one("origin")
        if origin is not None and source.kind == "browser" and not source.serves_pages_of(origin):
            return Refused("forbidden", "Pages of this origin may not use this key.")
        return source.on_page(origin)

    async def _judged(
        self, incoming: Sequence[Incoming] | Refused, body: bytes, source: Source
    ) -> Sequence[Verdict] | Refused:
        received = arrival(self.clock.now_us())
        dead = DeadLetters(source=source, received_at=received.text)
        if isinstance(incoming, Refused):
            unfit = Unfit(body, None, incoming.slug, incoming.detail)
            return await self._set_aside([unfit], dead) or incoming
        verdicts = [self._verdict(one, source, received) for one in incoming]
        too_large = await self._append(await self._records(incoming, verdicts, dead))
        if isinstance(too_large, Refused):
            return too_large
        for position in too_large:
            verdicts[position] = verdicts[position]._replace(outcome=_rejected(verdicts[position]))
        unfit_too = [_unfit(incoming[position], _rejected(verdicts[position])) for position in sorted(too_large)]
        return await self._set_aside(unfit_too, dead) or verdicts

    def _verdict(self, incoming: Incoming, source: Source, received: Arrival) -> Verdict:
        if isinstance(incoming.event, Rejected):
            return Verdict(None, incoming.event)
        outcome = self.judge.judge(incoming.event, source=source, received=received)
        if isinstance(outcome, Accepted):
            return Verdict(outcome.event_id, outcome)
        return Verdict(valid_id(incoming.event), outcome)

    async def _records(
        self, incoming: Sequence[Incoming], verdicts: Sequence[Verdict], dead: DeadLetters
    ) -> Sequence[LogRecord]:
        records: list[LogRecord] = []
        for one, verdict in zip(incoming, verdicts, strict=True):
            match verdict.outcome:
                case Accepted(topic=topic, key=key, value=value):
                    records.append(LogRecord(topic, key, value, RECORD_CONTENT_TYPE))
                case Rejected() as rejected:
                    records.append(dead.letter(_unfit(one, rejected), bytes_max=self.event_log.bytes_max(DLQ)))
                    # Masking the worst of an event takes some 10 ms: others have their turn between two.
                    await asyncio.sleep(0)
        return records

    async def _set_aside(self, unfit: Sequence[Unfit], dead: DeadLetters) -> Refused | None:
        """Append dead letters, and once more when their topic turns out to take less than it said."""
        tries = 2
        while unfit and tries:
            tries -= 1
            bytes_max = self.event_log.bytes_max(DLQ)
            too_large = await self._append([dead.letter(one, bytes_max=bytes_max) for one in unfit])
            if isinstance(too_large, Refused):
                return too_large
            unfit = [unfit[position] for position in sorted(too_large)]
        if unfit:
            # Their sender was told what is wrong; the log has no room even for a part of them.
            log.error("dead_letters_lost", letters=len(unfit), topic=DLQ)
        return None

    async def _append(self, records: Sequence[LogRecord]) -> Collection[int] | Refused:
        """Return the positions of records that are too large for the log; all others are durable."""
        if not records:
            return ()
        try:
            return await self.event_log.append(records)
        except UnavailableError as error:
            log.warning("append_failed", records=len(records), reason=str(error))
            return AWAY


async def _body(posted: Posted, share: Share) -> bytes | Refused:
    encodings = [encoding.strip().lower() for encoding in (posted.one("content-encoding") or "identity").split(",")]
    if encodings not in (["identity"], ["gzip"], ["x-gzip"]):
        return Refused("unsupported-media-type", "Send the body plain or with Content-Encoding: gzip, once.")
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            body = await read_body(
                posted.body, announced=posted.one("content-length"), waits=posted.one("expect") is not None, share=share
            )
    except TimeoutError:
        return Refused("timeout")
    if isinstance(body, Refused) or encodings == ["identity"]:
        return body
    return inflate(body, share=share)


def _incoming(posted: Posted, form: Form, body: bytes) -> Sequence[Incoming] | Refused:
    if form is not Form.BINARY:
        return events_of(body, form)
    attributes = cloudevents.attributes(posted.headers)
    if isinstance(attributes, Refused):
        return attributes
    incoming = event_of_headers(attributes, body)
    return incoming if isinstance(incoming, Refused) else [incoming]


def _unfit(incoming: Incoming, rejected: Rejected) -> Unfit:
    return Unfit(incoming.original, incoming.event, rejected.reason, rejected.detail)


def _rejected(verdict: Verdict) -> Rejected:
    """Say why an event is set aside whose record was too large: what was wrong with it before counts more."""
    return verdict.outcome if isinstance(verdict.outcome, Rejected) else TOO_LARGE_FOR_THE_LOG
