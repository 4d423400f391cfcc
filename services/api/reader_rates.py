"""How often a key may read."""

from __future__ import annotations

import math
from collections.abc import Callable

from services.infra.http.allowance import Allowances, a_second
from services.infra.http.problems import Refused
from services.infra.sources import Reader


class ReaderRates:
    """Counts what is asked, in this process alone: several of them answer several times as much."""

    def __init__(self, *, requests_per_s_max: int, now_s: Callable[[], float]) -> None:
        self._per_s_max = requests_per_s_max
        self._readers = Allowances(now_s)

    def refusal(self, reader: Reader) -> Refused | None:
        """Count a request of a reader, or refuse it."""
        allowance = a_second(reader.requests_per_s_max or self._per_s_max)
        wait_s = self._readers.spend(reader.name, allowance, 1)
        if not wait_s:
            return None
        told = "This key asks more than it may. Ask again after Retry-After."
        return Refused("too-many-requests", told, math.ceil(wait_s))
