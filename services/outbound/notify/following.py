"""Follow steps of alerts, and incidents, and write down along which routes each is to be told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from services.infra.logs import get_logger
from services.outbound.notify.judging import grouped, judged
from services.outbound.notify.routes import Routes
from services.outbound.notify.steps import AlertStep, Fallen, Revised, is_of_incident, known, of_incident, read_alert
from services.state.feeds import Outgoing
from services.state.incidents import fallen_of
from services.state.notifications import IncidentRow, Notification, Recent
from services.state.outbound import OutboundDatabase, OutboundTransaction

TOPIC: Final = "cx.alerts.v1"

FEED: Final = "notify"

LETTERS_MAX: Final = 200
"""In one transaction; a busy shop opens some alerts a minute."""

INCIDENTS_MAX: Final = 200

LATELY: Final = timedelta(days=1)
"""An incident is told of for a day after it changed, also when nobody could be told before."""

COOLDOWN_MAX: Final = timedelta(days=30)

log = get_logger(__name__)


async def follow(database: OutboundDatabase, routes: Routes, *, now: datetime) -> bool:
    """Deal with the next letters; whether there may be more. Of several processes one does, the others find nothing."""
    if not await _letters_wait(database):
        return False
    async with database.transaction() as transaction:
        position = await transaction.notifications.hold_feed(FEED)
        if position is None:
            return False
        letters = await transaction.feeds.outgoing(position, limit=LETTERS_MAX)
        if not letters:
            return False
        steps = [step for step in map(_step, letters) if step is not None]
        if steps and routes.by_name:
            await _write_alerts(transaction, routes, steps, now=now)
        await transaction.feeds.move(FEED, letters[-1].position)
        return len(letters) == LETTERS_MAX


async def _letters_wait(database: OutboundDatabase) -> bool:
    """Whether there is anything to deal with: a look that finds nothing writes nothing, not even a lock."""
    async with database.transaction() as transaction:
        position = await transaction.feeds.position(FEED)
        return bool(await transaction.feeds.outgoing(position, limit=1))


async def follow_incidents(
    database: OutboundDatabase, routes: Routes, *, known_revisions: dict[UUID, int], now: datetime
) -> None:
    """Write down what is to be told of incidents that changed lately, and of alerts that became part of one.

    `known_revisions` are those that were dealt with along these routes; it is brought up to date.
    """
    if not routes.by_name:
        return
    async with database.transaction() as transaction:
        table = transaction.notifications
        rows = [row for row in await table.incidents(changed_after=now - LATELY, limit=INCIDENTS_MAX) if row.people]
        steps = [of_incident(row, await _worst(transaction, row)) for row in rows]
        news = [one for one in steps if known_revisions.get(one.step.about) != one.revision]
        if news:
            await _write(transaction, routes, news, customers=(), now=now)
        found = await table.grouped(created_after=now - LATELY, limit=INCIDENTS_MAX)
        held = await table.about([one.about for one in found]) if found else {}
        await _put(
            transaction,
            [
                grouped(routes.by_name[one.route], held[one.route, one.about], one.incident, now=now)
                for one in found
                if one.route in routes.by_name and (one.route, one.about) in held
            ],
        )
    known_revisions.clear()
    known_revisions.update({one.step.about: one.revision for one in steps})


async def _worst(transaction: OutboundTransaction, row: IncidentRow) -> list[Fallen]:
    """The people whose scores fell furthest, by their present names."""
    worst = fallen_of(row.worst)
    names = await transaction.incidents.names([one.alert for one in worst])
    whose = {
        alert: name.customer or (f"account:{name.account}" if name.account else "") for alert, name in names.items()
    }
    return [Fallen(whose.get(one.alert, ""), one.score_before, one.score) for one in worst]


def _step(letter: Outgoing) -> Revised | None:
    if letter.letter.topic != TOPIC or letter.letter.value is None:
        return None
    try:
        return Revised(read_alert(letter.letter.value), letter.position.id)
    except msgspec.DecodeError as error:
        if is_of_incident(letter.letter.value):
            return None
        # What is no alert: nobody can be told of it, and what comes after it must not wait.
        log.warning("alert_not_read", letter=letter.position.id, because=str(error)[:200])
        return None


async def _write_alerts(
    transaction: OutboundTransaction, routes: Routes, steps: Sequence[Revised], *, now: datetime
) -> None:
    alerts = await transaction.notifications.alerts_about([one.step.about for one in steps])
    revised = [
        Revised(known(one.step, alerts.get(one.step.about)), one.revision)
        for one in steps
        if isinstance(one.step, AlertStep)
    ]
    await _write(transaction, routes, revised, customers=[one.step.whose for one in revised], now=now)


async def _write(
    transaction: OutboundTransaction,
    routes: Routes,
    steps: Iterable[Revised],
    *,
    customers: Sequence[str],
    now: datetime,
) -> None:
    """Judge steps in the order of their numbers, each with what was written of those before it."""
    ordered = sorted(steps, key=lambda one: one.revision)
    table = transaction.notifications
    standing = await table.about([one.step.about for one in ordered])
    recent = await table.recent(customers, after=now - COOLDOWN_MAX) if customers else []
    changed: dict[tuple[str, UUID], Notification] = {}
    for one in ordered:
        for route in routes.by_name.values():
            place = route.name, one.step.about
            before = standing.get(place)
            if before is None and not routes.matches(route, one.step):
                continue
            so_far = [*recent, *(_as_recent(note) for note in changed.values() if note.state == "waiting")]
            after = judged(route, one, before, recent=so_far, now=now)
            if after is not None:
                standing[place] = changed[place] = after
    await _put(transaction, list(changed.values()))


async def _put(transaction: OutboundTransaction, notifications: Sequence[Notification]) -> None:
    await transaction.notifications.put(notifications)
    for one in notifications:
        if one.state == "suppressed":
            log.info("notification_suppressed", route=one.route, about=str(one.about), because=one.because)


def _as_recent(note: Notification) -> Recent:
    return Recent(note.route, note.customer, note.about, note.severity, note.created_at)
