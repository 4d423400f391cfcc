"""What is heard of a place: how good it was to others, and how sure that is."""

from __future__ import annotations

import pytest

from services.core.census import NO_SUMS
from services.core.hearsay import Opinion, of_that_hour, opinion_of


def test_of_a_place_where_nobody_has_been_nothing_is_heard() -> None:
    assert opinion_of(NO_SUMS) is None


@pytest.mark.parametrize(
    ("customers", "score", "heard"),
    [
        (10, 50.0, Opinion(0.0, 0.5)),
        (10, 25.0, Opinion(-0.5, 0.5)),
        (90, 80.0, Opinion(0.6, 0.9)),
        (1, 30.0, Opinion(-0.4, 0.090909)),
    ],
)
def test_what_is_heard_is_the_mean_score_surer_the_more_people_have_been_there(
    customers: int, score: float, heard: Opinion
) -> None:
    sums = NO_SUMS._replace(customers=customers, scores=round(customers * score * 1_000_000))

    assert opinion_of(sums) == heard


def test_only_a_census_of_the_order_s_own_day_and_none_of_later_tells_of_that_hour() -> None:
    told = [hour for hour in range(80, 150) if of_that_hour(census_hour=100, ordered_hour=hour)]

    assert (told[0], told[-1], len(told)) == (99, 124, 26)
