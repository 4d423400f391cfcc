"""Falls and the life of an alert written a second time, with plain dicts and floats and none of the product's code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tests.reference.scoring import Model, State, evidence, score

HOURS = 72


class Fall(NamedTuple):
    before: float
    score: float
    evidence: float


def fall(tallies: State, model: Model, at: int) -> Fall:
    """How far a score fell within three days, without promises and answers."""
    old = {key: tally for key, tally in tallies.items() if not at - HOURS < key[1] <= at}
    recent = {key: tally for key, tally in tallies.items() if at - HOURS < key[1] <= at}
    _, bad = evidence(recent, model, at)
    return Fall(score(old, model, at).score, score(tallies, model, at).score, model.lam * bad)


def tips(one: Fall, points: float, least: float) -> bool:
    return one.before - one.score >= points and one.evidence >= least


def life(falls: Sequence[tuple[int, Fall]], points: float, least: float) -> list[tuple[int, str]]:
    """What becomes of an alert that opens with the first of these: when it grows worse, and when it closes."""
    opened, first = falls[0]
    target = first.score + max(0.0, first.before - first.score) / 2
    critical = first.score < 25
    told: list[tuple[int, str]] = []
    for place, (hour, _) in enumerate(falls[1:], start=1):
        seen = falls[1 : place + 1]
        below = [at for at, one in seen if one.score < target]
        since = [at for at, one in seen if one.score >= target and all(at > other for other in below)]
        again = [at for at, one in seen if tips(one, points, least)]
        if (since and hour - since[0] >= 24) or hour - max([opened, *again]) >= 14 * 24:
            return [*told, (hour, "closed")]
        if not critical and falls[place][1].score < 25:
            critical = True
            told.append((hour, "worsened"))
    return told
