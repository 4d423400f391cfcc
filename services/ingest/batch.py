"""Judge the events of a body that was let in, and append them: in slices, so that others have their turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import structlog

from schemas.topics import DLQ
from services.core.classes import Seen
from services.infra.errors import UnavailableError
from services.infra.http.problems import Refused
from services.infra.kafka import LogRecord
from services.ingest.adapter import Keeping, Listed
from services.ingest.admission import Ticket
from services.ingest.answers import Verdict, valid_id
from services.ingest.classing import Classes
from services.ingest.dead_letters import DeadLetters, Unfit
from services.ingest.decode import Incoming, refusal_of_all
from services.ingest.head import Head
from services.ingest.judge import Accepted, Arrival, Judge
from services.ingest.keeping import Durable, Keeper, Kept
from services.ingest.overload import REQUEST_US, cost_us
from services.ingest.rates import Rates, Sender
from services.ingest.rejection import Reason, Rejected
from services.ingest.slices import Slices

log = structlog.get_logger(__name__)

AWAY: Final = Refused(
    "unavailable",
    "Send the same again, under the same ids, after Retry-After: what the log has of it already counts once.",
)
"""A late acknowledgement is an unknown outcome, so the answer promises nothing about what was kept."""

TOO_LARGE_FOR_THE_LOG: Final = Rejected(Reason.TOO_LARGE, "the log takes no event of this size: send it smaller")

RECORD_CONTENT_TYPE: Final = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)


class Judged(NamedTuple):
    """The events of a body, what became of them, and the record of each that has one, by its place."""

    incoming: Sequence[Incoming]
    verdicts: list[Verdict]
    records: Mapping[int, LogRecord]
    durable: Durable = "log"
    """Where the records are, once they are."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What the events of one request have in common."""

    keeper: Keeper
    judge: Judge
    classes: Classes
    rates: Rates
    sender: Sender
    keeps: Keeping
    head: Head
    channel: str
    received: Arrival
    ticket: Ticket
    slices: Slices

    async def judged(self, body: bytes, listed: Listed | Refused) -> Judged | Unfit | Refused:
        """Judge the events of a body, or say why nothing in it is one."""
        if isinstance(listed, Refused):
            return Unfit(body, None, listed.slug, listed.detail)
        self.ticket.grow(REQUEST_US + cost_us(listed.length, len(body)))
        refused = self.rates.count(self.sender, events=listed.length, size=len(body))
        if refused is not None:
            return refused
        await self.slices.breathe()
        incoming = []
        for one in listed.incoming:
            incoming.append(one)
            await self.slices.breathe()
        whole = refusal_of_all(incoming) if self.keeps is Keeping.ALL else None
        if whole is not None:
            return Unfit(body, None, whole.slug, whole.detail)
        received = self.received._replace(sent=listed.sent)
        verdicts = []
        for each in incoming:
            verdicts.append(self._verdict(each, received))
            await self.slices.breathe()
        return Judged(incoming, verdicts, await self._records(incoming, verdicts))

    async def kept(self, judged: Judged | Unfit | Refused) -> Judged | Refused:
        """Return with the verdicts when the log has the good events, and the bad ones as dead letters."""
        if isinstance(judged, Unfit) and self.keeps is not Keeping.ALL:
            return Refused(judged.reason, judged.detail)
        if isinstance(judged, Unfit):
            return await self._set_aside([judged]) or Refused(judged.reason, judged.detail)
        if isinstance(judged, Refused):
            return judged
        incoming, verdicts, records = judged.incoming, judged.verdicts, judged.records
        positions = list(records)
        kept = await self._append(list(records.values()))
        if isinstance(kept, Refused):
            return kept
        unfit = []
        for position in sorted(positions[place] for place in kept.too_large):
            rejected = _rejected(verdicts[position])
            verdicts[position] = verdicts[position]._replace(outcome=rejected)
            if self.keeps is Keeping.ALL:
                unfit.append(_unfit(incoming[position], rejected))
        return await self._set_aside(unfit) or judged._replace(durable=kept.durable)

    @cached_property
    def _of_page(self) -> Seen | None:
        return self.classes.of_page(self.sender.source, self.head)

    def _verdict(self, incoming: Incoming, received: Arrival) -> Verdict:
        if isinstance(incoming.event, Rejected):
            return Verdict(None, incoming.event)
        outcome = self._outcome(incoming, received)
        if not isinstance(outcome, Accepted):
            return Verdict(valid_id(incoming.event), outcome)
        wait_s = self.rates.count_identity(self.sender.source, outcome.key)
        if wait_s:
            again = f"this identity sends more than it may: send the event again after {wait_s} s"
            return Verdict(outcome.event_id, Rejected(Reason.TOO_MANY, again, wait_s))
        return Verdict(outcome.event_id, outcome)

    def _outcome(self, incoming: Incoming, received: Arrival) -> Accepted | Rejected:
        event, letter, rules = incoming.event, incoming.letter, self.classes.rules
        if letter is not None:
            if letter.source is None:
                return self.judge.judge_record(event, original=incoming.original, received=received, rules=rules)
            # Of the page that sent it nobody knows more than the letter tells.
            told = self.classes.of_message(letter.source, incoming)
            return self.judge.judge(
                event, source=letter.source, received=received, came=letter.came, seen=told, rules=rules
            )
        source = self.sender.source
        seen = self._of_page or self.classes.of_message(source, incoming)
        return self.judge.judge(event, source=source, received=received, seen=seen, rules=rules)

    async def _records(self, incoming: Sequence[Incoming], verdicts: Sequence[Verdict]) -> Mapping[int, LogRecord]:
        records: dict[int, LogRecord] = {}
        if self.keeps is Keeping.NOTHING:
            return records
        letters_size = 0
        for position, (one, verdict) in enumerate(zip(incoming, verdicts, strict=True)):
            match verdict.outcome:
                case Accepted(topic=topic, key=key, value=value):
                    records[position] = LogRecord(topic, key, value, RECORD_CONTENT_TYPE)
                case Rejected(reason=Reason.TOO_MANY):
                    pass  # A letter of each would fill the storage that the limit keeps free.
                case Rejected() if self.keeps is Keeping.GOOD:
                    pass
                case Rejected() as rejected:
                    letters_size += len(one.original)
                    records[position] = self._letter(_unfit(one, rejected))
                    await self.slices.breathe()
        self.ticket.grow(self.ticket.cost + cost_us(0, 0, letters_size=letters_size))
        return records

    def _letter(self, unfit: Unfit) -> LogRecord:
        dead = DeadLetters(
            source=self.sender.source,
            received_at=self.received.text,
            channel=self.channel,
            path=self.head.path,
            origin=self.head.one("origin") or "",
        )
        return dead.letter(unfit, bytes_max=self.keeper.bytes_max(DLQ))

    async def _set_aside(self, unfit: Sequence[Unfit]) -> Refused | None:
        """Append dead letters, and once more when their topic turns out to take less than it said."""
        tries = 2
        while unfit and tries:
            tries -= 1
            kept = await self._append([self._letter(one) for one in unfit])
            if isinstance(kept, Refused):
                return kept
            unfit = [unfit[position] for position in sorted(kept.too_large)]
        if unfit:
            # Their sender was told what is wrong; the log has no room even for a part of them.
            log.error("dead_letters_lost", letters=len(unfit), topic=DLQ)
        return None

    async def _append(self, records: Sequence[LogRecord]) -> Kept | Refused:
        """Return where records are durable, but those that are too large for the log."""
        if not records:
            return Kept((), "log")
        self.rates.store(self.sender.source, sum(record.size for record in records))
        try:
            return await self.keeper.append(records)
        except UnavailableError as error:
            log.warning("append_failed", records=len(records), reason=str(error))
            return AWAY


def _unfit(incoming: Incoming, rejected: Rejected) -> Unfit:
    return Unfit(incoming.original, incoming.event, rejected.reason, rejected.detail)


def _rejected(verdict: Verdict) -> Rejected:
    """Say why an event is set aside whose record was too large: what was wrong with it before counts more."""
    return verdict.outcome if isinstance(verdict.outcome, Rejected) else TOO_LARGE_FOR_THE_LOG
