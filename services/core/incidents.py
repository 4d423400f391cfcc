"""When many people fall for one cause: alerts that share a leaf, within an hour, are one incident. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from statistics import median
from typing import Final, Literal, NamedTuple
from uuid import UUID

Along = Literal["place", "touchpoint", "channel"]

ALONG: Final[tuple[Along, ...]] = ("place", "touchpoint", "channel")
"""What people may share, the narrowest first."""

WITHIN: Final = timedelta(minutes=60)
PEOPLE_MIN: Final = 10
TIMES_USUAL: Final = 3.0
USUAL_DAYS: Final = 7

CAUSE_SHARE: Final = 0.25
"""A leaf is a cause of a fall when a quarter of what lowered the score is its own: what nearly everybody has a little of,
such as a page that was seen, is no cause of anything."""

NEARLY_ALL: Final = 0.8
"""Something narrower names the cause when so many of those who share the broader thing share it too."""

RECOVERED_SHARE: Final = 0.5
"""An incident is over when at least so many of its alerts are."""

GROWN_TIMES: Final = 2.0
TOLD_AGAIN_AFTER: Final = timedelta(minutes=15)
"""What grows is told when it has doubled, and otherwise this often: a storm of a day is some hundred records."""


class Cause(NamedTuple):
    """What people may share."""

    along: Along
    value: str


class LoneAlert(NamedTuple):
    """An alert of a person that belongs to no incident, and the causes of the fall."""

    id: UUID
    person: int
    opened_at: datetime
    causes: frozenset[Cause]


class Storm(NamedTuple):
    """Alerts that share a cause, of enough people within an hour."""

    cause: Cause
    alerts: Sequence[LoneAlert]
    ends_at: datetime
    """When the hour ends in which most people fell."""
    people: int
    usual: float

    @property
    def id(self) -> UUID:
        """The same for the same cause and first alert, whoever finds it."""
        first = min((alert.opened_at, alert.id) for alert in self.alerts)[1]
        return UUID(bytes=sha256(f"incident\0{self.cause.along}\0{self.cause.value}\0{first}".encode()).digest()[:16])


class Leaf(NamedTuple):
    """A reason of an alert: where it was, and its points."""

    touchpoint: str
    channel: str
    place: str
    points: float


def causes_of(reasons: Iterable[Leaf]) -> frozenset[Cause]:
    """Return what caused a fall: the leaves that lowered the score most, each by its place, its touchpoint and its channel."""
    lowered = [one for one in reasons if one.points < 0]
    enough = CAUSE_SHARE * sum(one.points for one in lowered)
    causes = set()
    for one in lowered:
        if one.points <= enough:
            told: Mapping[Along, str] = {"place": one.place, "touchpoint": one.touchpoint, "channel": one.channel}
            causes |= {Cause(along, told[along]) for along in ALONG if told[along]}
    return frozenset(causes)


def usual_people(same_hours: Sequence[int]) -> float:
    """Return the usual number of people, given that of the same hour of each day of a week."""
    return float(median(same_hours)) if same_hours else 0.0


def enough_people(usual: float) -> float:
    """Return how many people make an incident."""
    return max(float(PEOPLE_MIN), TIMES_USUAL * usual)


def joined(alerts: Iterable[LoneAlert], open_: Collection[Cause]) -> dict[UUID, Cause]:
    """Return which alerts belong to incidents that are open: each to the narrowest of those whose cause it shares."""
    found = {}
    for alert in alerts:
        if shared := [cause for cause in alert.causes if cause in open_]:
            found[alert.id] = min(shared, key=lambda cause: (ALONG.index(cause.along), cause.value))
    return found


def candidates(alerts: Sequence[LoneAlert]) -> dict[Cause, tuple[datetime, int]]:
    """Return causes that may make an incident: the end of the hour in which most people fell, and how many did."""
    by_cause: dict[Cause, list[LoneAlert]] = {}
    for alert in sorted(alerts, key=lambda one: (one.opened_at, one.id)):
        for cause in alert.causes:
            by_cause.setdefault(cause, []).append(alert)
    found = {cause: _busiest(shared) for cause, shared in by_cause.items() if len(shared) >= PEOPLE_MIN}
    return {cause: busiest for cause, busiest in found.items() if busiest[1] >= PEOPLE_MIN}


def storms(alerts: Sequence[LoneAlert], usual: Mapping[Cause, float]) -> list[Storm]:
    """Return the incidents that alerts make, each alert in one at most, given the usual number of people of each candidate.

    One cause gives one incident: the one that most people share stands first, and of what nearly all of them share, the
    narrowest names it. Those that are left must make the next one by themselves.
    """
    left, found = list(alerts), []
    while (storm := _storm(left, usual)) is not None:
        found.append(storm)
        taken = {alert.id for alert in storm.alerts}
        left = [alert for alert in left if alert.id not in taken]
    return found


def is_over(*, now: datetime, joined_at: datetime, alerts: int, recovered: int, quiet: timedelta) -> bool:
    """Tell whether an incident is over: nobody has joined it for long enough, and most of its people have recovered."""
    return now - joined_at >= quiet and recovered >= RECOVERED_SHARE * alerts


def has_grown(*, people: int, told_people: int, told_at: datetime, now: datetime) -> bool:
    """Tell whether it is worth to say again how many there are."""
    if people <= told_people:
        return False
    return people >= GROWN_TIMES * told_people or now - told_at >= TOLD_AGAIN_AFTER


def _storm(alerts: Sequence[LoneAlert], usual: Mapping[Cause, float]) -> Storm | None:
    found = {
        cause: busiest
        for cause, busiest in candidates(alerts).items()
        if busiest[1] >= enough_people(usual.get(cause, 0.0))
    }
    if not found:
        return None
    people = {cause: {one.person for one in alerts if cause in one.causes} for cause in found}
    broadest = max(people.values(), key=len)
    naming = [cause for cause in found if len(people[cause] & broadest) >= NEARLY_ALL * len(broadest)]
    cause = min(naming, key=lambda one: (ALONG.index(one.along), -len(people[one]), one.value))
    ends_at, count = found[cause]
    # Whoever fell for it in the hours before is not left to make an incident of their own.
    sharing = [one for one in alerts if cause in one.causes]
    return Storm(cause, sharing, ends_at, count, usual.get(cause, 0.0))


def _busiest(shared: Sequence[LoneAlert]) -> tuple[datetime, int]:
    """Return the end of the hour with most people, and how many; alerts come in the order of their times."""
    best, first = (shared[0].opened_at, 0), 0
    counts: dict[int, int] = {}
    for alert in shared:
        counts[alert.person] = counts.get(alert.person, 0) + 1
        while shared[first].opened_at <= alert.opened_at - WITHIN:
            gone = shared[first].person
            counts[gone] -= 1
            if not counts[gone]:
                del counts[gone]
            first += 1
        if len(counts) > best[1]:
            best = (alert.opened_at, len(counts))
    return best
