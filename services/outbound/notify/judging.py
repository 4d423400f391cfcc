"""Whether a step of an alert or an incident is told along a route, and when. Pure; what was told decides with it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from services.outbound.notify.hours import due_at
from services.outbound.notify.routes import Route
from services.outbound.notify.steps import ENDED, AlertStep, IncidentStep, Revised, Step, read_stored, stored
from services.state.notifications import Notification, Recent, State

OLD: Final = timedelta(days=1)
"""What happened longer ago is history when it is read first: nobody is woken by it."""

GREW: Final = 2
"""An incident is told again when so many times as many people are in it as when it was told."""

_RANK: Final = {"warning": 0, "critical": 1}


def judged(
    route: Route, revised: Revised, before: Notification | None, *, recent: Iterable[Recent], now: datetime
) -> Notification | None:
    """What is to stand of a step along a route that it matches, or that has told of it before; None to leave it be."""
    if before is None:
        return None if revised.step.state in ENDED else _begun(route, revised, recent, now)
    if revised.revision <= before.revision:
        return None
    if before.told or before.unsure:
        return _went_on(route, revised, before, now)
    return _not_told_yet(route, revised, before, recent=recent, now=now)


def _not_told_yet(
    route: Route, revised: Revised, before: Notification, *, recent: Iterable[Recent], now: datetime
) -> Notification:
    if revised.step.state in ENDED:
        return _put(route, revised, before, "suppressed", because="over", at=now)
    if before.state == "suppressed" and not _rose(revised.step, before):
        return _put(route, revised, before, "suppressed", because=before.because, at=before.due_at)
    if before.state == "waiting" and _single(revised.step):
        at = min(before.due_at, due_at(route, now=now, severity=revised.step.severity))
        return _put(route, revised, before, "waiting", because=before.because, at=at)
    begun = _begun(route, revised, recent, now)
    return begun._replace(created_at=before.created_at)


def grouped(route: Route, before: Notification, incident: UUID, *, now: datetime) -> Notification:
    """What is to stand of a single alert that has become part of an incident: it points there, or nothing is told."""
    step = read_stored(before.record, kind=before.kind, name="grouped")
    if isinstance(step, AlertStep):
        step = msgspec.structs.replace(step, incident=incident)
    # The next step of the alert has a higher number still, and is passed over.
    revised = Revised(step, before.revision + 1)
    if before.told or before.unsure:
        return _put(route, revised, before, "waiting", because="", at=now)
    return _put(route, revised, before, "suppressed", because="incident", at=now)


def _begun(route: Route, revised: Revised, recent: Iterable[Recent], now: datetime) -> Notification:
    step = revised.step
    if now - step.changed_at > OLD:
        return _put(route, revised, None, "suppressed", because="old", at=now)
    if not _single(step):
        return _put(route, revised, None, "suppressed", because="incident", at=now)
    if _cooling(route, step, recent, now):
        return _put(route, revised, None, "suppressed", because="cooldown", at=now)
    at = due_at(route, now=now, severity=step.severity)
    return _put(route, revised, None, "waiting", because="" if at == now else "hours", at=at)


def _went_on(route: Route, revised: Revised, before: Notification, now: datetime) -> Notification | None:
    if before.step == "grouped" or before.step in ENDED:
        return None
    step = revised.step
    if isinstance(step, AlertStep) and step.incident is not None and step.state not in ENDED:
        return grouped(route, before._replace(record=stored(step), revision=revised.revision), step.incident, now=now)
    if isinstance(step, IncidentStep) and step.state not in ENDED and not _grew(step, before):
        return None
    quietly = route.changes_quietly and step.state in ENDED
    at = now if quietly else due_at(route, now=now, severity=step.severity)
    return _put(route, revised, before, "waiting", because="" if at == now else "hours", at=at)


def _put(
    route: Route, revised: Revised, before: Notification | None, state: State, *, because: str, at: datetime
) -> Notification:
    step = revised.step
    return Notification(
        route=route.name,
        about=step.about,
        kind="alert" if isinstance(step, AlertStep) else "incident",
        customer=step.whose,
        severity=step.severity,
        state=state,
        because=because,
        step=step.state,
        revision=revised.revision,
        told=0 if before is None else before.told,
        unsure=before is not None and before.unsure,
        record=stored(step),
        due_at=at,
        since=at if before is None or before.state != "waiting" else before.since,
        created_at=at if before is None else before.created_at,
    )


def _cooling(route: Route, step: Step, recent: Iterable[Recent], now: datetime) -> bool:
    """Whether the customer was notified of not long ago, and of nothing lighter than this."""
    if isinstance(step, IncidentStep) or step.test:
        return False
    since = now - timedelta(hours=route.row.cooldown_hours)
    return any(
        one.about != step.about and one.created_at > since and _RANK[one.severity] >= _RANK[step.severity]
        for one in recent
        if one.route == route.name and one.customer == step.whose
    )


def _single(step: Step) -> bool:
    return isinstance(step, IncidentStep) or step.incident is None


def _rose(step: Step, before: Notification) -> bool:
    return before.because == "cooldown" and _RANK[step.severity] > _RANK[before.severity]


def _grew(step: IncidentStep, before: Notification) -> bool:
    told = read_stored(before.record, kind="incident", name="opened")
    return isinstance(told, IncidentStep) and step.people >= GREW * told.people
