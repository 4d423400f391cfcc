"""The numbers that any correct implementation gives, to a millionth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest

from services.core.catalogue import Arguments, Catalogue, Entry, Impression, Parameters
from services.core.dimensions import Leaves
from services.core.facts import NO_FACTS
from services.core.scoring import Reading, read, receipt
from services.core.tallies import Tallies, fold, merge
from services.core.valence import Const, Late, Scale, Valence, Wait

NOW = 500_000
DAY = 24 * 60
HOUR = 60
TOLERANCE = 1e-6
DEFAULTS = Parameters()


class Happened(NamedTuple):
    """One event: what kind of touchpoint, how heavy, how many minutes before now."""

    touchpoint: str
    valence: Valence
    weight: float = 1.0
    minutes_ago: int = 0
    stake: float | None = None
    rating: float | None = None
    hours_late: float | None = None
    wait_seconds: float | None = None


def told(v: float, *, weight: float = 1.0, minutes_ago: int = 0, stake: float | None = None) -> Happened:
    return Happened("told", Const(v), weight, minutes_ago, stake)


ORDER = (
    Happened("checkout", Const(0.4), 1.0, 9 * DAY),
    Happened("delivered", Late("promised_at"), 2.0, 2 * DAY, hours_late=60),
    Happened("call", Wait(20, 120), 1.0, DAY, wait_seconds=420),
    Happened("resolved", Const(0.6), 1.5, DAY - HOUR),
    Happened("csat", Scale("csat5"), 2.0, 0, rating=4),
)


@dataclass(frozen=True)
class Story:
    """Events, scored through the catalogue as the services score them."""

    events: tuple[Happened, ...]
    parameters: Parameters = DEFAULTS

    @property
    def catalogue(self) -> Catalogue:
        entries = {
            f"{event.touchpoint}.{event.weight}.{event.valence}": Entry(
                name=event.touchpoint,
                channel="any",
                stage="use",
                category="product",
                control="owned",
                driver="quality",
                weight=event.weight,
                valence=event.valence,
            )
            for event in self.events
        }
        return Catalogue(entries, self.parameters)

    def leaf_names(self) -> list[tuple[str, str, str]]:
        return [(name, "any", "") for name in self.catalogue.entries]

    def tallies(self) -> Tallies:
        impressions = [self.impression(event) for event in self.events]
        names = list(self.catalogue.entries)
        leaf = [names.index(f"{e.touchpoint}.{e.weight}.{e.valence}") for e in self.events]
        hour = [(NOW * HOUR - event.minutes_ago) // HOUR for event in self.events]
        return fold(
            owner=np.zeros(len(leaf), dtype=np.int64),
            leaf=np.array(leaf, dtype=np.int64),
            hour=np.array(hour, dtype=np.int64),
            v=np.array([i.v for i in impressions], dtype=np.int64),
            q=np.array([i.q for i in impressions], dtype=np.int64),
        )

    def impression(self, event: Happened) -> Impression:
        properties = {"hours_late": event.hours_late, "wait_seconds": event.wait_seconds}
        judged = self.catalogue.impression(
            f"{event.touchpoint}.{event.weight}.{event.valence}",
            Arguments(
                occurred_at_us=(NOW * HOUR - event.minutes_ago) * 60_000_000,
                rating_value=event.rating,
                stake=event.stake,
                properties=properties,
            ),
        )
        assert isinstance(judged, Impression)
        return judged

    def read(self, window_h: int | None = None) -> Reading[float]:
        return self.read_tallies(self.tallies(), window_h)

    def read_tallies(self, tallies: Tallies, window_h: int | None = None) -> Reading[float]:
        (reading,) = read(
            tallies,
            facts=NO_FACTS,
            owners=1,
            leaves=Leaves.of(self.catalogue, self.leaf_names()),
            at_hour=NOW,
            parameters=self.parameters,
            windows_h=[window_h],
        )
        return Reading(*(float(column[0]) for column in reading))


TEN_GOOD_DAYS = tuple(told(0.5, minutes_ago=i * DAY) for i in range(10))
TEN_GOOD_DAYS_THEN_A_BAD_ONE = (*(told(0.5, minutes_ago=i * DAY) for i in range(1, 11)), told(-1, weight=3))
MANY_PAGES_AND_ONE_LOSS = (
    *(told(0.05, weight=0.05, minutes_ago=i) for i in range(200)),
    told(-1, weight=3, minutes_ago=DAY),
)
UP_THEN_DOWN = (told(1, minutes_ago=HOUR), told(-1))


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param((), (50, 0, 25), id="no events"),
        pytest.param((told(1, stake=0), told(-1, stake=0)), (50, 0, 25), id="only q = 0"),
        pytest.param((told(0),), (50, 0.25, 25), id="one v = 0 now"),
        pytest.param((told(1),), (62.5, 0.25, 21.650635), id="one +1 now"),
        pytest.param((told(-1),), (30, 0.25, 18.708287), id="one -1 now"),
        pytest.param((told(-1, stake=2),), (21.428571, 0.4, 14.507211), id="one -1 now, stake 2"),
        pytest.param((told(0.5),), (55.555556, 0.25, 23.756555), id="one +.5 now"),
        pytest.param(UP_THEN_DOWN, (41.657310, 0.399885, 18.634583), id="+1 at T-1h, -1 at T"),
        pytest.param(UP_THEN_DOWN[::-1], (41.657310, 0.399885, 18.634583), id="the same, the other way round"),
        pytest.param((told(-1, minutes_ago=30 * DAY),), (37.5, 0.142857, 21.650635), id="one -1 aged 30 d"),
        pytest.param((told(-1, minutes_ago=90 * DAY),), (46.153846, 0.04, 24.181700), id="one -1 aged 90 d"),
        pytest.param(TEN_GOOD_DAYS, (76.515297, 0.750672, 15.596552), id="ten +.5, one a day"),
        pytest.param(TEN_GOOD_DAYS_THEN_A_BAD_ONE, (39.072806, 0.797654, 13.373884), id="then -1, weight 3"),
        pytest.param(MANY_PAGES_AND_ONE_LOSS, (19.309230, 0.529819, 12.405059), id="200 page views and a loss"),
        pytest.param(ORDER, (37.210345, 0.704906, 15.640955), id="an order"),
    ],
)
def test_a_history_has_its_score(events: tuple[Happened, ...], expected: tuple[float, float, float]) -> None:
    reading = Story(events).read()

    assert reading == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize(
    ("times", "score", "confidence"),
    [
        (1, 43.478261, 0.166667),
        (2, 38.461538, 0.285714),
        (5, 28.571429, 0.285714),
        (6, 27.777778, 0.285714),
        (50, 27.777778, 0.285714),
    ],
)
def test_repeats_within_an_hour_saturate(times: int, score: float, confidence: float) -> None:
    reading = Story((told(-0.5, weight=0.6),) * times).read()

    assert reading[:2] == pytest.approx((score, confidence), abs=TOLERANCE)


def test_an_orders_points_say_what_moved_it() -> None:
    story = Story(ORDER)

    lines = receipt(
        story.tallies(),
        facts=NO_FACTS,
        leaves=Leaves.of(story.catalogue, story.leaf_names()),
        at_hour=NOW,
        parameters=story.parameters,
    )

    points = {ORDER[line.leaf].touchpoint: line.points for line in lines.leaves}
    expected = {
        "checkout": 1.329929,
        "delivered": -13.652573,
        "call": -8.970818,
        "resolved": 4.118089,
        "csat": 4.385718,
    }
    assert points == pytest.approx(expected, abs=TOLERANCE)
    assert sum(points.values()) == pytest.approx(-12.789655, abs=TOLERANCE)
    assert all(abs(before.points) >= abs(after.points) for before, after in pairwise(lines.leaves))
    assert [line.events for line in lines.leaves] == [1] * 5


@pytest.mark.parametrize(
    ("window_h", "score", "confidence"),
    [(24, 66.442953, 0.538462), (168, 35.002559, 0.684211), (720, 37.078895, 0.714286)],
)
def test_a_window_reads_its_hours_without_decay(window_h: int, score: float, confidence: float) -> None:
    reading = Story(ORDER).read(window_h)

    assert reading[:2] == pytest.approx((score, confidence), abs=TOLERANCE)


@pytest.mark.parametrize(
    ("parameters", "score"),
    [
        pytest.param(replace(DEFAULTS, lambda_=1.0), 48.089914, id="lambda 1"),
        pytest.param(replace(DEFAULTS, beta=0.0), 38.637527, id="beta 0"),
        pytest.param(replace(DEFAULTS, half_life_days=7.0), 37.995415, id="half-life 7 d"),
        pytest.param(replace(DEFAULTS, prior=0.7), 44.227494, id="prior .7"),
    ],
)
def test_each_parameter_moves_the_score(parameters: Parameters, score: float) -> None:
    reading = Story(ORDER, parameters).read()

    assert reading.score == pytest.approx(score, abs=TOLERANCE)


def test_two_identities_are_scored_apart_and_merged() -> None:
    whole = Story(ORDER)
    names = whole.leaf_names()

    def of(events: tuple[Happened, ...]) -> Tallies:
        part = Story(events)
        number = [names.index(name) for name in part.leaf_names()]
        tallies = part.tallies()
        rows = tallies.rows.copy()
        rows[:, 0] = np.array(number)[rows[:, 0]]
        return Tallies(tallies.owner, rows)

    first, rest = of(ORDER[:2]), of(ORDER[2:])

    assert whole.read_tallies(first).score == pytest.approx(31.056876, abs=TOLERANCE)
    assert whole.read_tallies(rest).score == pytest.approx(49.333175, abs=TOLERANCE)
    assert whole.read_tallies(merge([rest, first])) == whole.read()
