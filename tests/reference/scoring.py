"""The score written a second time, with plain dicts and floats and none of the product's code.

Unit tests and the fault storms' oracle hold the product against this one reading of SCORING, sections 2 and 3.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

Leaf = tuple[str, str, str]
MICRO = 10**6
UNKNOWN_WEIGHT = 0.1


class Event(NamedTuple):
    """One impression: where, in which hour, how good (micro-units), how much at stake (micro-units)."""

    leaf: Leaf
    hour: int
    v: int
    q: int = MICRO


@dataclass(frozen=True)
class Model:
    """Weights by touchpoint, and the parameters under the letters of the formulas."""

    weights: Mapping[str, float]
    lam: float = 2.0
    beta: float = 0.5
    kappa: float = 3.0
    p: float = 0.5
    cap: float = 2.0
    h: float = 30.0


class Score(NamedTuple):
    score: float
    confidence: float
    se: float


State = dict[tuple[Leaf, int], list[int]]


def count(tally: list[int], v: int, q: int) -> None:
    """Count one impression into n, q, pos, neg, pos2, neg2, best, worst."""
    good, bad = max(v, 0), max(-v, 0)
    tally[0] += 1
    tally[1] += q
    tally[2] += q * good // MICRO
    tally[3] += q * bad // MICRO
    tally[4] += q * (good * good // MICRO) // MICRO
    tally[5] += q * (bad * bad // MICRO) // MICRO
    if q > 0:
        tally[6] = max(tally[6], good)
        tally[7] = max(tally[7], bad)


def state(events: Iterable[Event]) -> State:
    """Fold events into tallies by leaf and hour."""
    tallies: State = {}
    for leaf, hour, v, q in events:
        count(tallies.setdefault((leaf, hour), [0] * 8), v, q)
    return tallies


def score(tallies: State, model: Model, at: int, window: int | None = None) -> Score:
    """Read a state at an hour."""
    good = bad = seen = 0.0
    for leaf, hour in sorted(tallies):
        _, q, pos, neg, pos2, neg2, _, _ = tallies[leaf, hour]
        age = at - hour
        if age < 0 or age >= 9600 or (window is not None and age >= window):
            continue
        delta = model.weights.get(leaf[0], UNKNOWN_WEIGHT)
        if window is None:
            delta *= 2.0 ** (-age / (24 * model.h))
        good += delta * min((1 - model.beta) * (pos / MICRO) + model.beta * (pos2 / MICRO), model.cap)
        bad += delta * min((1 - model.beta) * (neg / MICRO) + model.beta * (neg2 / MICRO), model.cap)
        seen += delta * min(q / MICRO, model.cap)
    a = model.kappa * model.p + good
    b = model.kappa * (1 - model.p) + model.lam * bad
    total = a + b
    return Score(
        score=100 / (1 + b / a),
        confidence=seen / (seen + model.kappa),
        se=100 * math.sqrt(a * b / (total * total * (total + 1))),
    )


class Change(NamedTuple):
    came: float
    faded: float
    significant: bool


def change(tallies: State, model: Model, at: int, hours: int) -> Change:
    """How the score moved within so many hours, and whether what came in them is much."""
    old = {key: tally for key, tally in tallies.items() if not at - hours < key[1] <= at}
    recent = {key: tally for key, tally in tallies.items() if at - hours < key[1] <= at}
    now, without, before = (
        score(tallies, model, at).score,
        score(old, model, at).score,
        score(tallies, model, at - hours).score,
    )
    came = now - without
    good, bad = evidence(recent, model, at)
    own = good if came > 0 else model.lam * bad
    return Change(
        came,
        without - before,
        abs(came) >= 5 and abs(now - before) >= 5 and (came > 0) == (now - before > 0) and own >= 1,
    )


def evidence(tallies: State, model: Model, at: int) -> tuple[float, float]:
    """Good and bad evidence at an hour, decayed, the bad before loss aversion."""
    good = bad = 0.0
    for leaf, hour in sorted(tallies):
        _, _, pos, neg, pos2, neg2, _, _ = tallies[leaf, hour]
        if not 0 <= at - hour < 9600:
            continue
        delta = model.weights.get(leaf[0], UNKNOWN_WEIGHT) * 2.0 ** (-(at - hour) / (24 * model.h))
        good += delta * min((1 - model.beta) * (pos / MICRO) + model.beta * (pos2 / MICRO), model.cap)
        bad += delta * min((1 - model.beta) * (neg / MICRO) + model.beta * (neg2 / MICRO), model.cap)
    return good, bad
