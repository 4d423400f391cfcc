"""What all people have lived through, summed up: the answers of the read API."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import Field

from schemas.readapi import PAGE_MAX
from schemas.score import ModelVersion, Produced, Score
from schemas.touchpoint import RecordInstant

CELLS_MAX: Final = 5_000
"""Stages and channels: ten stages, and more channels than any company has."""

PLACE_KIND_PATTERN: Final = r"^[a-z][a-z0-9_-]{0,31}$"
"""What stands before the slash of a place."""

SEGMENT_PATTERN: Final = r"^[a-z][a-z0-9_]{0,31}:[A-Za-z0-9_.-]{1,40}$"
"""A property of events and its value, as the setting declares them; other is any value that it does not."""

CHOICES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "stage": (
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
            "unknown",
        ),
        "driver": (
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
            "unknown",
        ),
        "control": ("owned", "partner", "third_party", "unknown"),
    }
)
"""The words by which a question may choose; unknown is of touchpoints that nobody declared."""

Count = Annotated[int, Field(ge=0)]
Lost = Annotated[
    float,
    Field(
        description="Σ over customers of 100·prior·L/D: what its bad evidence took from their scores of the period. Below "
        "zero only where resolved cases make up for harm that was done elsewhere."
    ),
]
Won = Annotated[
    float, Field(description="Σ over customers of 100·(1 − prior)·G/D: what its good evidence gave to them.")
]


class PeriodSums(Produced):
    """What customers have lived through there in 30 days."""

    score: Score | None
    """The mean of the scores that the customers touched give to it, each read from these days alone; null without any."""
    points_lost: Lost
    points_won: Won
    customers: Count
    """Who had an event there, good, bad or neutral."""
    events: Count


class Measured(Produced):
    """The same in the last 30 days, and in the 30 days before."""

    period: PeriodSums
    before: PeriodSums
    trend: float
    """Points lost in the period less those lost in the one before: above zero it has become worse."""


class DriverSums(Measured):
    """One of the things that people weigh."""

    driver: str
    label: str


class ControlSums(Measured):
    """What the company controls, what a partner does, and what nobody does."""

    control: str
    label: str


class TouchpointSums(Measured):
    """One touchpoint, on all channels."""

    touchpoint: str
    label: str
    """The touchpoint's name for people, in the language of the answer."""
    stage: str
    driver: str
    control: str


class CellSums(Measured):
    """One stage of the journey on one channel."""

    stage: str
    stage_label: str
    channel: str


class PlaceSums(Measured):
    """One place."""

    place: str
    """kind/value."""


class CensusAnswer(Produced):
    """Of whom the sums are, of when, and all of them together."""

    account: str | None
    """Only this account's contacts, each by their own score, whatever the role; null: everybody."""
    place: str | None
    """Only what happened at this place; null: anywhere."""
    segment: str | None
    """Only people of whom this property was said last, property:value; null: whatever was said of them."""
    persons: Count
    """So many people were read, touched or not."""
    everything: Measured
    days: Annotated[int, Field(ge=1)]
    """Of the period, and of the one before."""
    at: RecordInstant
    """The hour with which the period ends."""
    counted_at: RecordInstant
    """When the last person was read: what came later is in the next census."""
    model_version: ModelVersion


class DriversAnswer(CensusAnswer):
    """What people weigh, those that lost most points first."""

    drivers: list[DriverSums]
    controls: list[ControlSums]


class TouchpointsAnswer(CensusAnswer):
    """The touchpoints that lost most points, the first the most."""

    touchpoints: Annotated[list[TouchpointSums], Field(max_length=PAGE_MAX)]
    left_out: Count
    """How many more there are."""
    controls: list[ControlSums]
    """The same split by who can mend it; of all touchpoints, whatever the question leaves out."""


class JourneyMapAnswer(CensusAnswer):
    """Stages by channels, in the order of the journey; within a stage those that lost most first."""

    cells: Annotated[list[CellSums], Field(max_length=CELLS_MAX)]


class PlacesAnswer(CensusAnswer):
    """The places that lost most points, the first the most."""

    places: Annotated[list[PlaceSums], Field(max_length=PAGE_MAX)]
    more: bool
    """Whether there are others."""
