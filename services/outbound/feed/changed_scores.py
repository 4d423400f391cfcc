"""From changed scores to the records of customers as they stand: the latest state of each, once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from schemas.instant import write_instant
from schemas.score import Cell, MergedCustomer, Produced, ScoredCustomer, Windows
from schemas.topics import SCORES
from services.core.instants import HOUR_US, instant_of
from services.infra.kafka import TopicRecord
from services.outbound.feed.batch import Batch
from services.state.feeds import Outgoing, Position, Written
from services.state.outbound import OutboundTransaction
from services.state.present import Present

PERSONS: Final = 4000
"""Told at once, 2 MB: some tenths of a second, after which alerts and the lease have their turn."""

LETTERS: Final = 1000
"""Rows of the outbox looked at at once."""

FORGOTTEN: Final = "forgotten"
"""The position among letters that say that somebody is no longer known."""

NEVER: Final = Written(0, instant_of(0))
"""Of whom no transaction tells that is told of here."""


class ChangedScores:
    """Reads whom transactions wrote, and tells how these stand by the time of the reading, which may be later.

    So a row says only whom to look at: what is told is always true and never older than what was told before.
    """

    feed = "scores"
    beside = (FORGOTTEN,)
    of_states = True

    async def next(self, transaction: OutboundTransaction, positions: Mapping[str, Position]) -> Batch | None:
        """Customers whose scores changed, and after them those who may be gone."""
        changed = await transaction.feeds.changed(positions[self.feed], persons=PERSONS)
        letters = await transaction.feeds.outgoing(positions[FORGOTTEN], limit=LETTERS)
        if changed is None and not letters:
            return None
        written = changed.written if changed else {}
        names = _names(letters)
        looked_up = set((await transaction.present.named(names)).values()) if names else set()
        present = await transaction.present.of(looked_up | written.keys())
        told = [_record(one, written.get(one.number, NEVER)) for one in present]
        known = {record.key for record in told}
        gone = [TopicRecord(SCORES, name.encode(), None) for name in names if name.encode() not in known]
        moved = {} if changed is None else {self.feed: changed.position}
        if letters:
            moved[FORGOTTEN] = letters[-1].position
        return Batch([*told, *gone], moved)


def _names(letters: Iterable[Outgoing]) -> list[str]:
    """Customers of whom a letter says that they may be gone."""
    return list(dict.fromkeys(one.letter.key for one in letters if one.letter.topic == SCORES))


def _record(one: Present, written: Written) -> TopicRecord:
    """The record of a customer; a merge leaves the row of whoever loses as it was, so its version is the transaction's."""
    version, as_of = max(one.version, written.version), instant_of(one.as_of * HOUR_US)
    state: Produced
    if one.merged_into is not None:
        at = write_instant(max(as_of, written.at))
        state = MergedCustomer(customer=one.customer, version=version, at=at, merged_into=one.merged_into)
    else:
        state = ScoredCustomer(
            customer=one.customer,
            version=version,
            at=write_instant(as_of),
            model_version=one.model_version,
            score=one.score,
            confidence=one.confidence,
            se=one.se,
            band=one.band,
            windows=Windows(
                hours_24=Cell(score=one.score_24h, confidence=one.confidence_24h),
                days_7=Cell(score=one.score_7d, confidence=one.confidence_7d),
                days_30=Cell(score=one.score_30d, confidence=one.confidence_30d),
                days_90=Cell(score=one.score_90d, confidence=one.confidence_90d),
            ),
        )
    return TopicRecord(SCORES, one.customer.encode(), state.model_dump_json().encode())
