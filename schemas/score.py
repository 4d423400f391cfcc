"""The score record: what stands in cx.scores.v1 under a customer's key."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate, pairwise
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, StringConstraints

from schemas.touchpoint import IDENTITY_CHARS_MAX, KIND_CHARS_MAX, RecordInstant

DIGITS: Final = 9
"""Of figures in answers, after the point: what differs behind them is how numbers are kept, not what was felt."""

Customer = Annotated[
    str,
    StringConstraints(min_length=3, max_length=KIND_CHARS_MAX + 1 + IDENTITY_CHARS_MAX),
    Field(description="A person: kind:value of its strongest, then smallest identity.", examples=["customer:c1"]),
]
BAND_PATTERN: Final = "^[a-z][a-z0-9_-]{0,29}$"
"""A word for where a score lies: a model may have bands of its own."""

Band = Annotated[
    str,
    StringConstraints(pattern=BAND_PATTERN),
    Field(
        description="unknown below a confidence of 0.1; else critical below a score of 25, low from 25, fair from 40, "
        "good from 60, great from 80, unless the model has other bands."
    ),
]


def _as_told(number: float) -> float:
    # Adding 0.0 takes the sign from a zero.
    return round(number, DIGITS) + 0.0


def parts_as_told(start: float, parts: Iterable[float]) -> list[float]:
    """Round what adds up, with a start, to a figure: rounded it still does, and each moves by less than the last digit.

    Each is what the rounded sum grows by. Rounded one by one, equal parts would all err to the same side.
    """
    sums = [round(each * 10**DIGITS) for each in accumulate(parts, initial=start)]
    return [_as_told((after - before) / 10**DIGITS) for before, after in pairwise(sums)]


_FIGURE: Final = AfterValidator(_as_told)
"""Of a number that somebody reads: 60, not 60.00000000000001."""

Score = Annotated[float, Field(ge=0, le=100, description="0 to 100; 50 is neutral or unknown."), _FIGURE]
Confidence = Annotated[float, Field(ge=0, lt=1, description="How much was seen: 0 nothing, towards 1 much."), _FIGURE]
StandardError = Annotated[float, Field(ge=0, le=50, description="Standard deviation of the score, in points."), _FIGURE]
Points = Annotated[float, Field(description="Points of the score, below zero for what lowers it."), _FIGURE]
ModelVersion = Annotated[str, Field(min_length=1, max_length=64, description="Hash of parameters and catalogue.")]
Version = Annotated[int, Field(ge=1, description="Rises with every change of the customer's state.")]


class Produced(BaseModel):
    """A strict and closed object that we write."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )


class Cell(Produced):
    """A score and how much was seen behind it."""

    score: Score
    confidence: Confidence


class Windows(Produced):
    """The score within the last hours and days alone, without decay."""

    hours_24: Annotated[Cell, Field(alias="24h")]
    days_7: Annotated[Cell, Field(alias="7d")]
    days_30: Annotated[Cell, Field(alias="30d")]
    days_90: Annotated[Cell, Field(alias="90d")]


class ScoredCustomer(Produced):
    """A customer's whole state at an hour."""

    customer: Customer
    version: Version
    """Take a record only when its version is above the one held."""
    at: RecordInstant
    """The hour the score was read at."""
    model_version: ModelVersion
    score: Score
    confidence: Confidence
    se: StandardError
    band: Band
    windows: Windows


class MergedCustomer(Produced):
    """A tombstone: this customer turned out to be another."""

    customer: Customer
    version: Version
    """Take a record only when its version is above the one held."""
    at: RecordInstant
    """When they were merged."""
    merged_into: Customer


class ScoreRecord(RootModel[ScoredCustomer | MergedCustomer]):
    """The value of a record in cx.scores.v1; a null value means that the customer was erased."""
