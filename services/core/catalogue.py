"""What each touchpoint means: where it stands in the journey, how much it weighs, how it feels."""

from __future__ import annotations

import hashlib
import re
from dataclasses import astuple, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from services.core.bands import BANDS, Bands
from services.core.promise_kinds import NO_PROMISES, PromiseKinds
from services.core.tallies import MICRO
from services.core.thresholds import USUAL, Thresholds
from services.core.valence import (
    Arguments,
    Const,
    Felt,
    NoValence,
    Refusal,
    ScalePoints,
    Valence,
    due_of,
    finite,
    rated,
)
from services.core.weighing import Calibration, Parameters, Stretch, Weighing

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Arguments", "Catalogue", "Entry", "Impression", "Parameters", "Refusal"]

STAGES: Final = (
    "awareness",
    "consideration",
    "purchase",
    "fulfilment",
    "onboarding",
    "use",
    "support",
    "loyalty",
    "advocacy",
    "exit",
)
"""The journey, in its order."""

CATEGORIES: Final = ("process", "marketing", "image", "product", "staff")
"""The five of the definition of customer experience: purchase process as remembered, reception of marketing,
company image, product or service in use, staff interaction."""

CONTROLS: Final = ("owned", "partner", "third_party")
"""Who can mend it: the company, a partner, nobody."""

DRIVERS: Final = (
    "price",
    "quality",
    "availability",
    "speed",
    "convenience",
    "contact",
    "kindness",
    "honesty",
    "marketing",
    "reliability",
)
"""What people weigh."""

UNKNOWN: Final = "unknown"
UNKNOWN_WEIGHT: Final = 0.1
"""A touchpoint outside the catalogue counts a little, so nothing is lost when a source is ahead of it."""

STAKE_MAX: Final = 2.0
"""Twice the usual: an event may say that more is at stake, not that it outweighs the person's whole history."""

MACHINE_MADE: Final = "machine_made"
"""The property that says that no person did it: a mail scanner that opens mail, a bot."""

ALGORITHM: Final = "beta-1"
"""Part of the model version; changes when equal tallies and parameters would read differently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One touchpoint of the catalogue; channel is the default when an event names none."""

    name: str
    channel: str
    stage: str
    category: str
    control: str
    driver: str
    weight: float
    valence: Valence
    once: str = ""
    """Of what it counts once, whoever tells it: order or case; empty where each event counts."""


class Impression(NamedTuple):
    """What an event leaves on a person, in micro-units; overridden: the event's own valence was not used."""

    v: int
    q: int
    overridden: bool


class Said(Protocol):
    """What an event says of itself that can change how it counts, besides its properties."""

    @property
    def touchpoint(self) -> str: ...
    @property
    def rating(self) -> object: ...
    @property
    def valence(self) -> float | None: ...
    @property
    def stake(self) -> float | None: ...


@dataclass(frozen=True)
class Catalogue:
    """All known touchpoints, the promises between them, and the parameters of the score."""

    entries: Mapping[str, Entry]
    parameters: Parameters
    promises: PromiseKinds = NO_PROMISES
    stretches: Mapping[str, Stretch] = field(default_factory=dict)
    """By what the valence of some touchpoints is multiplied in the read."""
    calibration: Calibration | None = None
    bands: Bands = BANDS
    thresholds: Thresholds = USUAL
    """For alerts; no score knows them, so they are no part of the model."""
    place_past: float = 0.0
    """The stake of what whoever orders at a place hears of it; 0: nothing is heard."""
    version: str | None = None
    """The name of the model that weighs here; None: that of all this."""

    @property
    def weighing(self) -> Weighing:
        """What weighs here."""
        return Weighing(
            version=self.model_version,
            parameters=self.parameters,
            weights={name: entry.weight for name, entry in self.entries.items()},
            stretches=self.stretches,
            calibration=self.calibration,
            bands=self.bands,
            place_past=self.place_past,
        )

    def weighed_by(self, weighing: Weighing) -> Catalogue:
        """Let a model weigh; touchpoints that it knows and that are not declared here weigh as it says, too."""
        weights = weighing.weights
        known = dict.fromkeys((*self.entries, *weights))
        return replace(
            self,
            entries={name: replace(self.entry(name), weight=weights.get(name, UNKNOWN_WEIGHT)) for name in known},
            parameters=weighing.parameters,
            stretches=weighing.stretches,
            calibration=weighing.calibration,
            bands=weighing.bands,
            place_past=weighing.place_past,
            version=weighing.version,
        )

    def entry(self, touchpoint: str) -> Entry:
        """Give the touchpoint's entry, or the default one of a touchpoint that is not in the catalogue."""
        known = self.entries.get(touchpoint)
        if known is not None:
            return known
        return Entry(
            name=touchpoint,
            channel="any",
            stage=UNKNOWN,
            category=UNKNOWN,
            control=UNKNOWN,
            driver=UNKNOWN,
            weight=UNKNOWN_WEIGHT,
            valence=NoValence(),
        )

    def impression(self, touchpoint: str, arguments: Arguments) -> Impression | Refusal:
        """Judge one event. A missing argument keeps the event with a stake of zero; a wrong one refuses it."""
        entry = self.entries.get(touchpoint)
        refusal = _refusal(arguments) or self._refused_due(touchpoint, arguments)
        if refusal is not None:
            return refusal
        felt = _own_valence(arguments) if entry is None else entry.valence.felt(arguments)
        if isinstance(felt, Refusal):
            return felt
        overridden = entry is not None and arguments.valence is not None
        if felt is None or self.unscored(arguments):
            return Impression(v=_micro(felt), q=0, overridden=overridden)
        stake = 1.0 if arguments.stake is None else arguments.stake
        return Impression(v=_micro(felt), q=round(stake * felt.confidence * MICRO), overridden=overridden)

    @staticmethod
    def unscored(arguments: Arguments) -> bool:
        """Tell whether an event says nothing of a customer's experience: its class does, or no person did it."""
        return arguments.unscored or bool(arguments.properties.get(MACHINE_MADE))

    def constant(self, said: Said, *, may_be_unscored: bool, names_nothing: bool = False) -> int | None:
        """Give the valence, in micro-units and with a stake of 1, of an event that needs no judging.

        Nearly every event is one: its touchpoint always feels the same, and nothing it says could change that or be
        wrong. `may_be_unscored` tells whether it has a class, or its properties speak of a machine; `names_nothing` that
        it names neither an order nor a case, and none of `fact_words`: so it leaves no fact, whatever its touchpoint.
        None means that it must be judged.
        """
        if said.rating is None and said.stake is None and said.valence is None and not may_be_unscored:
            return (self.all_constants if names_nothing else self.constants).get(said.touchpoint)
        return None

    @cached_property
    def channels(self) -> frozenset[str]:
        """The channels that some touchpoint has by default."""
        return frozenset(entry.channel for entry in self.entries.values())

    @cached_property
    def constants(self) -> Mapping[str, int]:
        """Valence, in micro-units, of the touchpoints that always feel the same: stake 1 unless the event says so."""
        return {name: v for name, v in self.all_constants.items() if name not in self.leaves_facts}

    @cached_property
    def all_constants(self) -> Mapping[str, int]:
        """The same, with those that may leave facts."""
        entries = self.entries.items()
        return {name: _micro(Felt(entry.valence.v)) for name, entry in entries if isinstance(entry.valence, Const)}

    @cached_property
    def fact_words(self) -> re.Pattern[bytes]:
        """What finds, in properties as they are sent, one by which promises are stated, kept and ended."""
        kinds = self.promises.kinds.values()
        names = sorted({name for kind in kinds for name in (kind.key, kind.due, *kind.parts) if name})
        return re.compile("|".join(f'"{re.escape(name)}"' for name in names).encode() if names else b"(?!)")

    @cached_property
    def leaves_facts(self) -> frozenset[str]:
        """The touchpoints of which more may be kept than their tallies; of any other it is, at most, a case's harm."""
        return frozenset(self.promises.touched) | {name for name, entry in self.entries.items() if entry.once}

    @cached_property
    def model_version(self) -> str:
        """Name this model: equal versions score equal histories equally."""
        if self.version is not None:
            return self.version
        entries = sorted((name, repr(entry)) for name, entry in self.entries.items())
        bands = None if self.bands == BANDS else self.bands
        heard = self.place_past and ("place_past", self.place_past)
        beside = [part for part in (sorted(self.stretches.items()), self.calibration, bands, heard) if part]
        kinds = map(repr, self.promises.kinds.values())
        text = repr((ALGORITHM, astuple(self.parameters), entries, *kinds, *beside))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def _refused_due(self, touchpoint: str, arguments: Arguments) -> Refusal | None:
        """Check the instants that a touchpoint may state a promise with."""
        touched = self.promises.touched.get(touchpoint)
        for kind in touched.states if touched else ():
            if kind.due and arguments.properties.get(kind.due) is not None:
                due_us = due_of(arguments, kind.due)
                if isinstance(due_us, Refusal):
                    return due_us
        return None


def _refusal(arguments: Arguments) -> Refusal | None:
    """Check what is checked whatever the touchpoint is."""
    for name, value in (("stake", arguments.stake), ("valence", arguments.valence)):
        if value is not None and finite(value) is None:
            return Refusal(name, "must be a finite number")
    if arguments.stake is not None and not 0 <= arguments.stake <= STAKE_MAX:
        return Refusal("stake", f"must be between 0 and {STAKE_MAX:g}")
    if not isinstance(arguments.properties.get(MACHINE_MADE, False), bool | None):
        return Refusal(f"properties.{MACHINE_MADE}", "must be true or false")
    if arguments.rating_value is None:
        return None
    return _refused_rating(arguments.rating_scale, arguments.rating_value)


def _refused_rating(scale: str | ScalePoints | None, value: float) -> Refusal | None:
    if finite(value) is None:
        return Refusal("rating.value", "must be a finite number")
    judged = None if scale is None else rated(scale, value)
    return judged if isinstance(judged, Refusal) else None


def _own_valence(arguments: Arguments) -> Felt | Refusal | None:
    """Take what an event outside the catalogue says of itself: its valence, else its rating if that names its scale."""
    if arguments.valence is not None:
        return Felt(arguments.valence)
    if arguments.rating_value is None or arguments.rating_scale is None:
        return None
    return rated(arguments.rating_scale, arguments.rating_value)


def _micro(felt: Felt | None) -> int:
    """Clamp to [−1, 1] and round to micro-units, half to even."""
    return 0 if felt is None else round(max(-1.0, min(1.0, felt.v)) * MICRO)
