"""What a person, and what a program, is told of a learned model."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from services.commands.fitting.fit import Learned, Told
from services.commands.fitting.judging import Judged
from services.core.catalogue import Catalogue
from services.core.instants import write_instant

NOBODY: Final = "nobody has any"

WORDS: Final[Mapping[str, str]] = {
    "learned": "learned",
    "catalogue": "the catalogue",
    "logistic": "a free logistic fit",
}


def show(learned: Learned, judged: Judged, told: Told, catalogue: Catalogue) -> None:
    """Print what was learned and how well it foretells."""
    bad, earlier, later = told.bad, learned.split.earlier, learned.split.later
    sys.stdout.write(
        f"learned from {earlier.sum()} outcomes before {write_instant(learned.split.cut)}, {bad[earlier].sum()} of them bad; "
        f"held against {later.sum()} from then on, {bad[later].sum()} of them bad\n"
    )
    console = Console(highlight=False, markup=False)
    console.print(_foretold(judged))
    console.print(_weights(learned, catalogue))
    for line in _untaught(learned):
        sys.stdout.write(f"{line}\n")


def _foretold(judged: Judged) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("foretells the later outcomes", "AUC", "between (95 %)"):
        table.add_column(heading, justify="left" if heading.startswith("f") else "right")
    named = {word: getattr(judged, key) for key, word in WORDS.items()}
    for name, one in {**named, **judged.guesses}.items():
        table.add_row(
            name, *((NOBODY, "") if one is None else (f"{one.value:.3f}", f"{one.low:.3f} and {one.high:.3f}"))
        )
    return table


def _weights(learned: Learned, catalogue: Catalogue) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("touchpoint", "catalogue", "learned", "valence", "met"):
        table.add_column(heading, justify="left" if heading == "touchpoint" else "right", overflow="fold")
    met = dict(zip(learned.lived.names, _events(learned), strict=True))
    for name, weight in sorted(learned.numbers.weights.items(), key=lambda item: -item[1]):
        scale = learned.numbers.scales.get(name)
        own = f"{catalogue.entry(name).weight:g}"
        table.add_row(name, own, f"{weight:g}", "" if scale is None else f"× {scale:g}", str(met[name]))
    kappa = catalogue.parameters.kappa
    table.add_row("(κ, the weight of the prior)", f"{kappa:g}", f"{learned.numbers.kappa:g}", "", "")
    return table


def _events(learned: Learned) -> list[int]:
    lived = learned.lived
    counts: list[int] = np.bincount(lived.touchpoint, weights=lived.n, minlength=len(lived.names)).astype(int).tolist()
    return counts


def _untaught(learned: Learned) -> Iterator[str]:
    """Say what was met and taught nothing, and what would let it."""
    lived, declared = learned.lived, learned.catalogue.entries
    met = [lived.names[number] for number in np.unique(lived.touchpoint).tolist()]
    felt = {lived.names[number] for number in np.unique(lived.touchpoint[lived.pos + lived.neg > 0]).tolist()}
    for name in met:
        if name in felt and name not in declared:
            yield f"{name} keeps the weight of what is not declared; a line in TACTUS_CATALOGUE lets it be learned"
    neutral = [name for name in met if name in declared and name not in felt]
    if neutral:
        yield f"{', '.join(neutral)}: felt neutral, so that no weight can be learned; the catalogue says how things feel"


def figures_of(learned: Learned, judged: Judged, told: Told, *, version: str) -> Mapping[str, object]:
    """All figures, for programs."""
    bad = told.bad
    return {
        "version": version,
        "cut": write_instant(learned.split.cut),
        "earlier": {"outcomes": int(learned.split.earlier.sum()), "bad": int(bad[learned.split.earlier].sum())},
        "later": {"outcomes": int(learned.split.later.sum()), "bad": int(bad[learned.split.later].sum())},
        "strength_of_priors": learned.strength,
        "kappa": learned.numbers.kappa,
        "weights": dict(learned.numbers.weights),
        "valence_scales": dict(learned.numbers.scales),
        "auc": {
            name: None if one is None else one._asdict()
            for name, one in {**{key: getattr(judged, key) for key in (*WORDS, "limited")}, **judged.guesses}.items()
        },
        "gained": judged.gained._asdict(),
        "behind_logistic": judged.missed._asdict(),
        "against": dict(learned.unbound.against),
        "calibration": {**judged.trueness._asdict(), "told": judged.risk, "came": judged.share},
    }
