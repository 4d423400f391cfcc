"""The short way to a valence and the long one lead to the same place."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from services.core.catalogue import Arguments, Catalogue, Entry, Impression, Parameters
from services.core.valence import Const, NoValence, Scale, Valence

MICRO = 1_000_000


class Saying(NamedTuple):
    touchpoint: str
    rating: float | None = None
    valence: float | None = None
    stake: float | None = None


def entry(name: str, valence: Valence) -> Entry:
    return Entry(
        name=name,
        channel="any",
        stage="use",
        category="staff",
        control="owned",
        driver="speed",
        weight=1,
        valence=valence,
    )


VALENCES: dict[str, Valence] = {"a.good": Const(0.4), "a.rated": Scale("csat5"), "a.silent": NoValence()}
CATALOGUE = Catalogue({name: entry(name, valence) for name, valence in VALENCES.items()}, Parameters())


def test_an_event_that_says_nothing_else_feels_as_its_touchpoint_always_does() -> None:
    constant = CATALOGUE.constant(Saying("a.good"), may_be_unscored=False)

    judged = CATALOGUE.impression("a.good", Arguments(occurred_at_us=0, properties={}))
    assert constant == 400_000
    assert judged == Impression(v=constant, q=MICRO, overridden=False)


@pytest.mark.parametrize(
    "saying",
    [
        Saying("a.good", rating=9),
        Saying("a.good", valence=-1),
        Saying("a.good", stake=3),
        Saying("a.rated"),
        Saying("a.silent"),
        Saying("a.unheard_of"),
    ],
    ids=str,
)
def test_whatever_could_change_it_or_be_wrong_is_judged(saying: Saying) -> None:
    assert CATALOGUE.constant(saying, may_be_unscored=False) is None


def test_what_speaks_of_a_machine_is_judged() -> None:
    assert CATALOGUE.constant(Saying("a.good"), may_be_unscored=True) is None
