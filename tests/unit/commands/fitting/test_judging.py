"""What figures are said to mean: whatever falls short is told with at least one reason."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.commands.fitting.judging import Judged, findings
from services.core.forecasts import Interval, Trueness

SHARES = st.floats(0.01, 0.99)
AREAS = st.builds(
    lambda value, half: Interval(value, value - half, value + half), st.floats(0.3, 0.95), st.floats(0.001, 0.2)
)
GAPS = st.builds(
    lambda value, half: Interval(value, value - half, value + half), st.floats(-0.2, 0.2), st.floats(0.001, 0.2)
)
JUDGED = st.builds(
    Judged,
    learned=AREAS,
    catalogue=AREAS,
    logistic=AREAS,
    limited=AREAS,
    guesses=st.fixed_dictionaries({"last survey": st.none() | AREAS, "plain mean": AREAS}),
    gained=GAPS,
    missed=GAPS,
    held_back=GAPS,
    trueness=st.builds(Trueness, error=st.floats(0, 0.5), by_chance=st.floats(0, 0.1)),
    risk=SHARES,
    share=SHARES,
    share_before=SHARES,
)
AGAINST = st.dictionaries(st.sampled_from(["good order.completed", "bad case.opened"]), st.floats(-2, 2))


@given(JUDGED, AGAINST)
def test_whatever_falls_short_has_a_reason(judged: Judged, against: Mapping[str, float]) -> None:
    lines = findings(judged, against)

    for place, line in enumerate(lines):
        if line.endswith(":"):
            assert lines[place + 1].startswith("  - ")
    assert (judged.missed.value > 0.01) == any("is ahead" in line for line in lines)
    assert (judged.trueness.error > 0.02) == any("above 2 %" in line for line in lines)


@pytest.mark.parametrize(
    ("gained", "says"),
    [
        (Interval(0.05, 0.01, 0.09), "Better than the catalogue (+0.050, +0.010 to +0.090)."),
        (Interval(0.05, -0.01, 0.11), "No better than the catalogue as far as these outcomes can tell"),
        (Interval(-0.05, -0.09, -0.01), "Worse than the catalogue (-0.050, -0.090 to -0.010): do not use this model."),
    ],
)
def test_a_gain_is_one_only_when_chance_cannot_have_made_it(gained: Interval, says: str) -> None:
    area, gap = Interval(0.7, 0.6, 0.8), Interval(0.0, -0.1, 0.1)
    judged = Judged(
        learned=area,
        catalogue=area,
        logistic=area,
        limited=area,
        guesses={"plain mean": Interval(0.72, 0.6, 0.8)},
        gained=gained,
        missed=gap,
        held_back=gap,
        trueness=Trueness(0.01, 0.01),
        risk=0.3,
        share=0.3,
        share_before=0.3,
    )

    lines = findings(judged, {})

    assert lines[0].startswith(says)
    assert "Not better than plain mean (0.720)." in lines
    assert lines[-1].endswith("p_bad can be taken at its word.")
