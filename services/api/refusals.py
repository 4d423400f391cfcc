"""What the API refuses: counted, told in the log within bounds, and slowed down for whoever tries keys."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from services.infra.http.answer import Answer
from services.infra.http.problems import RETRY_AFTER_S
from services.infra.logs import get_logger
from services.infra.metrics import API_REFUSALS

log = get_logger(__name__)

LINES_AT_ONCE: Final = 20
LINE_EVERY_S: Final = 3.0
"""Of one reason: a flood writes twenty lines and then one in three seconds, some 6 MB a day."""

GUESSES_AT_ONCE: Final = 30
GUESS_EVERY_S: Final = float(RETRY_AFTER_S)
"""A fleet of clients behind one address that all have the old key try a few times each; a guess in two seconds finds none
of 2¹⁹² keys."""

ADDRESSES_MAX: Final = 10_000
"""About 2 MB; whoever has more addresses than these has each of them forgotten in turn, and is still only counted."""

NETWORK_BITS_IPV6: Final = 64
"""What one household or machine is given of IPv6: an address in it is free."""

SERVER_ERROR: Final = 500


class Pace:
    """So many at once, and then one in so many seconds."""

    def __init__(self, *, at_once: int, every_s: float) -> None:
        self._ahead_s = (at_once - 1) * every_s
        self._every_s = every_s
        self._due_s = 0.0

    def admits(self, now_s: float) -> bool:
        """Tell whether there is room for one more, and take it."""
        if self._due_s - now_s > self._ahead_s:
            return False
        self._due_s = max(self._due_s, now_s) + self._every_s
        return True


class Guesses:
    """How often an address may come without a valid key. A valid key is never asked here, whatever its address."""

    def __init__(self) -> None:
        self._paces: OrderedDict[str, Pace] = OrderedDict()

    def admits(self, address: str, *, now_s: float) -> bool:
        """Tell whether one more failure is answered as such."""
        place = network_of(address)
        pace = self._paces.pop(place, None) or Pace(at_once=GUESSES_AT_ONCE, every_s=GUESS_EVERY_S)
        self._paces[place] = pace
        if len(self._paces) > ADDRESSES_MAX:
            self._paces.popitem(last=False)
        return pace.admits(now_s)


class Refusals:
    """Counts every refusal by its problem, and tells of some: never of whom, nor with which key."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._paces: dict[str, Pace] = {}
        self._untold: dict[str, int] = {}

    def note(self, answer: Answer) -> None:
        """Take note of an answer; those that refuse nothing are none of ours."""
        problem = answer.problem
        if not problem:
            return
        API_REFUSALS.labels(reason=problem).inc()
        pace = self._paces.setdefault(problem, Pace(at_once=LINES_AT_ONCE, every_s=LINE_EVERY_S))
        if not pace.admits(self._now_s()):
            self._untold[problem] = self._untold.get(problem, 0) + 1
            return
        say = log.warning if answer.status >= SERVER_ERROR else log.info
        told = {"because": answer.because} if answer.because else {}
        say("request_refused", reason=problem, status=answer.status, untold=self._untold.pop(problem, 0), **told)


def network_of(address: str) -> str:
    """Return what an address is known by: itself, or its network where one host has many."""
    try:
        host = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(host, ipaddress.IPv6Address):
        if host.ipv4_mapped is not None:
            return str(host.ipv4_mapped)
        return str(ipaddress.ip_network((host.packed, NETWORK_BITS_IPV6), strict=False))
    return str(host)
