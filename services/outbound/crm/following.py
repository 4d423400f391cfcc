"""Follow scores, merges and erasures, and note what each system is to know of them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from pydantic import ValidationError

from schemas.alert import AlertRecord
from schemas.topics import ALERTS
from services.infra.logs import get_logger
from services.infra.pseudonyms import erasure_hash
from services.outbound.crm.configuration import ConnectorTable
from services.state.crm import Held, Standing, Task, Wanted
from services.state.feeds import Position
from services.state.outbound import OutboundTransaction

CHANGES_AT_ONCE: Final = 4
"""Transactions of up to six thousand people each: what a statement notes in a second."""

PEOPLE_AT_ONCE: Final = 5_000
"""Of those who were there before the connector; a million take 200 rounds."""

LETTERS_AT_ONCE: Final = 500

STALE_TASK: Final = timedelta(days=2)
"""An alert that is older when it is first read opens no task: a new connector is no reason for a week's work."""

log = get_logger(__name__)


class Following:
    """Notes for one connector what its system is to know."""

    def __init__(self, table: ConnectorTable, *, hash_key: bytes) -> None:
        self._table = table
        self._hash_key = hash_key
        self._feed = f"crm/{table.name}"
        self._alerts = f"crm-tasks/{table.name}"
        self._erasures: tuple[int, datetime | None] | None = None

    async def round(self, transaction: OutboundTransaction, held: Held, *, now: datetime) -> bool:
        """Note a portion of what has come; whether there may be more."""
        more = await self._fill(transaction, held, now=now)
        more |= await self._follow(transaction, now=now)
        if self._table.task is not None:
            more |= await self._follow_alerts(transaction, now=now)
        await self._follow_erasures(transaction, now=now)
        return more

    async def _follow_erasures(self, transaction: OutboundTransaction, *, now: datetime) -> None:
        """Look for those who asked to be forgotten, when somebody has since the last look."""
        erasures = await transaction.crm.erasures()
        if erasures == self._erasures:
            return
        erased = await transaction.crm.want_erased(self._table.name, now=now)
        if erased:
            log.info("crm_erasures_noted", connector=self._table.name, records=erased)
        self._erasures = erasures

    async def _fill(self, transaction: OutboundTransaction, held: Held, *, now: datetime) -> bool:
        """Make records of everybody who was there before; changes are followed from before the first of them."""
        if held.filled_at is not None:
            return False
        if held.filled == 0:
            settled = await transaction.feeds.settled_before()
            await transaction.feeds.move(self._feed, Position(settled, 0))
            await transaction.feeds.move(self._alerts, Position(settled, 0))
        persons = await transaction.crm.persons_after(held.filled, limit=PEOPLE_AT_ONCE)
        await self._want(transaction, persons, now=now)
        done = len(persons) < PEOPLE_AT_ONCE
        filled = persons[-1] if persons else max(held.filled, 1)
        await transaction.crm.fill(self._table.name, filled=filled, at=now if done else None)
        return not done

    async def _follow(self, transaction: OutboundTransaction, *, now: datetime) -> bool:
        position = await transaction.feeds.position(self._feed)
        changes = await transaction.feeds.changes(position, limit=CHANGES_AT_ONCE)
        if not changes:
            return False
        await self._want(transaction, {person for change in changes for person in change.persons}, now=now)
        await transaction.feeds.move(self._feed, changes[-1].position)
        return len(changes) == CHANGES_AT_ONCE

    async def _want(self, transaction: OutboundTransaction, persons: Collection[int], *, now: datetime) -> None:
        standing = await transaction.crm.standing(persons, kind=self._table.key_kind)
        wanted, gone = self._wanted(standing)
        forgotten = await transaction.crm.erased([one.identity_hash for one in wanted])
        # In one order everywhere, so that no two transactions wait in a circle.
        wanted = sorted((one for one in wanted if one.identity_hash not in forgotten), key=lambda one: one.person)
        await transaction.crm.want(self._table.name, wanted, now=now)
        if gone:
            await transaction.crm.forget_people(self._table.name, gone)

    def _wanted(self, standing: Collection[Standing]) -> tuple[list[Wanted], list[int]]:
        """What is to be known of these, and whose record is another person's by now."""
        wanted, gone = [], []
        for one in standing:
            if one.known_as is None:
                continue
            if one.merged and one.known_as == one.winner_known_as:
                gone.append(one.person)
                continue
            into = _value(one.winner_known_as or one.winner) if one.merged else None
            wanted.append(
                Wanted(
                    one.person,
                    _value(one.known_as),
                    erasure_hash(self._hash_key, one.known_as),
                    "merged" if one.merged else "score",
                    into,
                    one.version,
                    one.score,
                    one.band,
                )
            )
        return wanted, gone

    async def _follow_alerts(self, transaction: OutboundTransaction, *, now: datetime) -> bool:
        position = await transaction.feeds.position(self._alerts)
        letters = await transaction.feeds.outgoing(position, limit=LETTERS_AT_ONCE)
        for one in letters:
            if one.letter.topic == ALERTS and one.letter.value and now - one.created_at < STALE_TASK:
                await self._want_task(transaction, one.letter.value, now=now)
        if letters:
            await transaction.feeds.move(self._alerts, letters[-1].position)
        return len(letters) == LETTERS_AT_ONCE

    async def _want_task(self, transaction: OutboundTransaction, value: bytes, *, now: datetime) -> None:
        try:
            record = AlertRecord.model_validate_json(value)
        except ValidationError:
            # Incidents go the same way, and so may what a later version writes.
            return
        if record.customer is None:
            return  # an account's: it has no record of a person
        kind, _, key = (record.customer or "").partition(":")
        if record.severity != "critical" or record.state not in {"opened", "worsened"} or kind != self._table.key_kind:
            return
        task = task_of(record, key=key, link=self._table.link_to(f"{kind}:{key}"))
        await transaction.crm.want_task(self._table.name, task, now=now)


def task_of(record: AlertRecord, *, key: str, link: str) -> Task:
    """Say in a task what happened."""
    reasons = [f"{one.touchpoint} ({one.place or one.channel}): {one.points:+.1f}" for one in record.reasons[:3]]
    fell = f"Score fell from {record.score_before:.0f} to {record.score:.0f}"
    return Task(UUID(record.alert), key, fell, "\n".join([f"{fell}.", *reasons, *([link] if link else [])]))


def _value(identity: str) -> str:
    return identity.partition(":")[2]
