"""Take a posted request through its gates, cheapest first, and answer when the log has its events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Final

from schemas.limits import HEADER_BYTES_MAX, HEADERS_MAX, VALUES_MAX
from services.infra.clock import Clock
from services.infra.http.answer import Answer
from services.infra.http.problems import Refused
from services.infra.http.strangers import Strangers
from services.infra.metrics import INGEST_LIMITED
from services.infra.sources import Source, Sources
from services.ingest.adapter import UNAUTHORIZED, Adapter, Keeping, Outcome, Packing, Request
from services.ingest.admission import FullError, Ticket
from services.ingest.batch import AWAY, Batch, Judged
from services.ingest.classing import Classing
from services.ingest.head import Head
from services.ingest.hints import Hints
from services.ingest.judge import Arrival, Judge, arrival
from services.ingest.keeping import Keeper
from services.ingest.limits import BUSY, TOO_MANY_VALUES, Share, inflate, read_body
from services.ingest.metering import Meter
from services.ingest.names import Names
from services.ingest.overload import Overload, unpacked_bytes
from services.ingest.rates import Rates, Sender
from services.ingest.slices import Slices
from services.ingest.values import holds_more_values

BODY_SECONDS_MAX: Final = 10.0
"""A megabyte over a slow mobile line; a body that comes slower than that holds memory for nothing."""

STRANGERS: Final = ""
"""In whose name bodies are read that only tell themselves whose they are: together these have one key's part."""

GZIP_MAGIC: Final = b"\x1f\x8b"

Pieces = AsyncIterable[bytes]
"""A body still on the way."""


@dataclass(frozen=True, kw_only=True)
class Door:
    """Everything that a request needs; one for the whole process."""

    keeper: Keeper
    judge: Judge
    sources: Callable[[], Sources]
    classing: Classing
    clock: Clock
    overload: Overload
    rates: Rates
    strangers: Strangers
    meter: Meter
    names: Mapping[str, Names]
    """Of each adapter."""

    @cached_property
    def _hints(self) -> Hints:
        return Hints(self.judge.catalogue.entries)

    async def take(self, adapter: Adapter, head: Head, pieces: Pieces) -> Answer:
        """Answer a request that a channel's client posted."""
        started = perf_counter()
        with self.overload.budget.share() as share:
            outcome = await _Passage(self, adapter, head, share).outcome(pieces)
        if isinstance(outcome, Refused):
            answer = adapter.refuse(outcome)
        else:
            answer = adapter.answer(Outcome(outcome.incoming, outcome.verdicts, outcome.durable, self._hints))
        if adapter.keeps is not Keeping.NOTHING:
            self.meter.request(adapter.name, outcome, seconds=perf_counter() - started)
        return answer


@dataclass(frozen=True)
class _Passage:
    """One request on its way through the door."""

    door: Door
    adapter: Adapter
    head: Head
    share: Share

    async def outcome(self, pieces: Pieces) -> Judged | Refused:
        refused = _too_large(self.head)
        if refused is not None:
            return refused
        known = self.adapter.identify(self.head, self.door.sources())
        source = self._believed(known) if isinstance(known, Source) else known
        if isinstance(source, Refused):
            return source
        refused = self.adapter.expects(self.head) or self._limited(source)
        if refused is not None:
            return refused
        if self.door.keeper.unready() is not None:
            return AWAY
        try:
            return await self._in_turn(source, pieces)
        except FullError:
            INGEST_LIMITED.labels("busy").inc()
            return BUSY

    async def _in_turn(self, source: Source | None, pieces: Pieces) -> Judged | Refused:
        """Take a request through the lines for memory and for work; raises FullError when there is no place in one."""
        declared = _declared_packing(self.adapter, self.head)
        if isinstance(declared, Refused):
            return declared
        overload = self.door.overload
        key = STRANGERS if source is None else source.name
        overload.expect_place(key)
        async with overload.body(key, self.head.one("content-length")):
            body = await self._body(pieces)
            if isinstance(body, Refused):
                return body
            packed = body.startswith(GZIP_MAGIC) if self.adapter.packing is Packing.EVIDENT else declared
            async with overload.work(key, len(body), packed=packed) as ticket:
                return await self._worked_on(body, source, ticket, packed=packed)

    async def _worked_on(self, body: bytes, source: Source | None, ticket: Ticket, *, packed: bool) -> Judged | Refused:
        slices = Slices()
        async with self.door.overload.core(unpacked_bytes(len(body), packed=packed)):
            slices.begin()
            plain = await self._unpacked(body, slices, packed=packed)
        if isinstance(plain, Refused):
            return plain
        received = arrival(self.door.clock.now_us())
        known = self._by_body(plain, received) if source is None else source
        if isinstance(known, Refused):
            return known
        batch = self._batch(known, received, ticket, slices)
        # Asked for anew: what packs well is larger than it was taken for.
        async with self.door.overload.core(len(plain)):
            slices.begin()
            listed = self.adapter.read(self._request(plain, batch))
            judged = await batch.judged(plain, listed)
        return await batch.kept(judged)

    def _request(self, plain: bytes, batch: Batch) -> Request:
        return Request(
            head=self.head,
            body=plain,
            source=batch.sender.source,
            received=batch.received,
            names=self.door.names[self.adapter.name],
            catalogue=self.door.judge.catalogue,
            hook=self.door.sources().hook_of(batch.sender.source),
        )

    def _by_body(self, plain: bytes, received: Arrival) -> Source | Refused:
        """Say whose request this is by its body; whoever fails too often is told by the head alone."""
        identify = self.adapter.identify_by_body
        known = UNAUTHORIZED if identify is None else identify(self.head, plain, self.door.sources(), received)
        if isinstance(known, Refused):
            return self.door.strangers.refusal(self.head.address) if known == UNAUTHORIZED else known
        source = self._believed(known)
        return source if isinstance(source, Refused) else self._limited(source) or source

    def _believed(self, source: Source) -> Source | Refused:
        """Say what a key counts for on the page where it is used."""
        origin = self.head.one("origin")
        if origin is not None and source.kind == "browser" and not source.serves_pages_of(origin):
            return Refused("forbidden", "Pages of this origin may not use this key.")
        return source.on_page(origin)

    def _limited(self, source: Source | None) -> Refused | None:
        if source is None:
            return self.door.strangers.wait(self.head.address)
        return self.door.rates.refusal(Sender(source, self.head.address))

    def _batch(self, source: Source, received: Arrival, ticket: Ticket, slices: Slices) -> Batch:
        return Batch(
            keeper=self.door.keeper,
            judge=self.door.judge,
            classes=self.door.classing.current,
            rates=self.door.rates,
            sender=Sender(source, self.head.address),
            keeps=self.adapter.keeps,
            head=self.head,
            channel=self.adapter.name,
            received=received,
            ticket=ticket,
            slices=slices,
        )

    async def _body(self, pieces: Pieces) -> bytes | Refused:
        waits = self.head.one("expect") is not None
        try:
            async with asyncio.timeout(BODY_SECONDS_MAX):
                announced = self.head.one("content-length")
                return await read_body(pieces, announced=announced, waits=waits, share=self.share)
        except TimeoutError:
            return Refused("timeout")

    async def _unpacked(self, body: bytes, slices: Slices, *, packed: bool) -> bytes | Refused:
        """Unpack a body, unless it holds more than a request may."""
        plain = await inflate(body, share=self.share, slices=slices) if packed else body
        if isinstance(plain, Refused):
            return plain
        if await holds_more_values(plain, than=VALUES_MAX, slices=slices):
            INGEST_LIMITED.labels("values").inc()
            return TOO_MANY_VALUES
        return plain


def _too_large(head: Head) -> Refused | None:
    size = sum(len(name) + len(value) for name, value in head.headers)
    return Refused("headers-too-large") if len(head.headers) > HEADERS_MAX or size > HEADER_BYTES_MAX else None


def _declared_packing(adapter: Adapter, head: Head) -> bool | Refused:
    """Tell whether the headers call the body gzip, where they are what counts."""
    if adapter.packing is Packing.EVIDENT:
        return False
    encodings = [encoding.strip().lower() for encoding in (head.one("content-encoding") or "identity").split(",")]
    if encodings == ["identity"]:
        return False
    if adapter.packing is Packing.DECLARED and encodings in (["gzip"], ["x-gzip"]):
        return True
    return Refused("unsupported-media-type", "Send the body plain or with Content-Encoding: gzip, once.")
