"""How good or bad an event felt: valence functions, each a frozen specification with its arguments in the event."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from services.core.instants import HOUR_US, SECOND_US, micros_of, parse_due

if TYPE_CHECKING:
    from collections.abc import Mapping

WAITED_US: Final = (1 << 20) * HOUR_US
"""From 1970 to the year 2089, between which all times lie."""

ScalePoints = tuple[float, float, float]
"""Lowest, neutral and highest value of a scale."""

SCALES: Final[Mapping[str, ScalePoints]] = MappingProxyType(
    {
        "csat5": (1.0, 3.0, 5.0),
        "stars5": (1.0, 3.0, 5.0),
        "ces7": (1.0, 4.0, 7.0),
        "smiley4": (1.0, 2.5, 4.0),
        "percent": (0.0, 50.0, 100.0),
    }
)
"""Scales an event or the catalogue may name, beside nps; of ces7 high means easy."""

NPS: Final = "nps"
NPS_KNOTS: Final = ((0.0, -1.0), (6.0, -0.3), (7.0, 0.0), (8.0, 0.2), (9.0, 0.7), (10.0, 1.0))
"""The valence of an answer to "would you recommend us"; linear between the knots."""

PROMPT: Final = 0.3
"""The most that speed alone earns: people notice waiting more than its absence."""

LATE_SCALE_HOURS: Final = 48.0
"""Hours of delay that cost 1 − 1/e of all there is to lose."""

MADE_UP: Final = 0.8
"""How much of what a broken promise costs is made up for by keeping it after all, and by resolving a case well."""


class Refusal(NamedTuple):
    """Why an event is refused: the field that must be mended, and how."""

    field: str
    reason: str


class Felt(NamedTuple):
    """A valence in [−1, 1] and the source's confidence in it, which scales the stake."""

    v: float
    confidence: float = 1.0


class Arguments(NamedTuple):
    """What a valence may read of an event; a tuple, because one is made for every event."""

    occurred_at_us: int
    properties: Mapping[str, object]
    rating_scale: str | ScalePoints | None = None
    rating_value: float | None = None
    valence: float | None = None
    stake: float | None = None
    unscored: bool = False
    """It is of a class that says nothing of a customer's experience: a bot, a test, training, …"""


@dataclass(frozen=True, slots=True)
class Const:
    """The same valence every time."""

    v: float

    def felt(self, _: Arguments) -> Felt:
        """Return the constant."""
        return Felt(self.v)


@dataclass(frozen=True, slots=True)
class NoValence:
    """No experience at all: the event is counted and scores nothing."""

    def felt(self, _: Arguments) -> None:
        """Return nothing."""


@dataclass(frozen=True, slots=True)
class Scale:
    """An answer on a scale; the scale that the event names wins over this one."""

    name: str

    def felt(self, arguments: Arguments) -> Felt | Refusal | None:
        """Place rating.value on its scale."""
        if arguments.rating_value is None:
            return None
        return rated(arguments.rating_scale or self.name, arguments.rating_value)


@dataclass(frozen=True, slots=True)
class Wait:
    """Waiting in properties.wait_seconds, against what people desire and what they find adequate."""

    desired_s: float
    adequate_s: float

    def felt(self, arguments: Arguments) -> Felt | Refusal | None:
        """Return .3 up to the desired wait, 0 at the adequate one, then toward −1."""
        waited = _amount(arguments, "wait_seconds")
        if not isinstance(waited, float):
            return waited
        return Felt(self.at(waited))

    def at(self, seconds: float) -> float:
        """Give the valence of a wait."""
        if seconds <= self.desired_s:
            return PROMPT
        if seconds <= self.adequate_s:
            return PROMPT * (1 - math.log(seconds / self.desired_s) / math.log(self.adequate_s / self.desired_s))
        return -math.tanh(math.log(seconds / self.adequate_s))


@dataclass(frozen=True, slots=True)
class Resolved:
    """A case that was resolved: a wait with a bonus, never above 1."""

    wait: Wait
    bonus: float

    def felt(self, arguments: Arguments) -> Felt | Refusal | None:
        """Return the wait's valence plus the bonus."""
        waited = _amount(arguments, "wait_seconds")
        return Felt(self.at(waited)) if isinstance(waited, float) else waited

    def at(self, seconds: float) -> float:
        """Give the valence of a wait."""
        return min(1.0, self.wait.at(seconds) + self.bonus)


@dataclass(frozen=True, slots=True)
class Late:
    """Hours after the promise: properties.hours_late, else the event's time against the property named here."""

    promise: str | None

    def felt(self, arguments: Arguments) -> Felt | Refusal | None:
        """Return a little for early, and toward −1 for late."""
        hours = self.hours(arguments)
        return Felt(self.at(hours)) if isinstance(hours, float) else hours

    def hours(self, arguments: Arguments) -> float | Refusal | None:
        """Tell how many hours after its promise an event happened; None when it does not say."""
        hours = _number(arguments, "hours_late")
        if hours is None and self.promise is not None and arguments.properties.get(self.promise) is not None:
            due_us = due_of(arguments, self.promise)
            return due_us if isinstance(due_us, Refusal) else (arguments.occurred_at_us - due_us) / HOUR_US
        return hours

    @staticmethod
    def at(hours: float) -> float:
        """Give the valence of a delay."""
        if hours <= 0:
            return PROMPT * (1 - math.exp(hours / LATE_SCALE_HOURS))
        return -(1 - math.exp(-hours / LATE_SCALE_HOURS))


@dataclass(frozen=True, slots=True)
class Kept:
    """An event that keeps a promise, read by itself when it does not say which: late is better than never."""

    felt_when_kept: Wait | Resolved | Late

    def felt(self, arguments: Arguments) -> Felt | Refusal | None:
        """Return what the wait or the delay feels like, most of its bad part made up for."""
        felt = self.felt_when_kept.felt(arguments)
        return Felt(made_up(felt.v)) if isinstance(felt, Felt) else felt

    def due_us(self, arguments: Arguments) -> int | None:
        """Tell from what instant on the event itself counts the wait; None when it does not say."""
        if isinstance(self.felt_when_kept, Late):
            hours = self.felt_when_kept.hours(arguments)
            waited = hours * HOUR_US if isinstance(hours, float) else None
        else:
            seconds = _amount(arguments, "wait_seconds")
            waited = seconds * SECOND_US if isinstance(seconds, float) else None
        # Nobody waits longer than there are times.
        return None if waited is None else arguments.occurred_at_us - round(max(-WAITED_US, min(WAITED_US, waited)))

    def at(self, waited_us: int) -> float:
        """Give the valence of having kept it so long after its due, in microseconds, before anything is made up for."""
        if isinstance(self.felt_when_kept, Late):
            return self.felt_when_kept.at(waited_us / HOUR_US)
        return self.felt_when_kept.at(max(0, waited_us) / SECOND_US)


@dataclass(frozen=True, slots=True)
class Per:
    """So much for each unit of a property, down to a floor."""

    unit: str
    each: float
    floor: float

    def felt(self, arguments: Arguments) -> Felt | Refusal | None:
        """Multiply, then stop at the floor."""
        amount = _amount(arguments, self.unit)
        if not isinstance(amount, float):
            return amount
        return Felt(max(self.floor, self.each * amount))


@dataclass(frozen=True, slots=True)
class Sentiment:
    """What a text or a voice expressed, as the source judged it, with its confidence."""

    def felt(self, arguments: Arguments) -> Felt | Refusal | None:
        """Return the sentiment; its confidence scales the stake, and none stated means certain."""
        sentiment = _number(arguments, "sentiment")
        if isinstance(sentiment, Refusal):
            return sentiment
        confidence = _amount(arguments, "confidence")
        if isinstance(confidence, Refusal):
            return confidence
        if confidence is not None and confidence > 1:
            return Refusal("properties.confidence", "must be between 0 and 1")
        if sentiment is None:
            return None
        return Felt(sentiment, 1.0 if confidence is None else confidence)


@dataclass(frozen=True, slots=True)
class Conditional:
    """A constant, but another one when a property has a certain value (a search that found nothing)."""

    otherwise: float
    property: str
    equals: float
    then: float

    def felt(self, arguments: Arguments) -> Felt | Refusal:
        """Return one of the two constants; without the property, the usual one."""
        amount = _amount(arguments, self.property)
        if isinstance(amount, Refusal):
            return amount
        return Felt(self.then if amount == self.equals else self.otherwise)


Valence = Const | NoValence | Scale | Wait | Resolved | Late | Kept | Per | Sentiment | Conditional
"""What the catalogue may say of a touchpoint."""


def made_up(v: float) -> float:
    """Give what is left of a valence once a promise was kept."""
    return v if v >= 0 else (1 - MADE_UP) * v


def due_of(arguments: Arguments, name: str) -> int | Refusal:
    """Read a property that must be there as the instant that was promised, in microseconds since 1970."""
    promised = arguments.properties.get(name)
    try:
        return micros_of(parse_due(promised if isinstance(promised, str) else ""))
    except ValueError as error:
        return Refusal(f"properties.{name}", str(error))


def reach(valence: Valence) -> tuple[float, float]:
    """Tell how good and how bad a valence can be at the most, both not negative."""
    match valence:
        case Const(v):
            ends = (v, v)
        case Conditional(otherwise, _, _, then):
            ends = (max(otherwise, then), min(otherwise, then))
        case Wait() | Late():
            ends = (PROMPT, -1.0)
        case Resolved(_, bonus):
            ends = (min(1.0, PROMPT + bonus), -1.0)
        case Per(_, each, floor):
            ends = (1.0, 0.0) if each > 0 else (0.0, floor)
        case Kept(felt):
            good, bad = reach(felt)
            ends = (good, made_up(-bad))
        case _:
            ends = (1.0, -1.0)
    return max(ends[0], 0.0), max(-ends[1], 0.0)


def rated(scale: str | ScalePoints, value: float) -> Felt | Refusal:
    """Place a value on a scale: −1 at its lowest, 0 in the middle, 1 at its highest."""
    points = (0.0, 7.0, 10.0) if scale == NPS else SCALES.get(scale) if isinstance(scale, str) else scale
    if points is None:
        known = ", ".join([NPS, *SCALES])
        return Refusal("rating.scale", f"is none of {known}; or give the scale's lo, mid and hi")
    low, middle, high = points
    if not (math.isfinite(high - low) and low < middle < high):
        return Refusal("rating.scale", "needs finite lo < mid < hi")
    if not low <= value <= high:
        return Refusal("rating.value", f"must be between {low:g} and {high:g}")
    if scale == NPS:
        return Felt(_between_knots(value))
    return Felt((value - middle) / (high - middle if value > middle else middle - low))


def _between_knots(value: float) -> float:
    low, v_low = NPS_KNOTS[0]
    for high, v_high in NPS_KNOTS[1:]:
        if value <= high:
            return v_low + (v_high - v_low) * (value - low) / (high - low)
        low, v_low = high, v_high
    return v_low


def _number(arguments: Arguments, name: str) -> float | Refusal | None:
    """Read a property as a finite number; None when it is absent."""
    value = arguments.properties.get(name)
    if value is None:
        return None
    number = finite(value)
    return Refusal(f"properties.{name}", "must be a finite number") if number is None else number


def _amount(arguments: Arguments, name: str) -> float | Refusal | None:
    """Read a property as a finite number that is not negative; None when it is absent."""
    number = _number(arguments, name)
    if isinstance(number, float) and number < 0:
        return Refusal(f"properties.{name}", "must not be negative")
    return number


def finite(value: object) -> float | None:
    """Take an int or a float as a finite float; None for anything else, true and false included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
