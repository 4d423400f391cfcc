"""Take a posted request through its gates, cheapest first, and answer when the log has its events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Final

from schemas.limits import HEADER_BYTES_MAX, HEADERS_MAX, VALUES_MAX
from services.infra.clock import Clock
from services.infra.http.answer import Answer
from services.infra.http.keys import bearer_or_user_key
from services.infra.http.problems import Refused, refusal
from services.infra.metrics import INGEST_LIMITED
from services.infra.sources import Source, Sources
from services.ingest import answers, cloudevents
from services.ingest.admission import FullError, Ticket
from services.ingest.answers import Verdict
from services.ingest.batch import AWAY, Batch, Body
from services.ingest.decode import Form, form_of
from services.ingest.event_log import EventLog
from services.ingest.hints import Hints
from services.ingest.judge import Judge, arrival
from services.ingest.limits import BUSY, TOO_MANY_VALUES, Share, inflate, read_body
from services.ingest.metering import Meter
from services.ingest.overload import Overload, unpacked_bytes
from services.ingest.posted import Posted
from services.ingest.rates import Rates, Sender
from services.ingest.slices import Slices
from services.ingest.values import holds_more_values

BODY_SECONDS_MAX: Final = 10.0
"""A megabyte over a slow mobile line; a body that comes slower than that holds memory for nothing."""


@dataclass(frozen=True, kw_only=True)
class Door:
    """Everything that a request needs; one for the whole process."""

    event_log: EventLog
    judge: Judge
    sources: Callable[[], Sources]
    clock: Clock
    overload: Overload
    rates: Rates
    meter: Meter

    @cached_property
    def _hints(self) -> Hints:
        return Hints(self.judge.catalogue.entries)

    async def post_events(self, posted: Posted) -> Answer:
        """Answer `POST /v1/events`."""
        started = perf_counter()
        channel = "other"
        with self.overload.budget.share() as share:
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
        sender = Sender(source, posted.address)
        limited = self.rates.refusal(sender)
        if limited is not None:
            return limited
        if self.event_log.unready() is not None:
            return AWAY
        try:
            return await self._in_turn(posted, form, sender, share)
        except FullError:
            INGEST_LIMITED.labels("busy").inc()
            return BUSY

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

    async def _in_turn(self, posted: Posted, form: Form, sender: Sender, share: Share) -> Sequence[Verdict] | Refused:
        """Take a request through the lines for memory and for work; raises FullError when there is no place in one."""
        packed = _packed(posted)
        if isinstance(packed, Refused):
            return packed
        key = sender.source.name
        self.overload.expect_place(key)
        async with self.overload.body(key, posted.one("content-length")):
            body = await _body(posted, share)
            if isinstance(body, Refused):
                return body
            async with self.overload.work(key, len(body), packed=packed) as ticket:
                batch = self._batch(sender, ticket)
                async with self.overload.core(unpacked_bytes(len(body), packed=packed)):
                    batch.slices.begin()
                    plain = await _unpacked(body, packed=packed, share=share, slices=batch.slices)
                if isinstance(plain, Refused):
                    return plain
                # Asked for anew: what packs well is larger than it was taken for.
                async with self.overload.core(len(plain)):
                    batch.slices.begin()
                    judged = await batch.judged(Body(posted, form, plain))
                return await batch.kept(judged)

    def _batch(self, sender: Sender, ticket: Ticket) -> Batch:
        return Batch(
            event_log=self.event_log,
            judge=self.judge,
            rates=self.rates,
            sender=sender,
            received=arrival(self.clock.now_us()),
            ticket=ticket,
            slices=Slices(),
        )


def _packed(posted: Posted) -> bool | Refused:
    encodings = [encoding.strip().lower() for encoding in (posted.one("content-encoding") or "identity").split(",")]
    if encodings not in (["identity"], ["gzip"], ["x-gzip"]):
        return Refused("unsupported-media-type", "Send the body plain or with Content-Encoding: gzip, once.")
    return encodings != ["identity"]


async def _unpacked(body: bytes, *, packed: bool, share: Share, slices: Slices) -> bytes | Refused:
    """Unpack a body, unless it holds more than a request may."""
    plain = await inflate(body, share=share, slices=slices) if packed else body
    if isinstance(plain, Refused):
        return plain
    if await holds_more_values(plain, than=VALUES_MAX, slices=slices):
        INGEST_LIMITED.labels("values").inc()
        return TOO_MANY_VALUES
    return plain


async def _body(posted: Posted, share: Share) -> bytes | Refused:
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            return await read_body(
                posted.body, announced=posted.one("content-length"), waits=posted.one("expect") is not None, share=share
            )
    except TimeoutError:
        return Refused("timeout")
