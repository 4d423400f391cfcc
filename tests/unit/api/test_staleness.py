from __future__ import annotations

import pytest

from services.api.staleness import mark_of, stale


@pytest.mark.parametrize(
    ("silent", "brought", "named"),
    [
        ({"web"}, {"web": 5, "shop": 5}, ["web"]),
        ({"web", "store"}, {"web": 5, "shop": 5, "store": 40}, ["store", "web"]),
        ({"web"}, {"web": 1, "shop": 9}, ["web"]),
        ({"web"}, {"web": 1, "shop": 10}, []),
        ({"web"}, {"shop": 3}, []),
        ({"web"}, {}, []),
        (set(), {"web": 5}, []),
    ],
)
def test_a_score_is_stale_when_a_source_is_silent_that_brings_a_tenth_of_the_customers_events(
    silent: set[str], brought: dict[str, int], named: list[str]
) -> None:
    assert stale(silent, brought) == named


def test_sets_of_silent_sources_are_told_apart() -> None:
    assert mark_of({"a", "b"}) == mark_of({"b", "a"})
    assert len({mark_of(each) for each in ({"a"}, {"b"}, {"a", "b"}, set[str]())}) == 4
