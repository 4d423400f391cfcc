from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.outbound.crm.budget import Budget, Granted, Spent, Wait, ask

START = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


@given(
    calls=st.integers(2, 50),
    seconds=st.sampled_from([1.0, 2.0, 10.0, 300.0]),
    pauses=st.lists(st.floats(0, 5), min_size=1, max_size=150),
)
def test_no_window_however_it_lies_holds_more_than_the_burst(calls: int, seconds: float, pauses: list[float]) -> None:
    budget = Budget(calls, seconds, 1_000_000)
    level, at, now = 0.0, None, START
    made: list[datetime] = []

    for pause in pauses:
        now += timedelta(seconds=pause)
        said = ask(budget, Spent(level, at, len(made)), calls=1, now=now)
        if isinstance(said, Wait):
            now += timedelta(seconds=said.seconds + 0.001)
            said = ask(budget, Spent(level, at, len(made)), calls=1, now=now)
        assert isinstance(said, Granted), "whoever waited as long as was said may ask"
        level, at = said.burst_level, said.at
        made.append(now)

    for first in made:
        within = [one for one in made if first <= one < first + timedelta(seconds=seconds)]
        assert len(within) <= calls


def test_a_day_that_is_used_up_asks_to_wait_until_an_hour_of_it_is_over() -> None:
    said = ask(Budget(100, 10, 5), Spent(0, None, 5), calls=1, now=START)

    assert isinstance(said, Wait)
    assert said.seconds == 1800
    assert "5 calls a day" in said.because
