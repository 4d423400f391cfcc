"""How an event feels: the golden curves, and what is refused, missing or clamped."""

from __future__ import annotations

import math

import pytest

from services.core.catalogue import Arguments, Catalogue, Entry, Impression, Parameters
from services.core.valence import (
    Conditional,
    Const,
    Late,
    NoValence,
    Per,
    Refusal,
    Resolved,
    Scale,
    ScalePoints,
    Sentiment,
    Valence,
    Wait,
)

MICRO = 1_000_000
SEARCH = Conditional(otherwise=0.05, property="results", equals=0, then=-0.4)
RESOLVED = Resolved(Wait(86_400, 259_200), 0.3)
OCCURRED_AT_US = 1_795_000_000_000_000
"""2026-11-18T11:06:40Z."""


def judge(
    valence: Valence,
    *,
    rating: float | None = None,
    scale: str | ScalePoints | None = None,
    own: float | None = None,
    stake: float | None = None,
    unscored: bool = False,
    **properties: object,
) -> Impression | Refusal:
    entry = Entry(
        name="a.b",
        channel="any",
        stage="use",
        category="staff",
        control="owned",
        driver="speed",
        weight=1,
        valence=valence,
    )
    arguments = Arguments(
        occurred_at_us=OCCURRED_AT_US,
        rating_scale=scale,
        rating_value=rating,
        valence=own,
        stake=stake,
        unscored=unscored,
        properties=properties,
    )
    return Catalogue({"a.b": entry}, Parameters()).impression("a.b", arguments)


@pytest.mark.parametrize(
    ("valence", "arguments", "v"),
    [
        pytest.param(Const(-0.5), {}, -0.5, id="const"),
        pytest.param(Scale("stars5"), {"rating": 4}, 0.5, id="the catalogue's scale"),
        pytest.param(Scale("stars5"), {"rating": 4, "scale": "nps"}, -0.533333, id="the event's nps wins"),
        pytest.param(Scale("nps"), {"rating": 4, "scale": "csat5"}, 0.5, id="the event's csat wins over nps"),
        pytest.param(Scale("stars5"), {"rating": 75, "scale": (0.0, 50.0, 100.0)}, 0.5, id="the event's own points"),
        pytest.param(Wait(20, 120), {"wait_seconds": 60}, 0.116056, id="wait"),
        pytest.param(RESOLVED, {"wait_seconds": 3600}, 0.6, id="resolved at once"),
        pytest.param(RESOLVED, {"wait_seconds": 259_200}, 0.3, id="resolved in adequate time"),
        pytest.param(Resolved(Wait(1, 2), 0.9), {"wait_seconds": 0}, 1, id="a bonus stops at 1"),
        pytest.param(Late("promised_at"), {"hours_late": 24}, -0.393469, id="hours late"),
        pytest.param(Late("promised_at"), {"promised_at": "2026-11-16T23:06:40+12:00"}, -0.632121, id="promised"),
        pytest.param(Late("promised_at"), {"promised_at": "2026-11-20t11:06:40.000z"}, 0.189636, id="early"),
        pytest.param(Late("promised_at"), {"promised_at": "2026-11-20 11:06:40Z"}, 0.189636, id="blank for T"),
        pytest.param(Late("promised_at"), {"promised_at": "2026-11-18T10:06:60Z"}, -0.020504, id="leap second"),
        pytest.param(Late("ship_by"), {"ship_by": "2026-11-18T11:06:40Z"}, 0, id="on the dot"),
        pytest.param(
            Late("ship_by"), {"ship_by": "2020-01-01T00:00:00Z", "hours_late": 0}, 0, id="hours late say it better"
        ),
        pytest.param(Per("minutes", -1 / 240, -1), {"minutes": 60}, -0.25, id="per minute"),
        pytest.param(Per("hops", -0.3, -1), {"hops": 9}, -1, id="down to a floor"),
        pytest.param(Sentiment(), {"sentiment": 0.4}, 0.4, id="sentiment"),
        pytest.param(Sentiment(), {"sentiment": -7}, -1, id="clamped below"),
        pytest.param(Sentiment(), {"sentiment": 7}, 1, id="clamped above"),
        pytest.param(SEARCH, {"results": 0}, -0.4, id="nothing found"),
        pytest.param(SEARCH, {"results": 12}, 0.05, id="something found"),
        pytest.param(SEARCH, {}, 0.05, id="who knows what was found"),
    ],
)
def test_an_event_feels_as_the_catalogue_says(valence: Valence, arguments: dict[str, object], v: float) -> None:
    judged = judge(valence, **arguments)  # type: ignore[arg-type]  # rows of a table

    assert isinstance(judged, Impression)
    assert judged.v / MICRO == pytest.approx(v, abs=1e-6)
    assert judged.q == MICRO


@pytest.mark.parametrize(
    "valence",
    [
        Scale("stars5"),
        Wait(1, 2),
        RESOLVED,
        Late("promised_at"),
        Late(None),
        Per("minutes", -0.1, -1),
        Sentiment(),
        NoValence(),
    ],
    ids=str,
)
def test_a_missing_argument_keeps_the_event_without_a_stake(valence: Valence) -> None:
    assert judge(valence, own=0.7, stake=2, promised=1) == Impression(v=0, q=0, overridden=True)
    assert judge(valence, minutes=None, wait_seconds=None, sentiment=None) == Impression(v=0, q=0, overridden=False)


@pytest.mark.parametrize(
    ("valence", "arguments", "field"),
    [
        pytest.param(Scale("stars5"), {"rating": 6}, "rating.value", id="above its scale"),
        pytest.param(Scale("stars5"), {"rating": 0.99}, "rating.value", id="below its scale"),
        pytest.param(Scale("nps"), {"rating": 11}, "rating.value", id="nps of 11"),
        pytest.param(Scale("nps"), {"rating": -1}, "rating.value", id="nps of -1"),
        pytest.param(Scale("nps"), {"rating": math.nan}, "rating.value", id="not a number"),
        pytest.param(Scale("stars5"), {"rating": 4, "scale": "stars10"}, "rating.scale", id="unknown scale"),
        pytest.param(Scale("stars5"), {"rating": 4, "scale": (5.0, 3.0, 1.0)}, "rating.scale", id="upside down"),
        pytest.param(Scale("stars5"), {"rating": 4, "scale": (1.0, 1.0, 5.0)}, "rating.scale", id="no lower half"),
        pytest.param(Scale("stars5"), {"rating": 4, "scale": (1.0, 3.0, math.inf)}, "rating.scale", id="endless"),
        pytest.param(Const(0.1), {"rating": 6, "scale": "stars5"}, "rating.value", id="even where it is not read"),
        pytest.param(Wait(20, 120), {"wait_seconds": -1}, "properties.wait_seconds", id="negative wait"),
        pytest.param(Wait(20, 120), {"wait_seconds": "60"}, "properties.wait_seconds", id="text"),
        pytest.param(Wait(20, 120), {"wait_seconds": True}, "properties.wait_seconds", id="true"),
        pytest.param(RESOLVED, {"wait_seconds": math.inf}, "properties.wait_seconds", id="infinite"),
        pytest.param(Per("minutes", -0.1, -1), {"minutes": -5}, "properties.minutes", id="negative minutes"),
        pytest.param(Per("minutes", -0.1, -1), {"minutes": 10**400}, "properties.minutes", id="past all floats"),
        pytest.param(SEARCH, {"results": -1}, "properties.results", id="negative results"),
        pytest.param(SEARCH, {"results": []}, "properties.results", id="a list of results"),
        pytest.param(Late("ship_by"), {"hours_late": math.nan}, "properties.hours_late", id="late by NaN"),
        pytest.param(Late("ship_by"), {"ship_by": "tomorrow"}, "properties.ship_by", id="no time"),
        pytest.param(Late("ship_by"), {"ship_by": 1795000000}, "properties.ship_by", id="a number for a time"),
        pytest.param(Sentiment(), {"sentiment": "good"}, "properties.sentiment", id="sentiment in words"),
        pytest.param(Sentiment(), {"sentiment": 1, "confidence": -0.1}, "properties.confidence", id="negative trust"),
        pytest.param(Sentiment(), {"sentiment": 1, "confidence": 80}, "properties.confidence", id="trust in percent"),
        pytest.param(Sentiment(), {"confidence": "high"}, "properties.confidence", id="trust in words"),
        pytest.param(Const(0.1), {"stake": 2.01}, "stake", id="too much at stake"),
        pytest.param(Const(0.1), {"stake": -0.01}, "stake", id="less than nothing at stake"),
        pytest.param(Const(0.1), {"stake": math.nan}, "stake", id="a stake that is no number"),
        pytest.param(Const(0.1), {"own": math.inf}, "valence", id="an endless valence"),
        pytest.param(NoValence(), {"stake": 3}, "stake", id="even where nothing is scored"),
        pytest.param(Const(0.1), {"machine_made": "true"}, "properties.machine_made", id="a machine in words"),
        pytest.param(Const(0.1), {"machine_made": 1}, "properties.machine_made", id="a machine in numbers"),
    ],
)
def test_a_wrong_argument_refuses_the_event_and_names_the_field(
    valence: Valence, arguments: dict[str, object], field: str
) -> None:
    judged = judge(valence, **arguments)  # type: ignore[arg-type]  # rows of a table

    assert isinstance(judged, Refusal)
    assert judged.field == field
    assert judged.reason


def test_what_has_a_class_is_felt_by_nobody() -> None:
    assert judge(Const(0.1), stake=2, unscored=True) == Impression(v=100_000, q=0, overridden=False)
    assert judge(Const(0.1), stake=3, unscored=True) == Refusal("stake", "must be between 0 and 2")


@pytest.mark.parametrize(("machine_made", "q"), [(True, 0), (False, MICRO), (None, MICRO)])
def test_a_machine_has_nothing_at_stake(machine_made: object, q: int) -> None:
    assert judge(Const(0.1), machine_made=machine_made) == Impression(v=100_000, q=q, overridden=False)


def test_confidence_scales_the_stake() -> None:
    judged = judge(Sentiment(), stake=2, sentiment=-0.5, confidence=0.3)

    assert judged == Impression(v=-500_000, q=600_000, overridden=False)


@pytest.mark.parametrize(
    ("stake", "q"), [(None, MICRO), (0, 0), (0.5e-6, 0), (1.5e-6, 2), (2.5e-6, 2), (0.1234567, 123_457), (2, 2 * MICRO)]
)
def test_stakes_round_half_to_even_millionths(stake: float | None, q: int) -> None:
    judged = judge(Const(0.1), stake=stake)

    assert isinstance(judged, Impression)
    assert judged.q == q


@pytest.mark.parametrize(("v", "micro"), [(0.5e-6, 0), (-1.5e-6, -2), (2.5e-6, 2), (-3, -MICRO), (1 / 3, 333_333)])
def test_valences_round_half_to_even_millionths(v: float, micro: int) -> None:
    judged = judge(Const(v))

    assert isinstance(judged, Impression)
    assert judged.v == micro
