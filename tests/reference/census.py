"""A census written a second time, person after person, with plain dicts and floats and none of the product's code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from tests.reference.scoring import MICRO, UNKNOWN_WEIGHT, Leaf, Model, State, score

PERIOD_H = 720

Amounts = tuple[int, int, int, int, int]
"""Customers, events, scores, points lost and points won; the last three in millionths."""

Group = tuple[str, str, str]
"""Everyone or a place, along what, and the value there."""


class Means(NamedTuple):
    """What a touchpoint means."""

    stage: str
    driver: str
    control: str


def census(
    people: Iterable[State], model: Model, means: Callable[[str], Means], at: int
) -> Mapping[Group, tuple[Amounts, Amounts]]:
    """The sums of all groups that anybody touched in the period that ends at an hour, or in the one before."""
    sums: dict[Group, list[list[int]]] = {}
    for tallies in people:
        for place, hour in enumerate((at, at - PERIOD_H)):
            for group, amounts in _person(tallies, model, means, hour):
                of = sums.setdefault(group, [[0] * 5, [0] * 5])[place]
                for column, amount in enumerate(amounts):
                    of[column] += amount
    return {group: (tuple(now), tuple(before)) for group, (now, before) in sums.items()}  # type: ignore[misc]


def _person(tallies: State, model: Model, means: Callable[[str], Means], at: int) -> Iterator[tuple[Group, Amounts]]:
    period = {key: tally for key, tally in tallies.items() if 0 <= at - key[1] < PERIOD_H}
    good, bad = _evidence(period, model)
    share = 100 * MICRO / (model.kappa + good + bad)
    by_group: dict[Group, State] = {}
    for (leaf, hour), tally in period.items():
        for group in _groups(leaf, means(leaf[0])):
            by_group.setdefault(group, {})[leaf, hour] = tally
    for group, part in by_group.items():
        lost = won = 0
        for leaf in {leaf for leaf, _ in part}:
            good, bad = _evidence({key: tally for key, tally in part.items() if key[0] == leaf}, model)
            lost += round(model.p * share * bad)
            won += round((1 - model.p) * share * good)
        events = sum(tally[0] for tally in part.values())
        yield group, (1, events, round(MICRO * score(part, model, at, PERIOD_H).score), lost, won)


def _groups(leaf: Leaf, means: Means) -> Iterator[Group]:
    touchpoint, channel, place = leaf
    for scope in ("", f"place:{place}") if place else ("",):
        yield scope, "everything", ""
        yield scope, "driver", means.driver
        yield scope, "stage_channel", f"{means.stage}/{channel}"
        yield scope, "touchpoint", touchpoint
        yield scope, "control", means.control


def _evidence(part: State, model: Model) -> tuple[float, float]:
    good = bad = 0.0
    for leaf, hour in sorted(part):
        _, _, pos, neg, pos2, neg2, _, _ = part[leaf, hour]
        weight = model.weights.get(leaf[0], UNKNOWN_WEIGHT)
        good += weight * min((1 - model.beta) * (pos / MICRO) + model.beta * (pos2 / MICRO), model.cap)
        bad += weight * min((1 - model.beta) * (neg / MICRO) + model.beta * (neg2 / MICRO), model.cap)
    return good, model.lam * bad
