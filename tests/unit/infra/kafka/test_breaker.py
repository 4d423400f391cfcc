"""When the log is tried, and when it is left alone."""

from __future__ import annotations

import pytest

from services.infra.kafka.breaker import MISSES_MAX, Breaker, BreakerState


@pytest.fixture
def breaker() -> Breaker:
    closed = Breaker()
    closed.succeeded()
    return closed


def test_nothing_passes_before_the_log_was_reached() -> None:
    assert not Breaker().admits()


def test_some_misses_in_a_row_open_it_and_a_success_between_them_forgives(breaker: Breaker) -> None:
    for _ in range(MISSES_MAX - 1):
        breaker.missed("late")
    breaker.succeeded()
    for _ in range(MISSES_MAX - 1):
        breaker.missed("late")
    assert breaker.admits()

    breaker.missed("late")

    assert (breaker.admits(), breaker.state, breaker.reason) == (False, BreakerState.OPEN, "late")


def test_once_the_log_is_seen_one_try_passes_at_a_time(breaker: Breaker) -> None:
    breaker.trip("away")
    breaker.seen()

    assert [breaker.admits(), breaker.admits()] == [True, False]

    breaker.given_up()
    assert breaker.admits()


def test_a_try_that_succeeds_closes_it_and_one_that_misses_opens_it_again(breaker: Breaker) -> None:
    breaker.trip("away")
    breaker.seen()
    breaker.missed("late")
    assert breaker.state is BreakerState.OPEN

    breaker.seen()
    breaker.succeeded()

    assert [breaker.admits(), breaker.admits()] == [True, True]


def test_being_seen_changes_nothing_for_a_closed_one(breaker: Breaker) -> None:
    breaker.seen()

    assert breaker.state is BreakerState.CLOSED
