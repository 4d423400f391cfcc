"""What the demo shows: every watched customer's score, what moved it last, and how each phase told. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from services.client.scores import Receipt, Score
from services.demo.shop import Phase

POINTS_MIN: Final = 0.5
"""A smaller move is not worth a word."""


class Share(NamedTuple):
    """What a touchpoint has in a score, and the events behind it."""

    points: float
    events: int


NOTHING: Final = Share(0.0, 0)


class Cause(NamedTuple):
    """The touchpoint whose points moved a score most, and by how much."""

    touchpoint: str
    points: float


class Row(NamedTuple):
    """One customer on the board; the change and its cause are since the phase began."""

    customer: str
    score: float
    band: str
    change: float
    cause: Cause | None


class Told(NamedTuple):
    """How a phase told on some customers: how many, and by how many points on average."""

    customers: int
    points: float


@dataclass(slots=True)
class _Watched:
    """The last reading of a customer, and the one that changes are told against."""

    score: Score
    shares: Mapping[str, Share]
    base: float
    base_shares: Mapping[str, Share]
    moved: int


@dataclass(slots=True)
class Board:
    """Remembers readings; a phase's changes are told against the scores at its beginning."""

    _watched: dict[str, _Watched] = field(default_factory=dict)
    _moves: int = 0
    _bases: dict[Phase, dict[str, float]] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many customers have a score."""
        return len(self._watched)

    def has(self, score: Score) -> bool:
        """Whether this version of the customer's score is on the board."""
        watched = self._watched.get(score.customer)
        return watched is not None and watched.score.version == score.version

    def begin(self, phase: Phase) -> None:
        """Tell changes from here on against the scores of this moment."""
        for watched in self._watched.values():
            watched.base, watched.base_shares = watched.score.score, watched.shares
        self._bases[phase] = self.scores()

    def see(self, score: Score, receipt: Receipt) -> Row:
        """Take a reading in and give the customer's row."""
        shares: dict[str, Share] = {}
        for line in receipt.leaves:
            points, events = shares.get(line.touchpoint, NOTHING)
            shares[line.touchpoint] = Share(points + line.points, events + line.events)
        self._moves += 1
        before = self._watched.get(score.customer)
        base, base_shares = (score.score, shares) if before is None else (before.base, before.base_shares)
        watched = self._watched[score.customer] = _Watched(score, shares, base, base_shares, self._moves)
        return _row(watched)

    def rows(self, limit: int) -> list[Row]:
        """The customers that moved last, the latest first."""
        latest = sorted(self._watched.values(), key=lambda watched: -watched.moved)
        return [_row(watched) for watched in latest[:limit]]

    def fallen_most(self, phase: Phase, customers: Collection[str]) -> str | None:
        """Whom of these the phase took most from; None when none of them was read before and after."""
        base = self._bases.get(phase, {})
        changes = {
            name: self._watched[name].score.score - base[name]
            for name in customers
            if name in base and name in self._watched
        }
        return min(changes, key=lambda name: (changes[name], name), default=None)

    def scores(self) -> dict[str, float]:
        """Every watched customer's score."""
        return {name: watched.score.score for name, watched in self._watched.items()}

    def told(self, phase: Phase, customers: Collection[str], *, now: Mapping[str, float]) -> Told:
        """How these customers changed from the phase's beginning to `now`."""
        base = self._bases.get(phase, {})
        changes: Sequence[float] = [now[name] - base[name] for name in customers if name in base and name in now]
        return Told(len(changes), sum(changes) / len(changes) if changes else 0.0)


def _row(watched: _Watched) -> Row:
    """The reasons are those of the change; where there is none to speak of, those of the score as a whole."""
    score = watched.score
    change = score.score - watched.base
    if abs(change) < POINTS_MIN:
        cause = _cause({}, watched.shares, change=sum(share.points for share in watched.shares.values()))
    else:
        cause = _cause(watched.base_shares, watched.shares, change=change)
    return Row(score.customer, score.score, score.band, change, cause)


def _cause(before: Mapping[str, Share], after: Mapping[str, Share], *, change: float) -> Cause | None:
    """Of the touchpoints whose points went the way of the change, the one that went furthest.

    One with new events comes before any without: those change too, since all points share one sum. What pushes the
    other way is never named.
    """
    moved = {name: after.get(name, NOTHING).points - before.get(name, NOTHING).points for name in {*before, *after}}
    along = {name: points for name, points in moved.items() if points * change > 0}
    fresh = [name for name in along if after.get(name, NOTHING).events != before.get(name, NOTHING).events]
    name = max(fresh or along, key=lambda touchpoint: (abs(along[touchpoint]), touchpoint), default=None)
    return None if name is None else Cause(name, along[name])
