"""What the later outcomes say of a learned model: how well it foretells them, beside simple guesses and a free fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.commands.fitting.fit import Learned, Told, scores_of
from services.core.catalogue import Catalogue
from services.core.forecasts import Area, Interval, Trueness, area, interval, trueness
from services.core.lived import guesses

Floats = NDArray[np.float64]

NEAR: Final = 0.01
"""Of an AUC: so close to a free fit, the form of the score costs nothing."""

AGAINST_SHOWN_MAX: Final = 5
"""The reader looks into each of them."""

TRUE: Final = 0.02
"""Probabilities that lie farther off than this are not to be counted on."""


class Judged(NamedTuple):
    """All figures, each of the later outcomes alone."""

    learned: Interval
    catalogue: Interval
    logistic: Interval
    limited: Interval
    """The logistic curve where good evidence may only help."""
    guesses: Mapping[str, Interval | None]
    """None where nobody has what a guess goes by."""
    gained: Interval
    """What learning gained over the catalogue."""
    missed: Interval
    """What the free fit is ahead of the learned model."""
    held_back: Interval
    """What the free fit is ahead of itself where good evidence may only help."""
    trueness: Trueness
    risk: float
    """The mean of the probabilities that the model told."""
    share: float
    """Of the outcomes that were bad."""
    share_before: float
    """Of the earlier outcomes that were bad."""


def judge(told: Told, learned: Learned, *, catalogue: Catalogue) -> Judged:
    """Hold what was learned against the later outcomes, beside the catalogue that it was learned from."""
    later = learned.split.later
    bad = told.bad[later]
    customers = np.unique([outcome.identity for outcome in told.outcomes], return_inverse=True)[1][later]
    scores = {
        "learned": learned.scores[later],
        "catalogue": scores_of(told.history.of(later), catalogue),
        "logistic": learned.unbound.free[later],
        "limited": learned.unbound.limited[later],
    }
    found = {name: area(of, bad) for name, of in scores.items()}
    risks = _risks(learned.catalogue, scores["learned"])
    return Judged(
        **{name: _between(one, customers) for name, one in found.items()},
        guesses=_guesses(learned, catalogue, told.bad, customers),
        gained=_apart(found["learned"], found["catalogue"], customers),
        missed=_apart(found["logistic"], found["learned"], customers),
        held_back=_apart(found["logistic"], found["limited"], customers),
        trueness=trueness(risks, bad),
        risk=float(risks.mean()),
        share=float(bad.mean()),
        share_before=float(told.bad[learned.split.earlier].mean()),
    )


def _risks(model: Catalogue, scores: Floats) -> Floats:
    calibration = model.calibration
    if calibration is None:
        raise ValueError("a learned model has a calibration")
    return np.array([calibration.at(score) for score in scores.tolist()])


def _between(one: Area, customers: NDArray[np.int64]) -> Interval:
    value, low, high = interval(one.value, one.sway, customers)
    return Interval(value, max(low, 0.0), min(high, 1.0))


def _apart(one: Area, other: Area, customers: NDArray[np.int64]) -> Interval:
    return interval(one.value - other.value, one.sway - other.sway, customers)


def _guesses(
    learned: Learned, catalogue: Catalogue, bad: NDArray[np.bool_], customers: NDArray[np.int64]
) -> dict[str, Interval | None]:
    later = learned.split.later
    found: dict[str, Interval | None] = {}
    for name, guess in guesses(learned.lived.of(later), catalogue).items():
        of = area(guess.scores, bad[later])
        found[name] = _between(of, customers) if guess.known else None
    return found


def findings(judged: Judged, against: Mapping[str, float]) -> Sequence[str]:
    """Say what the figures mean, what fell short not least."""
    return [_against_catalogue(judged), *_against_guesses(judged), *_against_free(judged, against), *_truth(judged)]


def _against_catalogue(judged: Judged) -> str:
    gained = judged.gained
    span = f"{gained.value:+.3f}, {gained.low:+.3f} to {gained.high:+.3f}"
    if gained.low > 0:
        return f"Better than the catalogue ({span})."
    if gained.high < 0:
        return f"Worse than the catalogue ({span}): do not use this model."
    return f"No better than the catalogue as far as these outcomes can tell ({span}): there is nothing to gain yet."


def _against_guesses(judged: Judged) -> list[str]:
    better = [
        f"{name} ({one.value:.3f})"
        for name, one in judged.guesses.items()
        if one is not None and one.value > judged.learned.value
    ]
    lines = [f"Not better than {', '.join(better)}."] if better else []
    if judged.learned.low <= 1 / 2:
        lines.append(
            "It cannot be told from chance: what happened to these customers does not foretell these outcomes."
        )
    return lines


def _against_free(judged: Judged, against: Mapping[str, float]) -> list[str]:
    missed = judged.missed
    span = f"{missed.value:+.3f}, {missed.low:+.3f} to {missed.high:+.3f}"
    if missed.value <= NEAR:
        return [
            f"The form of the score costs nothing: a free logistic fit of the same evidence is not .01 ahead ({span})."
        ]
    reasons = ["of so few outcomes it may be chance"] if missed.low <= 0 else []
    held = max(judged.held_back.value, 0.0) if against else 0.0
    if held > 0:
        named = [f"{name} ({'more' if of > 0 else 'less'} risk)" for name, of in against.items()][:AGAINST_SHOWN_MAX]
        reasons.append(f"{held:.3f} of it by letting good harm or bad help, which no score may: {', '.join(named)}")
    if missed.value - held > 0:
        rest = f"{missed.value - held:.3f}"
        reasons.append(f"{rest} of it by weighing each side of a touchpoint, and what is not declared, as it likes")
    return _because(f"A free logistic fit of the same evidence is ahead ({span})", reasons)


def _because(finding: str, reasons: Sequence[str]) -> list[str]:
    return [f"{finding}:", *(f"  - {reason}" for reason in reasons)]


def _truth(judged: Judged) -> list[str]:
    error, chance = judged.trueness
    line = f"Calibration error {100 * error:.1f} % ({100 * chance:.1f} % would be there by chance alone)"
    if error <= TRUE:
        return [f"{line}: p_bad can be taken at its word."]
    reasons = []
    if abs(judged.risk - judged.share) > TRUE / 2:
        reasons.append(
            f"{100 * judged.risk:.1f} % were told to be bad and {100 * judged.share:.1f} % were, after "
            f"{100 * judged.share_before:.1f} % of the earlier ones: learn again when there are more recent outcomes"
        )
    if chance > error / 2:
        reasons.append("the later outcomes are too few to tell so small an error from chance")
    return _because(
        f"{line}, above 2 %", reasons or ["what a score means for the outcome changed between the two times"]
    )
