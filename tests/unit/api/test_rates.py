"""Who asks too often waits: a stranger by the address, a reader by the key."""

from __future__ import annotations

from services.api.rates import AT_ONCE_S, GUESSES, Rates
from services.infra.http.problems import RETRY_AFTER_S
from services.infra.sources import Reader


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


CRM, SHOP = Reader(name="crm", keys_sha256=()), Reader(name="shop", keys_sha256=(), requests_per_s_max=1)


def test_an_address_may_fail_so_often_and_then_at_the_pace_that_it_is_told() -> None:
    clock = Clock()
    rates = Rates(requests_per_s_max=1, now_s=clock)
    at_once = round(GUESSES.at_once)

    slugs = [rates.of_stranger("192.0.2.1").slug for _ in range(at_once + 9)]
    other = rates.of_stranger("192.0.2.2")
    told = rates.of_stranger("192.0.2.1")
    clock.at += told.retry_after_s
    later = [rates.of_stranger("192.0.2.1").slug for _ in range(2)]

    assert slugs == ["unauthorized"] * at_once + ["too-many-requests"] * 9
    assert other.slug == "unauthorized"
    assert told.retry_after_s == RETRY_AFTER_S
    assert later == ["unauthorized", "too-many-requests"]


def test_a_key_that_asks_too_often_waits_and_others_do_not() -> None:
    clock = Clock()
    rates = Rates(requests_per_s_max=2, now_s=clock)

    asked = [rates.of_reader(SHOP) for _ in range(AT_ONCE_S + 1)]

    assert asked[:-1] == [None] * AT_ONCE_S
    refused = asked[-1]
    assert refused is not None
    assert refused.slug == "too-many-requests"
    assert [rates.of_reader(CRM) for _ in range(2 * AT_ONCE_S)] == [None] * (2 * AT_ONCE_S)
    assert rates.of_reader(CRM) is not None
    clock.at += refused.retry_after_s
    assert rates.of_reader(SHOP) is None
