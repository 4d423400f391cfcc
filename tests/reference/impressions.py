"""What an event leaves on a person, by SCORING sections 2 and 5; written apart from the services' core."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import yaml

MICRO: Final = 1_000_000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Entry = Any
"""A touchpoint's `valence` as the catalogue file writes it."""
Felt = tuple[float, float]
"""Valence, and the confidence that scales its stake."""

SCALES: Final = {
    "csat5": (1.0, 3.0, 5.0),
    "stars5": (1.0, 3.0, 5.0),
    "ces7": (1.0, 4.0, 7.0),
    "smiley4": (1.0, 2.5, 4.0),
    "percent": (0.0, 50.0, 100.0),
    "nps": (0.0, 7.0, 10.0),
}
KNOTS: Final = ((0, -1.0), (6, -0.3), (7, 0.0), (8, 0.2), (9, 0.7), (10, 1.0))


class Refused(Exception):  # noqa: N818 -- an outcome of judging, not a fault of this program
    """The event's arguments are wrong: it is a dead letter."""


def micros(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 time; raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no zone: {text}")
    return (moment - EPOCH) // timedelta(microseconds=1)


def due_micros(text: object) -> int:
    """Microseconds since 1970 of a promise: an instant, or a day, which is over at its midnight; raises ValueError."""
    day = re.fullmatch(r"(\d{4}-\d{2}-\d{2})(Z|[+-]\d{2}:\d{2})?", text) if isinstance(text, str) else None
    if not isinstance(text, str):
        raise ValueError(f"no text: {text!r}")  # noqa: TRY004 -- one kind of error for whoever asks
    return micros(text) if day is None else micros(f"{day[1]}T00:00:00{day[2] or '+00:00'}") + 86_400_000_000


def read_catalogue(path: Path) -> dict[str, Entry]:
    """Every touchpoint's valence, read as plain data."""
    return {name: entry["valence"] for name, entry in yaml.safe_load(path.read_text())["touchpoints"].items()}


def impression(
    catalogue: Mapping[str, Entry], data: Mapping[str, Any], occurred_us: int, *, classed: str = ""
) -> tuple[int, int]:
    """Valence and stake of an event in micro-units; raises Refused. `classed` is what the door's rules said of it."""
    properties = data.get("properties", {})
    stake = _number(data.get("stake", 1.0))
    if not 0 <= stake <= 2:
        raise Refused("stake")
    if "rating" in data:
        _rate(
            data["rating"].get("scale") or "percent", data["rating"]["value"], check=bool(data["rating"].get("scale"))
        )
    if not isinstance(properties.get("machine_made", False), bool | None):
        raise Refused("machine_made")
    spec = catalogue.get(data["touchpoint"], "own")
    felt = _feel(spec, data, properties, occurred_us)
    if felt is None:
        return 0, 0
    v = round(max(-1.0, min(1.0, felt[0])) * MICRO)
    unscored = (classed or data.get("class") or "none") != "none"
    return v, 0 if properties.get("machine_made") is True or unscored else round(stake * felt[1] * MICRO)


def _feel(spec: Entry, data: Mapping[str, Any], properties: Mapping[str, Any], occurred_us: int) -> Felt | None:
    if spec == "none":
        return None
    if spec == "own":
        return _own(data)
    if spec == "sentiment":
        return _sentiment(properties)
    ((function, argument),) = spec.items()
    if function == "scale":
        rating = data.get("rating")
        return None if rating is None else (_rate(rating.get("scale") or argument, rating["value"]), 1.0)
    v = FUNCTIONS[function](argument, properties, occurred_us)
    return None if v is None else (v, 1.0)


def _own(data: Mapping[str, Any]) -> Felt | None:
    if data.get("valence") is not None:
        return _number(data["valence"]), 1.0
    rating = data.get("rating") or {}
    return (_rate(rating["scale"], rating["value"]), 1.0) if rating.get("scale") else None


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Refused(f"not a finite number: {value!r}")
    return float(value)


def _amount(properties: Mapping[str, Any], name: str) -> float | None:
    """A property that must not be negative; None when it is missing."""
    if properties.get(name) is None:
        return None
    amount = _number(properties[name])
    if amount < 0:
        raise Refused(name)
    return amount


def _rate(scale: Any, value: object, *, check: bool = True) -> float:  # noqa: ANN401 -- a name or an object
    low, middle, high = SCALES[scale] if isinstance(scale, str) else (scale["lo"], scale["mid"], scale["hi"])
    answer = _number(value)
    if check and not low <= answer <= high:
        raise Refused("rating.value")
    if scale != "nps":
        return (answer - middle) / ((high - middle) if answer > middle else (middle - low))
    for (start, at_start), (end, at_end) in itertools.pairwise(KNOTS):
        if answer <= end:
            return at_start + (at_end - at_start) * (answer - start) / (end - start)
    raise Refused("rating.value")


def _sentiment(properties: Mapping[str, Any]) -> Felt | None:
    confidence = _amount(properties, "confidence")
    if confidence is not None and confidence > 1:
        raise Refused("confidence")
    if properties.get("sentiment") is None:
        return None
    return _number(properties["sentiment"]), 1.0 if confidence is None else confidence


def _const(value: float, _properties: Mapping[str, Any], _at: int) -> float:
    return float(value)


def waited(limits: Mapping[str, float], seconds: float) -> float:
    """How a wait feels."""
    desired, adequate = limits["desired_seconds"], limits["adequate_seconds"]
    if seconds <= desired:
        return 0.3
    if seconds <= adequate:
        return 0.3 * (1 - math.log(seconds / desired) / math.log(adequate / desired))
    return -math.tanh(math.log(seconds / adequate))


def delayed(hours: float) -> float:
    """How a delay feels."""
    return 0.3 * (1 - math.exp(hours / 48)) if hours <= 0 else -(1 - math.exp(-hours / 48))


def made_up(v: float) -> float:
    """What is left of a valence when the promise was kept after all."""
    return v if v >= 0 else (1 - 0.8) * v


def _wait(limits: Mapping[str, float], properties: Mapping[str, Any], _at: int) -> float | None:
    seconds = _amount(properties, "wait_seconds")
    return None if seconds is None else waited(limits, seconds)


def _resolved(limits: Mapping[str, float], properties: Mapping[str, Any], at: int) -> float | None:
    felt = _wait(limits, properties, at)
    return None if felt is None else min(1.0, felt + limits["bonus"])


def _late(promise: str, properties: Mapping[str, Any], at: int) -> float | None:
    hours = hours_late(promise, properties, at)
    return None if hours is None else delayed(hours)


def hours_late(promise: str, properties: Mapping[str, Any], at: int) -> float | None:
    """How many hours after its promise something happened; None when it does not say."""
    if properties.get("hours_late") is not None:
        return _number(properties["hours_late"])
    if promise == "hours_late" or properties.get(promise) is None:
        return None
    try:
        return (at - due_micros(properties[promise])) / 3_600_000_000
    except (TypeError, ValueError) as error:
        raise Refused(promise) from error


def _kept(rule: Mapping[str, Any], properties: Mapping[str, Any], at: int) -> float | None:
    ((function, argument),) = rule.items()
    felt = FUNCTIONS[function](argument, properties, at)
    return None if felt is None else made_up(felt)


def _per(rule: Mapping[str, Any], properties: Mapping[str, Any], _at: int) -> float | None:
    amount = _amount(properties, rule["property"])
    return None if amount is None else max(rule["floor"], rule["each"] * amount)


def _conditional(rule: Mapping[str, Any], properties: Mapping[str, Any], _at: int) -> float:
    amount = _amount(properties, rule["property"])
    return float(rule["then"] if amount is not None and amount == rule["equals"] else rule["otherwise"])


FUNCTIONS: Final[Mapping[str, Callable[[Any, Mapping[str, Any], int], float | None]]] = {
    "const": _const,
    "wait": _wait,
    "resolved": _resolved,
    "late": _late,
    "kept": _kept,
    "per": _per,
    "conditional": _conditional,
}
