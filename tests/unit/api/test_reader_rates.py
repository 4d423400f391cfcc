"""A reader who asks too often waits, and nobody else does."""

from __future__ import annotations

from services.api.reader_rates import ReaderRates
from services.infra.http.allowance import AT_ONCE_S
from services.infra.sources import Reader
from tests.support.clocks import StandingSeconds

CRM, SHOP = Reader(name="crm", keys_sha256=()), Reader(name="shop", keys_sha256=(), requests_per_s_max=1)


def test_a_key_that_asks_too_often_waits_and_others_do_not() -> None:
    clock = StandingSeconds()
    rates = ReaderRates(requests_per_s_max=2, now_s=clock)

    asked = [rates.refusal(SHOP) for _ in range(AT_ONCE_S + 1)]

    assert asked[:-1] == [None] * AT_ONCE_S
    refused = asked[-1]
    assert refused is not None
    assert refused.slug == "too-many-requests"
    assert [rates.refusal(CRM) for _ in range(2 * AT_ONCE_S)] == [None] * (2 * AT_ONCE_S)
    assert rates.refusal(CRM) is not None
    clock.at += refused.retry_after_s
    assert rates.refusal(SHOP) is None
