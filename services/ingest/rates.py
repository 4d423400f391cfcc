"""How much a key, an address and an identity may send, and how much a key may store in a day."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

from services.infra.http.allowance import Allowance, Allowances, a_second
from services.infra.http.problems import Refused
from services.infra.metrics import INGEST_LIMITED
from services.infra.settings import IngestSettings
from services.infra.sources import Source

UNIT_BYTES: Final = 2048
"""An event counts as one, and every so many bytes of a request as one more: a page's event has some 500."""

DAY_S: Final = 24 * 60 * 60

_TOO_MANY: Final = "too-many-requests"


class Sender(NamedTuple):
    """Who sends a request: a key's source, and the address that it comes from."""

    source: Source
    address: str


class Rates:
    """Counts what is sent, in this process alone: several of them let several times as much in."""

    def __init__(self, settings: IngestSettings, *, now_s: Callable[[], float]) -> None:
        self._settings = settings
        self._keys = Allowances(now_s)
        self._days = Allowances(now_s)
        self._addresses = Allowances(now_s)
        self._identities = Allowances(now_s)

    def refusal(self, sender: Sender) -> Refused | None:
        """Refuse a request by its head while an allowance is used up; nothing is counted yet."""
        source = sender.source
        stored_s = self._days.wait_s(source.name, self._day(source))
        if stored_s:
            return _refused("day", "This key has stored what it may in a day.", stored_s)
        of_key = self._of_key(source)
        key_s = self._keys.wait_s(source.name, of_key) if of_key else 0
        if key_s:
            return _refused("key", "This key sends more than it may.", key_s)
        of_address = self._of_address(source)
        address_s = self._addresses.wait_s((source.name, sender.address), of_address) if of_address else 0
        if address_s:
            return _refused("address", "This address sends more than it may with this key.", address_s)
        return None

    def count(self, sender: Sender, *, events: int, size: int) -> Refused | None:
        """Count a request that was read, or refuse it when others have used the allowance up meanwhile."""
        refused = self.refusal(sender)
        if refused is not None:
            return refused
        amount = events + size // UNIT_BYTES
        for allowances, who, allowance in (
            (self._keys, sender.source.name, self._of_key(sender.source)),
            (self._addresses, (sender.source.name, sender.address), self._of_address(sender.source)),
        ):
            if allowance is not None:
                allowances.spend(who, allowance, amount)
        return None

    def count_identity(self, source: Source, identity: bytes) -> int:
        """Count an event of an identity; return the seconds to wait when it has sent too many, or 0."""
        allowance = self._of_identity(source)
        wait_s = self._identities.spend((source.name, identity), allowance, 1) if allowance else 0
        if not wait_s:
            return 0
        INGEST_LIMITED.labels("identity").inc()
        return math.ceil(wait_s)

    def store(self, source: Source, size: int) -> None:
        """Count bytes that go into the log."""
        self._days.spend(source.name, self._day(source), size)

    def _day(self, source: Source) -> Allowance:
        # Half at once and half over the day: never more than the whole of it within any 24 hours.
        half = (source.day_bytes_max or self._day_bytes_max(source)) / 2
        return Allowance(per_s=half / DAY_S, at_once=half)

    def _day_bytes_max(self, source: Source) -> int:
        match source.kind:
            case "browser":
                return self._settings.browser_day_bytes_max
            case "till":
                return self._settings.till_day_bytes_max
            case "server":
                return self._settings.server_day_bytes_max

    def _of_key(self, source: Source) -> Allowance | None:
        return _per_second(source, source.events_per_s_max, self._settings.browser_events_per_s_max)

    def _of_address(self, source: Source) -> Allowance | None:
        return _per_second(source, source.address_events_per_s_max, self._settings.browser_address_events_per_s_max)

    def _of_identity(self, source: Source) -> Allowance | None:
        return _per_second(source, source.identity_events_per_s_max, self._settings.browser_identity_events_per_s_max)


def _per_second(source: Source, own: int | None, browsers: int) -> Allowance | None:
    """Servers and tills are the operator's own: they send hours at once after a break, and only their rows limit them."""
    per_s = own if own is not None else browsers if source.kind == "browser" else None
    return None if per_s is None else a_second(per_s)


def _refused(reason: str, detail: str, wait_s: float) -> Refused:
    INGEST_LIMITED.labels(reason).inc()
    return Refused(_TOO_MANY, f"{detail} Send the same again after Retry-After.", math.ceil(wait_s))
