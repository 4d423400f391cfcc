"""A customer's score day by day: the answer of the read API."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from schemas.score import Band, Confidence, Customer, ModelVersion, Produced, Score, StandardError, Version
from schemas.touchpoint import RecordInstant

DAYS_MAX: Final = 400
"""As long as what happened counts; a year and a month."""

DAYS_DEFAULT: Final = 365

DIMENSIONS: Final = ("touchpoint", "channel", "stage", "category", "driver", "control", "place")

HISTORY_VALUES_MAX: Final = 20
"""Of a dimension: more lines than a chart can show, and 200 KiB of JSON."""

HISTORY_TALLIES_MAX: Final = 100_000
"""Sums of one leaf and hour that a history is read from: each is read once for each day, which together takes seconds."""


class HistoryPoint(Produced):
    """The score at one moment."""

    at: RecordInstant
    score: Score
    confidence: Confidence
    se: StandardError
    band: Band


class HistoryColumn(Produced):
    """One value of the dimension at each of the points, in their order."""

    score: Annotated[list[Score], Field(max_length=DAYS_MAX)]
    confidence: Annotated[list[Confidence], Field(max_length=DAYS_MAX)]


class HistoryAnswer(Produced):
    """A customer's score once a day, each read as `?at=` of its moment is."""

    customer: Customer
    points: Annotated[list[HistoryPoint], Field(max_length=DAYS_MAX)]
    """The oldest first, 24 hours apart."""
    dimension: str | None
    values: Annotated[dict[str, HistoryColumn], Field(max_length=HISTORY_VALUES_MAX)]
    """By value of the dimension, those that most was seen of; empty when none was asked for."""
    left_out: Annotated[int, Field(ge=0)]
    """How many more values the dimension has."""
    model_version: ModelVersion
    version: Version
