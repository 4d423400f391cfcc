"""Refusals are counted, told within bounds, and slowed down for whoever tries keys."""

from __future__ import annotations

import pytest
import structlog
from prometheus_client import REGISTRY

from schemas.problem import PROBLEMS
from services.api.refusals import (
    ADDRESSES_MAX,
    GUESS_EVERY_S,
    GUESSES_AT_ONCE,
    LINE_EVERY_S,
    LINES_AT_ONCE,
    Guesses,
    Refusals,
    network_of,
)
from services.infra.http.answer import Answer
from services.infra.http.problems import RETRY_AFTER_S, Refused, refusal


def counted(reason: str) -> float:
    return REGISTRY.get_sample_value("tactus_api_refusals_total", {"reason": reason}) or 0.0


def test_every_refusal_is_counted_by_its_problem() -> None:
    before = {slug: counted(slug) for slug in PROBLEMS}
    refusals = Refusals(lambda: 0.0)

    for slug in PROBLEMS:
        refusals.note(refusal(Refused(slug)).with_headers({"Cache-Control": "no-store"}))
    refusals.note(Answer(200, b"{}"))

    assert {slug: counted(slug) - before[slug] for slug in PROBLEMS} == dict.fromkeys(PROBLEMS, 1)


def test_a_flood_of_refusals_writes_few_lines_that_tell_of_all() -> None:
    now_s = 0.0
    refusals = Refusals(lambda: now_s)

    with structlog.testing.capture_logs() as lines:
        for _ in range(10_000):
            refusals.note(refusal(Refused("unauthorized")))
        refusals.note(refusal(Refused("unavailable"))._replace(because="Postgres is away"))
        now_s = LINE_EVERY_S
        refusals.note(refusal(Refused("unauthorized")))

    told = [line for line in lines if line["reason"] == "unauthorized"]
    assert len(told) == LINES_AT_ONCE + 1
    assert sum(1 + line["untold"] for line in told) == 10_001
    (away,) = [line for line in lines if line["reason"] == "unavailable"]
    assert (away["log_level"], away["because"], away["status"]) == ("warning", "Postgres is away", 503)
    assert {name for line in lines for name in line} <= {"event", "log_level", "reason", "status", "untold", "because"}


def test_an_address_may_fail_so_often_and_then_at_the_pace_that_it_is_told() -> None:
    guesses = Guesses()

    at_once = [guesses.admits("192.0.2.1", now_s=5.0) for _ in range(GUESSES_AT_ONCE + 9)]
    other = guesses.admits("192.0.2.2", now_s=5.0)
    later = [guesses.admits("192.0.2.1", now_s=5.0 + RETRY_AFTER_S) for _ in range(2)]

    assert at_once == [True] * GUESSES_AT_ONCE + [False] * 9
    assert other
    assert later == [True, False]
    assert GUESS_EVERY_S == RETRY_AFTER_S


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("no address", "", True),
    ],
)
def test_an_address_is_known_by_what_one_host_has(one: str, other: str, *, same: bool) -> None:
    assert (network_of(one) == network_of(other)) == same


def test_a_flood_of_addresses_stays_within_the_table() -> None:
    guesses = Guesses()

    for number in range(ADDRESSES_MAX + 500):
        assert guesses.admits(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", now_s=0.0)

    assert len(guesses._paces) == ADDRESSES_MAX
