"""How good or bad an event felt: valence functions, each a frozen specification with its arguments in the event."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from services.core.instants import HOUR_US, micros_of, parse_instant

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        waited = self.wait.felt(arguments)
        return Felt(min(1.0, waited.v + self.bonus)) if isinstance(waited, Felt) else waited


@dataclass(frozen=True, slots=True)
class Late:
    """Hours after the promise: properties.hours_late, else the event's time against the property named here."""

    promise: str | None

    def felt(self, arguments: Arguments) -> Felt | Refusal | None:
        """Return a little for early, and toward −1 for late."""
        hours = _number(arguments, "hours_late")
        if hours is None and self.promise is not None:
            hours = self._hours_after_promise(self.promise, arguments)
        if not isinstance(hours, float):
            return hours
        return Felt(self.at(hours))

    @staticmethod
    def at(hours: float) -> float:
        """Give the valence of a delay."""
        if hours <= 0:
            return PROMPT * (1 - math.exp(hours / LATE_SCALE_HOURS))
        return -(1 - math.exp(-hours / LATE_SCALE_HOURS))

    @staticmethod
    def _hours_after_promise(promise: str, arguments: Arguments) -> float | Refusal | None:
        promised = arguments.properties.get(promise)
        if promised is None:
            return None
        try:
            promised_at = parse_instant(promised if isinstance(promised, str) else "")
        except ValueError as error:
            return Refusal(f"properties.{promise}", str(error))
        return (arguments.occurred_at_us - micros_of(promised_at)) / HOUR_US


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


Valence = Const | NoValence | Scale | Wait | Resolved | Late | Per | Sentiment | Conditional
"""What the catalogue may say of a touchpoint."""


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
