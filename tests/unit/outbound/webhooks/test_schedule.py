"""When messages are tried again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.outbound.webhooks.schedule import ATTEMPTS_MAX, RETRY_AFTER_S_MAX, asked_wait_s, next_try
from tests.support.clocks import NOON


def test_ten_attempts_are_made_within_seventy_five_hours_and_a_half() -> None:
    at, attempts = NOON, 1
    while (again := next_try(attempts, now=at, jitter=0.0, asked_s=None)) is not None:
        at, attempts = again, attempts + 1

    assert attempts == ATTEMPTS_MAX == 10
    assert at - NOON == timedelta(hours=75, minutes=35, seconds=5)


@given(st.integers(1, ATTEMPTS_MAX - 1), st.floats(0, 1), st.floats(0, RETRY_AFTER_S_MAX))
def test_nothing_is_tried_before_the_schedule_or_before_the_receiver_asks(
    attempt: int, jitter: float, asked_s: float
) -> None:
    plain = next_try(attempt, now=NOON, jitter=0.0, asked_s=None)
    again = next_try(attempt, now=NOON, jitter=jitter, asked_s=asked_s)

    assert plain is not None
    assert again is not None
    assert again >= plain
    assert again >= NOON + timedelta(seconds=asked_s)


@pytest.mark.parametrize(
    ("told", "wait_s"),
    [
        (None, None),
        ("120", 120.0),
        (" 120 ", 120.0),
        ("0", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("\u0661\u0662", None),
        ("9" * 64, float(RETRY_AFTER_S_MAX)),
        ("1000000000", float(RETRY_AFTER_S_MAX)),
        ("Sun, 01 Mar 2026 12:10:00 GMT", 600.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", None),
        ("Sun, 01 Mar 2099 12:00:00 GMT", float(RETRY_AFTER_S_MAX)),
        ("Sun, 99 Mar 2026 12:10:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_far_as_it_makes_sense(told: str | None, wait_s: float | None) -> None:
    assert asked_wait_s(told, now=NOON) == wait_s
