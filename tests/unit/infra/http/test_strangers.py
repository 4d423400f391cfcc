"""Who comes without a valid key waits, by the address."""

from __future__ import annotations

from services.infra.http.problems import RETRY_AFTER_S
from services.infra.http.strangers import GUESSES, Strangers
from tests.support.clocks import StandingSeconds


def test_an_address_may_fail_so_often_and_then_at_the_pace_that_it_is_told() -> None:
    clock = StandingSeconds()
    strangers = Strangers(clock)
    at_once = round(GUESSES.at_once)

    slugs = [strangers.refusal("192.0.2.1").slug for _ in range(at_once + 9)]
    other = strangers.refusal("192.0.2.2")
    told = strangers.refusal("192.0.2.1")
    clock.at += told.retry_after_s
    later = [strangers.refusal("192.0.2.1").slug for _ in range(2)]

    assert slugs == ["unauthorized"] * at_once + ["too-many-requests"] * 9
    assert other.slug == "unauthorized"
    assert told.retry_after_s == RETRY_AFTER_S
    assert later == ["unauthorized", "too-many-requests"]
