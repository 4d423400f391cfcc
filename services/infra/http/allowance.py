"""Remember how much each of many senders has used of its allowance, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

SENDERS_MAX: Final = 65_536
"""Senders remembered at once, in some 13 MiB; the one seen longest ago is forgotten, and begins with a whole allowance."""


AT_ONCE_S: Final = 60
"""A minute's worth may come at once: pages that were offline and proxies that were away send what they kept, and a CRM looks
all its customers up when somebody opens a list."""


class Allowance(NamedTuple):
    """So much a second in the long run, and so much at once after a rest."""

    per_s: float
    at_once: float


def a_second(per_s: int) -> Allowance:
    """Allow so much a second, and a minute's worth at once."""
    return Allowance(per_s=per_s, at_once=per_s * AT_ONCE_S)


class Allowances:
    """What every sender of one kind has used.

    All that is kept of a sender is when it will have its whole allowance again (the generic cell rate algorithm):
    whoever has rested for long enough need not be remembered at all. Senders are known by a hash that strangers cannot
    foresee, so they choose neither the memory they take nor whom they are mistaken for.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._whole_at: OrderedDict[int, float] = OrderedDict()

    def wait_s(self, sender: object, allowance: Allowance) -> float:
        """Tell how long a sender must wait before it may send anything; 0 when it may at once."""
        return self._wait_s(self._whole_at.get(hash(sender), 0.0) - self._now_s(), allowance)

    def spend(self, sender: object, allowance: Allowance, amount: float) -> float:
        """Take so much of the allowance, or nothing and tell how long to wait.

        While anything is left of it, all of an amount is taken: what is more is waited for before the next one. So a
        batch needs not fit whole, and none is refused that could never fit.
        """
        now_s = self._now_s()
        who = hash(sender)
        whole_at = max(now_s, self._whole_at.get(who, 0.0))
        wait_s = self._wait_s(whole_at - now_s, allowance)
        if wait_s:
            return wait_s
        self._whole_at[who] = whole_at + amount / allowance.per_s
        self._whole_at.move_to_end(who)
        if len(self._whole_at) > SENDERS_MAX:
            self._whole_at.popitem(last=False)
        return 0.0

    def _wait_s(self, ahead_s: float, allowance: Allowance) -> float:
        over_s = ahead_s - allowance.at_once / allowance.per_s
        # Exactly the whole allowance used leaves nothing.
        return max(over_s, 1 / allowance.per_s) if over_s >= 0 else 0.0
