"""What the simulated shop sends, by whom, and now and then a repeat, a conflict or a bad one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from services.demo.shop import Happening

DUPLICATE_EVERY: Final = 100
"""One event in a hundred is sent twice: what a cautious client does after a timeout."""

CONFLICT_EVERY: Final = 350
"""Now and then a sender uses an id again for something else."""

REJECTED_EVERY: Final = 450
"""Now and then a sender gets the format wrong."""

FIRST_ODD: Final = 30
"""The odd ones start here, so that a run of seconds has each of them."""

CARRIED: Final[Mapping[str, str]] = {
    "delivery.dispatched": "InTransit",
    "delivery.attempt_failed": "AttemptFail",
    "delivery.delivered": "Delivered",
}
"""What the carrier's own news tell, and what it calls it; that a promise was missed is the shop's to know."""

SEEN_BY_PAGE: Final = ("web.", "promo.")
UNCHANGED: Final[Mapping[str, object]] = MappingProxyType({})


class Way(StrEnum):
    """Through which of the company's systems a happening comes."""

    SERVER = "the shop's own system"
    PAGE = "the page"
    TILL = "the till"
    CARRIER = "the carrier"


class Message(NamedTuple):
    """A happening on its way, with its id lengthened and parts of its body changed."""

    way: Way
    happening: Happening
    suffix: str = ""
    changes: Mapping[str, object] = UNCHANGED

    @property
    def id(self) -> str:
        """What it is called."""
        return self.happening.id + self.suffix

    @property
    def body(self) -> Mapping[str, object]:
        """What it says."""
        return {**self.happening.body, **self.changes}


def told_now(happening: Happening) -> Message:
    """A happening of the present, told by whoever sees it first."""
    touchpoint, channel = str(happening.body["touchpoint"]), happening.body["channel"]
    if channel == "pos":
        return Message(Way.TILL, happening)
    if touchpoint in CARRIED:
        return Message(Way.CARRIER, happening)
    seen_by_page = channel == "web" and touchpoint.startswith(SEEN_BY_PAGE)
    return Message(Way.PAGE if seen_by_page else Way.SERVER, happening)


def told_later(happening: Happening) -> Message:
    """A happening of the past, which the shop's own system remembers."""
    return Message(Way.SERVER, happening)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must become of everything sent."""

    applied: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0

    @property
    def accepted(self) -> int:
        """How many the door takes."""
        return self.applied + self.duplicate + self.conflict

    @property
    def sent(self) -> int:
        """How many go out."""
        return self.accepted + self.rejected


@dataclass(slots=True)
class Traffic:
    """Adds what goes wrong to what the shop sends, and counts what must become of it all."""

    _plain: int = 0
    _mixed: int = 0
    _duplicate: int = 0
    _conflict: int = 0
    _rejected: int = 0

    @property
    def expected(self) -> Expected:
        """What must become of everything sent so far."""
        return Expected(
            applied=self._plain,
            duplicate=self._duplicate,
            conflict=self._conflict,
            rejected=self._rejected,
        )

    def mix(self, messages: Iterable[Message]) -> Iterator[Message]:
        """Each message, and each repeat right behind its original.

        An event is repeated, contradicted or neither, never both: so the counts do not depend on who comes first.
        """
        for message in messages:
            self._plain += 1
            yield message
            yield from self._odd(message)

    def plain(self, happening: Happening) -> Message:
        """A happening that the shop's own system tells, and nothing is done to."""
        self._plain += 1
        return Message(Way.SERVER, happening)

    def _odd(self, message: Message) -> Iterator[Message]:
        if message.way is Way.TILL:
            return  # what a till has numbered it sends as often as it must, and never otherwise
        self._mixed += 1
        if self._mixed % DUPLICATE_EVERY == 0:
            self._duplicate += 1
            yield message
        elif message.way is Way.CARRIER:
            return  # a carrier is not told what became of its news, so nothing wrong is to be found in them
        elif self._mixed % CONFLICT_EVERY == FIRST_ODD:
            self._conflict += 1
            yield message._replace(changes={"order": "another-order"})
        elif self._mixed % REJECTED_EVERY == FIRST_ODD + 1:
            self._rejected += 1
            yield message._replace(suffix="-bad", changes={"rating": {"scale": "csat5", "value": 9}})
