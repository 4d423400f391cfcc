"""How often a key may read, and how often an address may come without one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from services.infra.http.allowance import Allowance, Allowances
from services.infra.http.problems import RETRY_AFTER_S, Refused
from services.infra.sources import Reader

AT_ONCE_S: Final = 60
"""A minute's worth may come at once: a CRM looks all its customers up when somebody opens a list."""

GUESSES: Final = Allowance(per_s=1 / RETRY_AFTER_S, at_once=30)
"""A fleet of clients behind one address that all have the old key try a few times each; a guess in two seconds finds none
of 2¹⁹² keys."""


class Rates:
    """Counts what is asked, in this process alone: several of them answer several times as much."""

    def __init__(self, *, requests_per_s_max: int, now_s: Callable[[], float]) -> None:
        self._per_s_max = requests_per_s_max
        self._readers = Allowances(now_s)
        self._strangers = Allowances(now_s)

    def of_stranger(self, address: str) -> Refused:
        """Refuse a request without a valid key; who has one is never asked for the address."""
        wait_s = self._strangers.spend(address, GUESSES, 1)
        return Refused("too-many-requests", retry_after_s=math.ceil(wait_s)) if wait_s else Refused("unauthorized")

    def of_reader(self, reader: Reader) -> Refused | None:
        """Count a request of a reader, or refuse it."""
        per_s = reader.requests_per_s_max or self._per_s_max
        wait_s = self._readers.spend(reader.name, Allowance(per_s=per_s, at_once=per_s * AT_ONCE_S), 1)
        if not wait_s:
            return None
        told = "This key asks more than it may. Ask again after Retry-After."
        return Refused("too-many-requests", told, math.ceil(wait_s))
