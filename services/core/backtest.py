"""What a rule would have raised: the life of alerts replayed over what people lived, by the reads that workers use. Pure.

Everything is taken as known when it happened: what came late came in time here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from services.core import drops
from services.core.alerts import (
    BAD_ANSWER,
    COOLDOWN_H,
    CRITICAL,
    DROP,
    OVERDUE,
    QUIET_H,
    Course,
    Happening,
    Held,
    looked,
    opened,
)
from services.core.facts import Facts
from services.core.promises import ended, overdue, turns
from services.core.tallies import HOUR, LEAF, NEG, WORST, Tallies

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from services.core.catalogue import Parameters
    from services.core.dimensions import Leaves
    from services.core.drops import Fall
    from services.core.facts import PersonFacts
    from services.core.thresholds import Thresholds

ROWS_MAX: Final = 200_000
"""Sums read together, 16 MiB; one hour of one person may have more of them alone."""

TOGETHER_MAX: Final = 2000
"""Hours read together."""

OVERDUE_HOURLY_H: Final = 96
"""So long each hour of an overdue promise is looked at, as the workers' sweep does; later ones once a day."""

DAY_H: Final = 24


class Rule(NamedTuple):
    """What is replayed, and over which hours since 1970, the last one too."""

    thresholds: Thresholds
    first: int
    last: int


class Life(NamedTuple):
    """What one person lived: sums sorted by leaf and hour, and facts."""

    rows: NDArray[np.int64]
    facts: PersonFacts | None


class Raised(NamedTuple):
    """An alert that would have been raised."""

    person: int
    rule: str
    hour: int
    before: float
    score: float
    critical: bool
    """At its opening or later."""
    closed: int | None
    """None: not until the last hour."""

    @property
    def points(self) -> float:
        """How far the score fell."""
        return self.before - self.score


class Replay:
    """Replays people one after another by one rule and one model."""

    def __init__(self, rule: Rule, *, leaves: Leaves, parameters: Parameters) -> None:
        self._rule = rule
        self._leaves = leaves
        self._parameters = parameters

    def raised(self, person: int, life: Life) -> list[Raised]:
        """Give the alerts that this person would have had, in the order of their hours."""
        causes = self._causes(life)
        hours = sorted(causes)
        falls = dict(zip(hours, self._falls(life, hours), strict=True))
        found: list[Raised] = []
        free = {True: 0, False: 0}
        for hour in hours:
            for rule in causes[hour]:
                answer = rule == BAD_ANSWER
                if hour < free[answer] or not (answer or falls[hour].tips(self._rule.thresholds)):
                    continue
                alert = self._lived(person, life, rule, hour)
                found.append(alert)
                free[answer] = self._rule.last + 1 if alert.closed is None else alert.closed + COOLDOWN_H
        return found

    def _causes(self, life: Life) -> dict[int, list[str]]:
        """Give the hours at which something may open an alert, and by which rules."""
        causes: dict[int, list[str]] = {}
        answers = self._answers(life)
        rows = life.rows
        bad = rows[(rows[:, NEG] > 0) & ~answers, HOUR].tolist()
        bad += [one.hour for one in (life.facts.facts if life.facts else ()) if one.v < 0]
        for hour in self._within(bad):
            causes[hour] = [DROP]
        for hour in self._within(self._overdue_hours(life)):
            causes.setdefault(hour, [OVERDUE])
        for hour in self._within(rows[answers & (rows[:, WORST] >= -drops.BAD_ANSWER_V), HOUR].tolist()):
            causes.setdefault(hour, []).append(BAD_ANSWER)
        return causes

    def _answers(self, life: Life) -> NDArray[np.bool_]:
        used, place = np.unique(life.rows[:, LEAF], return_inverse=True)
        entries = self._leaves.entries
        return np.array([drops.is_answer(entries[leaf]) for leaf in used.tolist()], dtype=np.bool_)[place]

    def _within(self, hours: Iterable[int]) -> list[int]:
        return sorted({hour for hour in hours if self._rule.first <= hour <= self._rule.last})

    def _overdue_hours(self, life: Life) -> Iterator[int]:
        """Give the hours at which a promise of the person waits, those at first one by one."""
        one, catalogue = life.facts, self._leaves.catalogue
        if one is None:
            return
        looks = {fact.hour for fact in one.facts if fact.hour <= self._rule.last} | {self._rule.first}
        for turn in {turn for at in looks for turn in turns(one, catalogue=catalogue, at_hour=at)}:
            first, last = max(turn.negative, self._rule.first), min(turn.ends, self._rule.last)
            for hour in (*range(first, min(first + OVERDUE_HOURLY_H, last + 1)), *range(first, last + 1, DAY_H)):
                if overdue(one, catalogue=catalogue, at_hour=hour):
                    yield hour

    def _lived(self, person: int, life: Life, rule: str, hour: int) -> Raised:
        """Open an alert and follow it to its end."""
        read = drops.read_falls_with_answers if rule == BAD_ANSWER else drops.read_falls
        [fall] = self._read(life, [hour], read)
        course = opened(rule, fall, hour=hour)
        promise = None
        if rule == OVERDUE and life.facts is not None:
            waiting = overdue(life.facts, catalogue=self._leaves.catalogue, at_hour=hour)
            promise = max(waiting, key=lambda one: (-one.v * one.weight, one.key)).key
        closed, course = self._followed(life, course, promise)
        return Raised(person, rule, hour, fall.before, fall.score, course.severity == CRITICAL, closed)

    def _followed(self, life: Life, course: Course, promise: tuple[str, str, str] | None) -> tuple[int | None, Course]:
        """Follow an alert at every hour in which something happened and at midnight; when it closed, and how it stood."""
        hour = course.opened
        while hour < self._rule.last:
            until = min(hour + QUIET_H, self._rule.last)
            happened = set(life.rows[:, HOUR].tolist()) | {one.hour for one in (life.facts.facts if life.facts else ())}
            looks = [at for at in range(hour + 1, until + 1) if at % DAY_H == 0 or at in happened]
            for at, fall in zip(looks, self._falls(life, looks), strict=True):
                course, happening = looked(
                    course,
                    fall,
                    hour=at,
                    thresholds=self._rule.thresholds,
                    late=False,
                    promise=self._held(life, promise, at),
                )
                if happening == Happening.CLOSED:
                    return at, course
            hour = until
        return None, course

    def _held(self, life: Life, promise: tuple[str, str, str] | None, hour: int) -> Held | None:
        if promise is None or life.facts is None:
            return None
        catalogue = self._leaves.catalogue
        waits = any(one.key == promise for one in overdue(life.facts, catalogue=catalogue, at_hour=hour))
        return Held(waits, ended(life.facts, promise, catalogue=catalogue, at_hour=hour))

    def _falls(self, life: Life, hours: Sequence[int]) -> list[Fall]:
        return self._read(life, hours, drops.read_falls)

    def _read(self, life: Life, hours: Sequence[int], read: Reader) -> list[Fall]:
        """Read one person at many hours at once: as if as many people had each lived until one hour, the last of all."""
        falls: list[Fall] = []
        together = max(1, min(TOGETHER_MAX, ROWS_MAX // max(len(life.rows), 1)))
        for first in range(0, len(hours), together):
            portion = hours[first : first + together]
            falls += self._read_together(life, portion, read)
        return falls

    def _read_together(self, life: Life, hours: Sequence[int], read: Reader) -> list[Fall]:
        last = max(hours)
        parts = []
        for hour in hours:
            rows = life.rows[life.rows[:, HOUR] <= hour]
            rows[:, HOUR] += last - hour
            parts.append(rows)
        owner = np.repeat(np.arange(len(hours)), [len(part) for part in parts])
        facts = Facts({})
        if life.facts is not None:
            facts = Facts({place: life.facts.moved(last - hour) for place, hour in enumerate(hours)})
        return read(
            Tallies(owner, np.concatenate(parts)),
            facts=facts,
            owners=len(hours),
            leaves=self._leaves,
            at_hour=last,
            parameters=self._parameters,
        )


if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[..., list[Fall]]
    """A read of falls by the names of its arguments; drops has two."""
