"""Write the steps of alerts: their rows, and the records that others are told by."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from pydantic import TypeAdapter

from schemas.alert import (
    REASON_EVENTS_MAX,
    REASONS_MAX,
    AlertReason,
    AlertRecord,
    EventName,
    PromiseName,
)
from schemas.topics import ALERTS
from services.aggregator.counting.occasions import Occasion
from services.aggregator.counting.ports import ChunkTransaction
from services.core import drops
from services.core.alerts import BAD_ANSWER, COOLDOWN_H, Course, Happening, alert_id
from services.core.dimensions import Leaves
from services.core.drops import FALL_H, Fall, Reason
from services.core.facts import STATES, Fact
from services.core.instants import EPOCH, instant_of, write_instant
from services.core.promises import Overdue
from services.core.tallies import LEAF, Tallies, merge
from services.state.alerting import ALWAYS, ChangedAlert, NewAlert, StandingAlert
from services.state.events import LatestEvent
from services.state.feeds import Letter

REASONS: Final = TypeAdapter(list[AlertReason])
END_OF_TIME: Final = datetime.max.replace(tzinfo=EPOCH.tzinfo)

STANDING: Final[Mapping[Happening | None, str]] = {
    None: "open",
    Happening.OPENED: "open",
    Happening.WORSENED: "open",
    Happening.CLOSED: "closed",
    Happening.WITHDRAWN: "withdrawn",
}


class Fresh(NamedTuple):
    """What tips an alert that has not been there."""

    tipped: tuple[str, str] | None
    promise: Overdue | None


class Step(NamedTuple):
    """An alert that was looked at, and what has happened to it."""

    subject: Occasion
    """The one person, or the contacts of a company."""
    alert: StandingAlert | Fresh
    course: Course
    fall: Fall
    happening: Happening | None

    @property
    def person(self) -> int:
        """Whose it is."""
        return self.subject.persons[0]


def course_of(alert: StandingAlert) -> Course:
    """Read how an alert stands; one that others have written closes in its time."""
    kept = json.loads(alert.remembered)
    hour = (alert.opened_at - EPOCH) // timedelta(hours=1)
    target = kept.get("target", (alert.score + alert.score_before) / 2)
    return Course(alert.rule, alert.severity, hour, target, kept.get("regained"), kept.get("fell", hour))


def promise_of(alert: StandingAlert) -> tuple[tuple[str, str, str], int] | None:
    """Read which promise an alert is about, and when it was due."""
    kept = json.loads(alert.remembered).get("promise")
    return None if kept is None else ((kept["kind"], kept["about"], kept["part"]), kept["due_us"])


async def write(
    transaction: ChunkTransaction, steps: Sequence[Step], *, at_us: int, watched: Mapping[int, Sequence[StandingAlert]]
) -> list[Step]:
    """Store the steps and put their records into the outbox; returns those that anybody is told of."""
    at = instant_of(at_us)
    told = [step for step in steps if step.happening is not None]
    people = await _people(transaction, {step.person for step in told if step.subject.account is None})
    records = [(step, await _record(transaction, step, people, at=at)) for step in told]
    fresh = [_new(step, record, at=at) for step, record in records if isinstance(step.alert, Fresh)]
    added = await transaction.alerts.open(fresh) if fresh else set()
    changed = [_changed(step, at=at) for step in steps if isinstance(step.alert, StandingAlert)]
    if changed:
        await transaction.alerts.change(sorted(changed))
    told_of = [(step, one) for step, one in records if not isinstance(step.alert, Fresh) or UUID(one.alert) in added]
    if told_of:
        letters = [Letter(ALERTS, _key(one), one.model_dump_json(exclude_none=True).encode()) for _, one in told_of]
        await transaction.feeds.put(letters)
    if until := _watched_until(watched, steps):
        await transaction.alerts.watch(until)
    return [step for step, _ in told_of]


def _key(record: AlertRecord) -> str:
    return record.customer or record.account or ""


async def _people(transaction: ChunkTransaction, persons: Iterable[int]) -> dict[int, str]:
    wanted = sorted(persons)
    rows = await transaction.identities.of_persons(wanted) if wanted else []
    return {person: value for number, value, person in rows if number == person}


async def _record(transaction: ChunkTransaction, step: Step, people: Mapping[int, str], *, at: datetime) -> AlertRecord:
    alert, account = step.alert, step.subject.account
    if isinstance(alert, Fresh):
        identity, tipped, promise = _identity(step, alert), alert.tipped, _promise_name(alert)
        reasons = await _reasons(transaction, step)
        opened_at, before = at, step.fall.before
    else:
        identity, opened_at, before = alert.id, alert.opened_at, alert.score_before
        tipped = (alert.tipped_source or "", alert.tipped_event or "") if alert.tipped_event else None
        reasons = REASONS.validate_json(alert.reasons, strict=False)
        named = promise_of(alert)
        promise = None if named is None else _promise(*named)
    assert step.happening is not None  # noqa: S101 -- others are told of nothing else
    return AlertRecord(
        alert=str(identity),
        rule=step.course.rule,
        customer=people[step.person] if account is None else None,
        account=account,
        severity="critical" if step.course.severity == "critical" else "warning",
        state=step.happening.value,
        opened_at=write_instant(opened_at),
        changed_at=write_instant(at),
        score_before=before,
        score=step.fall.score,
        tipped=None if tipped is None else EventName(source=tipped[0], id=tipped[1]),
        promise=promise,
        incident=None if isinstance(alert, Fresh) or alert.incident is None else str(alert.incident),
        reasons=reasons,
        model_version=step.subject.weigher.leaves.catalogue.model_version,
    )


def _identity(step: Step, alert: Fresh) -> UUID:
    account = step.subject.account
    whose = () if account is None else ("account", account)
    if alert.promise is not None:
        return alert_id(step.course.rule, *whose, *alert.promise.key, str(alert.promise.due_us))
    assert alert.tipped is not None  # noqa: S101 -- an event did where no promise has
    return alert_id(step.course.rule, *whose, *alert.tipped)


def _promise_name(alert: Fresh) -> PromiseName | None:
    return None if alert.promise is None else _promise(alert.promise.key, alert.promise.due_us)


def _promise(key: tuple[str, str, str], due_us: int) -> PromiseName:
    kind, about, part = key
    return PromiseName(kind=kind, about=about, part=part, due_at=write_instant(instant_of(due_us)))


async def _reasons(transaction: ChunkTransaction, step: Step) -> list[AlertReason]:
    """Read what made the fall, leaf by leaf, with the events behind each."""
    one, numbered = step.subject, step.subject.weigher.leaves
    rows = one.tallies.rows
    # Numbers of its own: what a promise is booked on may be no event's leaf.
    triples = [numbered.triples[number] for number in rows[:, LEAF].tolist()]
    known = sorted({*triples, *one.facts.leaves(numbered.catalogue)})
    leaves = Leaves.of(numbered.catalogue, known)
    renumbered = rows.copy()
    renumbered[:, LEAF] = [leaves.number(leaf) for leaf in triples]
    found = drops.weightiest(
        drops.read_reasons(
            merge([Tallies(one.tallies.owner, renumbered)]),
            facts=one.facts,
            leaves=leaves,
            at_hour=one.hour,
            parameters=one.weigher.parameters,
            answers=step.course.rule == BAD_ANSWER,
            factors=one.factors,
        ),
        most=REASONS_MAX,
    )
    number_of = dict(zip(triples, rows[:, LEAF].tolist(), strict=True))
    felt = [number_of[leaf] for leaf in (leaves.triples[reason.leaf] for reason in found) if leaf in number_of]
    events = await newest_events(transaction, one, felt)
    facts = [fact for mine in one.facts.people.values() for fact in mine.facts]
    reasons = []
    for reason in found:
        leaf, entry = leaves.triples[reason.leaf], leaves.entries[reason.leaf]
        named = [(event.source, event.event_id) for event in events.get(number_of.get(leaf, -1), ())]
        reasons.append(
            AlertReason(
                touchpoint=leaf.touchpoint,
                channel=leaf.channel,
                place=leaf.place,
                stage=entry.stage,
                category=entry.category,
                points=reason.points,
                events=[EventName(source=source, id=event) for source, event in [*named, *_stated(reason, facts)]][
                    :REASON_EVENTS_MAX
                ],
            )
        )
    return reasons


async def newest_events(
    transaction: ChunkTransaction, one: Occasion, leaves: Sequence[int]
) -> Mapping[int, Sequence[LatestEvent]]:
    """Read by leaf the newest events of the hours that make a fall."""
    rows = await transaction.identities.of_persons(one.persons)
    return await transaction.events.latest(
        [row.number for row in rows],
        leaves=leaves,
        since=_at(one.hour - FALL_H + 1),
        until=_at(one.hour + 1),
        received_before=END_OF_TIME,
        each=REASON_EVENTS_MAX,
    )


def _stated(reason: Reason, facts: Iterable[Fact]) -> list[tuple[str, str]]:
    """Give what stated the promises that are felt in a leaf."""
    wanted = {(whole, part) for _, whole, part in reason.about}
    told = [fact for fact in facts if fact.role == STATES]
    return [
        (fact.source, fact.event_id)
        for fact in sorted(told, key=lambda fact: fact.turn)
        if (fact.key, fact.part) in wanted or (fact.key, "") in wanted
    ]


def _at(hour: int) -> datetime:
    return EPOCH + timedelta(hours=hour)


def _remembered(step: Step) -> str:
    course, alert = step.course, step.alert
    kept: dict[str, object] = {"target": course.target, "regained": course.regained, "fell": course.fell}
    if isinstance(alert, StandingAlert):
        kept = {**json.loads(alert.remembered), **kept}
    elif alert.promise is not None:
        kind, about, part = alert.promise.key
        kept["promise"] = {"kind": kind, "about": about, "part": part, "due_us": alert.promise.due_us}
    return json.dumps(kept)


def _new(step: Step, record: AlertRecord, *, at: datetime) -> NewAlert:
    alert = step.alert
    assert isinstance(alert, Fresh)  # noqa: S101 -- asked by the caller
    source, event_id = alert.tipped or (None, None)
    promise = None if alert.promise is None else " ".join(alert.promise.key).strip()
    return NewAlert(
        id=UUID(record.alert),
        rule=record.rule,
        person=step.person if step.subject.account is None else None,
        account=step.subject.account,
        severity=record.severity,
        at=at,
        score_before=step.fall.before,
        score=step.fall.score,
        tipped_source=source,
        tipped_event=event_id,
        promise=promise,
        reasons=REASONS.dump_json(record.reasons).decode(),
        remembered=_remembered(step),
        looked=step.subject.hour,
    )


def _changed(step: Step, *, at: datetime) -> ChangedAlert:
    alert, happening = step.alert, step.happening
    assert isinstance(alert, StandingAlert)  # noqa: S101 -- asked by the caller
    return ChangedAlert(
        id=alert.id,
        severity=step.course.severity,
        state=STANDING[happening],
        score=min(alert.score, step.fall.score) if happening == Happening.WORSENED else alert.score,
        remembered=_remembered(step),
        looked=step.subject.hour,
        changed_at=None if happening is None else at,
        closed_at=at if STANDING[happening] != "open" else None,
    )


def _watched_until(watched: Mapping[int, Sequence[StandingAlert]], steps: Iterable[Step]) -> dict[int, int]:
    """Until when each of these persons is to be looked at whenever it is touched."""
    until: dict[int, int] = {}
    over = {
        step.alert.id for step in steps if isinstance(step.alert, StandingAlert) and STANDING[step.happening] != "open"
    }
    for person, alerts in watched.items():
        until.setdefault(person, 0)
        for alert in alerts:
            standing = alert.state == "open" and alert.id not in over
            until[person] = max(until.get(person, 0), ALWAYS if standing else _cooled(alert))
    for step in steps:
        if step.subject.account is not None:
            continue
        if isinstance(step.alert, Fresh):
            until[step.person] = ALWAYS
        elif step.happening == Happening.CLOSED:
            until[step.person] = max(until.get(step.person, 0), step.subject.hour + COOLDOWN_H)
    return until


def _cooled(alert: StandingAlert) -> int:
    """The hour at which a closed alert keeps no other from opening; one that closes now is told of by its step."""
    if alert.closed_at is None:
        return 0
    return (alert.closed_at - EPOCH) // timedelta(hours=1) + COOLDOWN_H
