"""What the catalogue says of promises: which touchpoints state, keep and end them, and what they are about."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from services.core.instants import HOUR_US, SECOND_US
from services.core.valence import Late, Wait

if TYPE_CHECKING:
    from collections.abc import Mapping

ORDER: Final = "order"
CASE: Final = "case"
CART: Final = "cart"

WHOLES: Final = (ORDER, CASE, CART)
"""What a promise may be about; order and case stand in an event's data, a cart among its properties."""

LINE: Final = "line"
PARTS: Final = ("parcel", LINE, "refund")
"""What parts of it may be named, among the properties; a line means something only together with its order."""

OPEN_US: Final = 60 * 24 * HOUR_US
"""So long after it turned negative a promise ends by itself: nobody waits any more."""

TOGETHER_US: Final = 24 * HOUR_US
"""What comes within a day of the first part comes with it."""


@dataclass(frozen=True, slots=True)
class After:
    """Nothing for so long, then the same valence for good: a cart that was left."""

    seconds: float
    v: float

    def at(self, seconds: float) -> float:
        """Give the valence of a wait."""
        return self.v if seconds > self.seconds else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseKind:
    """One kind of promise. A kind that shares another's key is the same promise, stated and missed in another way."""

    name: str
    shares: str
    """The kind whose promise it is: its own name, or that of the kind whose key, keeps and ends it shares."""
    key: str
    """One of WHOLES."""
    parts: tuple[str, ...] = ()
    """Of PARTS; each that is named is a promise of its own."""
    felt: Late | Wait | After
    """How waiting feels: from the instant that was promised (Late), or from the statement (Wait, After)."""
    due: str = ""
    """The property that holds the instant promised; empty where waiting counts from the statement."""
    within_s: float = 0.0
    """What a statement without that property promises, in seconds; 0 where it promises nothing."""
    missed: str
    """The touchpoint of a promise that is open past its time."""
    begins: tuple[str, ...] = ()
    """Touchpoints that are kept even without an instant: whose the promise is, and when waiting for it began."""
    states: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    again: bool = False
    """Whether each statement is a promise of its own, until the next: a case that is opened again."""
    recovers: bool = False
    """Whether keeping it in time makes up for what went wrong on the way, instead of being good by itself."""
    slow: str = ""
    """The touchpoint that tells at the arrival how long it took since it began; empty for none."""
    part_missing: str = ""
    """The touchpoint that tells at the first arrival that a part did not come along; empty for none."""

    @property
    def grace_us(self) -> int:
        """How long after its due a promise turns negative."""
        match self.felt:
            case Late():
                return 0
            case Wait(adequate_s=seconds) | After(seconds=seconds):
                return round(seconds * SECOND_US)

    def at(self, waited_us: int) -> float:
        """Give the valence of so much time since the due, in microseconds; less than none for what came early."""
        if isinstance(self.felt, Late):
            return self.felt.at(waited_us / HOUR_US)
        return self.felt.at(max(0, waited_us) / SECOND_US)

    @property
    def touchpoints(self) -> frozenset[str]:
        """All that it may be touched by."""
        return frozenset((self.missed, *self.begins, *self.states, *self.keeps, *self.ends))


class Touched(NamedTuple):
    """What a touchpoint does to one promise: the kind, by role, that it states, keeps or ends it as."""

    states: tuple[PromiseKind, ...] = ()
    keeps: tuple[PromiseKind, ...] = ()
    ends: tuple[PromiseKind, ...] = ()
    missed: tuple[PromiseKind, ...] = ()


NOT_TOUCHED: Final = Touched()


@dataclass(frozen=True)
class PromiseKinds:
    """All kinds of promises, in the catalogue's order."""

    kinds: Mapping[str, PromiseKind] = field(default_factory=lambda: MappingProxyType({}))

    @cached_property
    def touched(self) -> Mapping[str, Touched]:
        """By touchpoint, what it does."""
        found: dict[str, Touched] = {}
        for kind in self.kinds.values():
            for name in kind.touchpoints:
                before = found.get(name, NOT_TOUCHED)
                found[name] = Touched(
                    states=(*before.states, *((kind,) if name in (*kind.begins, *kind.states) else ())),
                    keeps=(*before.keeps, *((kind,) if name in kind.keeps else ())),
                    ends=(*before.ends, *((kind,) if name in kind.ends else ())),
                    missed=(*before.missed, *((kind,) if name == kind.missed else ())),
                )
        return found


NO_PROMISES: Final = PromiseKinds()
