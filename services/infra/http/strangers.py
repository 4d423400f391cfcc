"""How often an address may come without a valid key."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from services.infra.http.allowance import Allowance, Allowances
from services.infra.http.problems import RETRY_AFTER_S, Refused

GUESSES: Final = Allowance(per_s=1 / RETRY_AFTER_S, at_once=30)
"""A fleet of clients behind one address that all have the old key try a few times each; a guess in two seconds finds none
of 2¹⁹² keys."""


class Strangers:
    """Counts who comes without a valid key; who has one is never asked for the address."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._addresses = Allowances(now_s)

    def wait(self, address: str) -> Refused | None:
        """Refuse who has come without a valid key too often; nothing is counted."""
        wait_s = self._addresses.wait_s(address, GUESSES)
        return _too_many(wait_s) if wait_s else None

    def refusal(self, address: str) -> Refused:
        """Count a request without a valid key, and refuse it."""
        wait_s = self._addresses.spend(address, GUESSES, 1)
        return _too_many(wait_s) if wait_s else Refused("unauthorized")


def _too_many(wait_s: float) -> Refused:
    return Refused("too-many-requests", retry_after_s=math.ceil(wait_s))
