"""Learn weights from the earlier outcomes, and hold them against the later ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from services.commands.fitting.optimiser import Optimiser
from services.commands.fitting.split import Split, split, within
from services.commands.outcomes import Outcome
from services.core import scoring
from services.core.catalogue import Catalogue
from services.core.dimensions import Leaves
from services.core.forecasts import area
from services.core.learning import BetaForm, Fitted, Logistic, Prior, evidence_columns, prior_of
from services.core.lived import History, Lived, lived
from services.core.weighing import Calibration, stretch
from services.infra.catalogue.model_file import KNOTS_MAX

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

STRENGTHS: Final = (3000.0, 300.0, 30.0, 3.0, 0.3)
"""How strongly priors pull, the strongest first: against the first, thousands of outcomes hardly move a weight."""

WORTH: Final = 0.001
"""Of an AUC: a weaker pull must gain as much, or the priors stay nearer."""

GROUP_LEAST: Final = 50
"""Outcomes behind one step of the risk: of fewer a share is mostly chance."""

LIMITS: Final = ((None, 0.0), (0.0, None))
"""Of a coefficient of good evidence, and of bad, where good may only help and bad only harm."""

SIDES: Final = ("good", "bad")

TOLD_FROM: Final = 0.1
"""Of the greatest coefficient: smaller ones say next to nothing. How great they are is a matter of the priors' pull."""

LEAST: Final = 5e-4
"""A weight below it does nothing: it is written as none."""

Bounds = Sequence[tuple[float | None, float | None]]


class Form(Protocol):
    """What can be fitted, and then tells the log odds of bad outcomes."""

    @property
    def start(self) -> Floats: ...
    @property
    def bounds(self) -> Bounds: ...
    def log_odds(self, place: Floats) -> Floats: ...
    def __call__(self, place: Floats) -> tuple[float, Floats]: ...


class Told(NamedTuple):
    """Outcomes with what their customers had lived."""

    outcomes: Sequence[Outcome]
    history: History
    """Owners are the places of the outcomes."""

    @property
    def bad(self) -> Bools:
        """Which of them are bad."""
        return np.array([outcome.bad for outcome in self.outcomes], dtype=np.bool_)


class Numbers(NamedTuple):
    """What was learned, as a model's file says it."""

    weights: Mapping[str, float]
    scales: Mapping[str, float]
    """Those that are not one."""
    kappa: float


class Unbound(NamedTuple):
    """What a logistic curve makes of the same evidence, without the guarantees of a score."""

    free: Floats
    """The score that it gives each outcome, lower for worse."""
    limited: Floats
    """The same where good evidence may only help, and bad only harm."""
    against: Mapping[str, float]
    """The coefficients of the first that say the contrary, the greatest first."""


class Learned(NamedTuple):
    """What was found."""

    split: Split
    lived: Lived
    prior: Prior
    numbers: Numbers
    strength: float
    catalogue: Catalogue
    """The catalogue, weighed by what was found, with its calibration."""
    scores: Floats
    """By what was learned, of every outcome."""
    unbound: Unbound


def learn(told: Told, *, catalogue: Catalogue, optimiser: Optimiser) -> Learned:
    """Learn from the earlier outcomes alone; raises ConfigurationError when there are too few of a kind."""
    parts = split(told.outcomes)
    whole = lived(told.history, catalogue=catalogue)
    felt = whole.chosen(whole.pos + whole.neg > 0)
    first = within(told.outcomes, parts.earlier)
    prior = prior_of(catalogue, felt.of(parts.earlier))

    def form(chosen: Bools, strength: float) -> BetaForm:
        return BetaForm(felt.of(chosen), told.bad[chosen], prior, strength=strength)

    strength, place = _tuned(form, first=first, earlier=parts.earlier, bad=told.bad, optimiser=optimiser)
    fitted = form(parts.earlier, strength).fitted(place)
    numbers = _numbers(prior, fitted)
    weighed = _weighed(catalogue, numbers)
    scores = scores_of(told.history, weighed)
    calibration = _calibrated(scores[parts.earlier], told.bad[parts.earlier], optimiser)
    return Learned(
        split=parts,
        lived=whole,
        prior=prior,
        numbers=numbers,
        strength=strength,
        catalogue=replace(weighed, calibration=calibration),
        scores=scores,
        unbound=_unbound(felt, told, parts.earlier, first, catalogue, optimiser),
    )


def scores_of(history: History, catalogue: Catalogue) -> Floats:
    """Read every owner's score at its hour."""
    leaves = Leaves.of(catalogue, history.leaves)
    leaves.learn(enumerate(sorted(history.facts.leaves(catalogue) - {*history.leaves}), start=len(leaves)))
    [reading] = scoring.read_each(
        history.tallies,
        facts=history.facts,
        leaves=leaves,
        at_hours=history.at_hours,
        parameters=catalogue.parameters,
        windows_h=[None],
    )
    return reading.score


def _tuned(
    form: Callable[[Bools, float], Form], *, first: Bools, earlier: Bools, bad: Bools, optimiser: Optimiser
) -> tuple[float, Floats]:
    """Choose how strongly to pull by the latest of the earlier outcomes, then learn from all of these."""
    last = earlier & ~first
    best, best_area = STRENGTHS[0], 0.0
    place: Floats | None = None
    # Where one of the two has outcomes of one kind alone, nothing can be tried: the priors stay nearest.
    for strength in STRENGTHS if _both(bad[first]) and _both(bad[last]) else ():
        trial = form(first, strength)
        place = optimiser.least(trial, trial.start if place is None else place, bounds=trial.bounds)
        foreseen = area(-form(last, strength).log_odds(place), bad[last]).value
        if foreseen >= best_area + WORTH:
            best, best_area = strength, foreseen
    final = form(earlier, best)
    return best, optimiser.least(final, final.start, bounds=final.bounds)


def _both(bad: Bools) -> bool:
    return bool(bad.any() and not bad.all())


def _numbers(prior: Prior, fitted: Fitted) -> Numbers:
    """Take what was learned, with as many digits as a model's file has."""
    columns = zip(
        prior.names, fitted.weights.tolist(), fitted.scales.tolist(), prior.learned, prior.scaled, strict=True
    )
    weights: dict[str, float] = {}
    scales: dict[str, float] = {}
    for name, weight, scale, learned, scaled in columns:
        if learned:
            weights[name] = rounded(weight)
        if scaled and rounded(scale) != 1:
            scales[name] = rounded(scale)
    return Numbers(weights, scales, rounded(fitted.kappa))


def _weighed(catalogue: Catalogue, numbers: Numbers) -> Catalogue:
    """Let the catalogue weigh by what was learned, as the model's file will."""
    entries = {
        name: replace(entry, weight=numbers.weights.get(name, entry.weight))
        for name, entry in catalogue.entries.items()
    }
    return replace(
        catalogue,
        entries=MappingProxyType(entries),
        parameters=replace(catalogue.parameters, kappa=numbers.kappa),
        stretches={name: stretch(scale, entries[name].valence) for name, scale in numbers.scales.items()},
    )


def rounded(number: float) -> float:
    """Keep four digits, and nothing that is next to nothing."""
    return float(f"{number:.4g}") if number >= LEAST else 0.0


def _calibrated(scores: Floats, bad: Bools, optimiser: Optimiser) -> Calibration:
    """Tell the risk at each score: shares of neighbours, brought into an order in which it never rises."""
    order = np.argsort(scores, kind="stable")
    scores, came = scores[order], bad[order].astype(np.float64)
    edges = _steps(scores, least=max(GROUP_LEAST, len(scores) // KNOTS_MAX))
    counts = np.diff(edges).astype(np.float64)
    shares = np.add.reduceat(came, edges[:-1]) / counts
    middles = np.round(np.add.reduceat(scores, edges[:-1]) / counts, 4)
    risks = np.round(optimiser.never_rising(shares, counts), 4)
    steps = np.append(True, np.diff(middles) > 0)
    return Calibration(tuple(middles[steps].tolist()), tuple(np.minimum.accumulate(risks)[steps].tolist()))


def _steps(scores: Floats, *, least: int) -> list[int]:
    """Part rising scores into steps of at least so many, equal ones in one; give where each begins, and the end."""
    edges = [0]
    for end in (np.flatnonzero(np.diff(scores) > 0) + 1).tolist():
        if end - edges[-1] >= least:
            edges.append(end)
    if len(scores) - edges[-1] < least:
        edges = edges[: max(1, len(edges) - 1)]
    return [*edges, len(scores)]


def _unbound(
    felt: Lived, told: Told, earlier: Bools, first: Bools, catalogue: Catalogue, optimiser: Optimiser
) -> Unbound:
    """Fit logistic curves on the same evidence: one without any bound, and one where good only helps and bad only harms."""
    sides = evidence_columns(felt, catalogue.parameters)
    names = [f"{word} {name}" for word in SIDES for name in felt.names]
    columns, signs = np.concatenate(sides, axis=1), np.repeat([0, 1], len(felt.names))
    spread = columns[earlier].std(axis=0)
    used = np.flatnonzero(spread > 0)
    columns = (columns[:, used] - columns[earlier][:, used].mean(axis=0)) / spread[used]
    scores, found = [], []
    for bounds in ([(None, None)] * len(used), [LIMITS[sign] for sign in signs[used]]):

        def form(chosen: Bools, strength: float, bounds: Bounds = bounds) -> Logistic:
            return Logistic(columns[chosen], told.bad[chosen], bounds=bounds, strength=strength)

        _, place = _tuned(form, first=first, earlier=earlier, bad=told.bad, optimiser=optimiser)
        scores.append(-form(np.ones_like(earlier), STRENGTHS[0]).log_odds(place))
        found.append(place)
    coefficients = found[0][:-1]
    least = TOLD_FROM * float(np.abs(coefficients).max(initial=0.0))
    against = {
        names[number]: coefficient
        for number, coefficient in zip(used.tolist(), coefficients.tolist(), strict=True)
        if abs(coefficient) >= least and (coefficient > 0) == (signs[number] == 0)
    }
    return Unbound(scores[0], scores[1], dict(sorted(against.items(), key=lambda item: -abs(item[1]))))
