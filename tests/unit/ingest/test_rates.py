"""How much a key, an address and an identity may send."""

from __future__ import annotations

import pytest

from services.infra.http.allowance import AT_ONCE_S, SENDERS_MAX, Allowance, Allowances
from services.infra.settings import IngestSettings
from services.ingest.rates import Rates, Sender
from tests.support.clocks import StandingSeconds
from tests.support.senders import BROWSER, SERVER

LIMITS = IngestSettings(
    browser_events_per_s_max=4, browser_address_events_per_s_max=2, browser_identity_events_per_s_max=1
)
HERE, THERE = Sender(BROWSER, "192.0.2.1"), Sender(BROWSER, "192.0.2.2")


def test_an_address_that_sends_too_much_waits_and_others_with_its_key_do_not() -> None:
    clock = StandingSeconds()
    rates = Rates(LIMITS, now_s=clock)

    assert rates.count(HERE, events=2 * AT_ONCE_S, size=0) is None
    refused = rates.refusal(HERE)

    assert refused is not None
    assert (refused.slug, (refused.retry_after_s or 0) >= 1) == ("too-many-requests", True)
    assert rates.refusal(THERE) is None
    clock.at += 1 + (refused.retry_after_s or 0)
    assert rates.refusal(HERE) is None


def test_many_addresses_together_use_up_their_key() -> None:
    rates = Rates(LIMITS, now_s=StandingSeconds())

    for number in range(4):
        rates.count(Sender(BROWSER, f"192.0.2.{number}"), events=AT_ONCE_S, size=0)

    assert rates.refusal(Sender(BROWSER, "192.0.2.99")) is not None


def test_an_identity_waits_alone() -> None:
    rates = Rates(LIMITS, now_s=StandingSeconds())

    waits = [rates.count_identity(BROWSER, b"anonymous:a") for _ in range(AT_ONCE_S + 2)]

    assert waits[:AT_ONCE_S] == [0] * AT_ONCE_S
    assert all(wait >= 1 for wait in waits[AT_ONCE_S:])
    assert rates.count_identity(BROWSER, b"anonymous:b") == 0


def test_an_operators_own_systems_send_hours_at_once_unless_their_row_says_less() -> None:
    rates = Rates(LIMITS, now_s=StandingSeconds())
    shop = Sender(SERVER, "192.0.2.1")
    bounded = Sender(SERVER.model_copy(update={"events_per_s_max": 1}), "192.0.2.1")

    assert all(rates.count(shop, events=500, size=1_000_000) is None for _ in range(1000))
    rates.count(bounded, events=500, size=0)
    assert rates.refusal(bounded) is not None


def test_what_a_key_stores_in_a_day_is_bounded() -> None:
    clock = StandingSeconds()
    rates = Rates(IngestSettings(browser_day_bytes_max=2 * 1024 * 1024), now_s=clock)

    rates.store(BROWSER, 1024 * 1024)
    refused = rates.refusal(HERE)

    assert refused is not None
    assert rates.refusal(Sender(SERVER, "192.0.2.1")) is None
    clock.at += 24 * 3600
    assert rates.refusal(HERE) is None


def test_senders_that_strangers_make_up_take_bounded_memory() -> None:
    allowances = Allowances(StandingSeconds())

    for number in range(SENDERS_MAX + 1000):
        allowances.spend(number, Allowance(per_s=1, at_once=1), 1)

    assert len(allowances._whole_at) == SENDERS_MAX


@pytest.mark.parametrize("amount", [1, 10, 1000])
def test_nothing_is_refused_that_could_never_fit(amount: int) -> None:
    allowances, allowance = Allowances(StandingSeconds()), Allowance(per_s=1, at_once=10)

    assert allowances.spend("a", allowance, amount) == 0
