"""Who is one person and what their score is, by SCORING section 3 and plain sums; written apart from the services' core."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from tests.faults.impressions import MICRO

TallyKey = tuple[str, str, str, str, int]
"""Identity, touchpoint, channel, place, hour."""

HOURS_KEPT: Final = 9600
UNKNOWN_WEIGHT: Final = 0.1
KINDS: Final = ("customer", "loyalty", "email_hash", "phone_hash", "x-", "anonymous", "device")
WINDOWS: Final[Mapping[str, int | None]] = {"": None, "_24h": 24, "_7d": 168, "_30d": 720, "_90d": 2160}
"""Suffix of the store's column, and hours; None is the overall, decaying read."""


class Model(NamedTuple):
    """The numbers of the formula and the weight of each touchpoint."""

    parameters: Mapping[str, float]
    weights: Mapping[str, float]


def read_model(path: Path) -> Model:
    """The model as the catalogue file writes it."""
    written = yaml.safe_load(path.read_text())
    weights = {name: entry["weight"] for name, entry in written["touchpoints"].items()}
    return Model(written["parameters"], weights)


def strength(identity: str) -> tuple[int, str]:
    """Sorts the identity that names a person first."""
    kind = identity.partition(":")[0]
    return next(
        rank for rank, known in enumerate(KINDS) if kind == known or (known == "x-" and kind[:2] == "x-")
    ), identity


def persons_of(groups: Iterable[Sequence[str]]) -> dict[str, str]:
    """The person of each identity, when those named together are one; names nobody whose group has two customers."""
    parent: dict[str, str] = {}

    def root(identity: str) -> str:
        parent.setdefault(identity, identity)
        while parent[identity] != identity:
            identity = parent[identity]
        return identity

    for group in groups:
        for identity in group:
            parent[root(identity)] = root(group[0])
    members: dict[str, list[str]] = {}
    for identity in parent:
        members.setdefault(root(identity), []).append(identity)
    return {
        identity: min(together, key=strength)
        for together in members.values()
        if sum(one.startswith("customer:") for one in together) < 2
        for identity in together
    }


def readings(
    tallies: Mapping[TallyKey, Sequence[int]], *, at_hour: int, model: Model
) -> dict[str, tuple[float, float]]:
    """Score and confidence of one person in each window, from all tallies of its identities."""
    merged: dict[tuple[str, str, str, int], list[int]] = {}
    for (_, *leaf, hour), tally in tallies.items():
        into = merged.setdefault((leaf[0], leaf[1], leaf[2], hour), [0] * 6)
        for column in range(6):
            into[column] += tally[column]
    rows = sorted(merged.items())
    return {suffix: _reading(rows, at_hour=at_hour, window=hours, model=model) for suffix, hours in WINDOWS.items()}


def _reading(rows: Sequence[Any], *, at_hour: int, window: int | None, model: Model) -> tuple[float, float]:
    beta, cap = model.parameters["beta"], model.parameters["cap"]
    good = bad = seen = 0.0
    for (touchpoint, _, _, hour), (_, q, pos, neg, pos2, neg2) in rows:
        age = at_hour - hour
        if not 0 <= age < (window or HOURS_KEPT):
            continue
        decay = 1.0 if window else 2.0 ** (-age / (24 * model.parameters["half_life_days"]))
        delta = model.weights.get(touchpoint, UNKNOWN_WEIGHT) * decay
        good += delta * min((1 - beta) * (pos / MICRO) + beta * (pos2 / MICRO), cap)
        bad += delta * min((1 - beta) * (neg / MICRO) + beta * (neg2 / MICRO), cap)
        seen += delta * min(q / MICRO, cap)
    kappa, prior = model.parameters["kappa"], model.parameters["prior"]
    a, b = kappa * prior + good, kappa * (1 - prior) + model.parameters["lambda"] * bad
    return 100 / (1 + b / a), seen / (seen + kappa)
