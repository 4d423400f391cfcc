"""What a customer's score would be by other numbers or another past: the question, and the answer of the read API."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from schemas.readapi import LEAVES_MAX, Place
from schemas.score import Band, Confidence, Customer, ModelVersion, Points, Produced, Score, StandardError, Version
from schemas.touchpoint import ClientInstant, Id, RecordInstant, StoredSource, Touchpoint
from schemas.weighing import PARAMETER_BOUNDS, WEIGHT_MAX

BODY_BYTES_MAX: Final = 64 * 1024
"""All weights and a hundred events named are 30 KiB."""

WEIGHTS_MAX: Final = 500
"""The catalogue has about 150 touchpoints; a deployment's own may be as many again."""

EVENTS_MAX: Final = 100
"""Somebody names them one by one."""

Probability = Annotated[float, Field(ge=0, le=1)]


class Asking(BaseModel):
    """A closed object that somebody sends."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        validate_by_name=True,
        validate_by_alias=True,
    )


def _between(name: str) -> object:
    least, most = PARAMETER_BOUNDS[name]
    return Field(default=None, alias=name, ge=least, le=most)


class OtherParameters(Asking):
    """Parameters of the score that are to be other ones; those left out stay."""

    lambda_: Annotated[float | None, _between("lambda")]
    beta: Annotated[float | None, _between("beta")]
    kappa: Annotated[float | None, _between("kappa")]
    prior: Annotated[float | None, _between("prior")]
    cap: Annotated[float | None, _between("cap")]
    half_life_days: Annotated[float | None, _between("half_life_days")]
    factor_decision_maker: Annotated[float | None, _between("factor_decision_maker")]
    """Factors of roles weigh in accounts alone: a customer's own score stays."""
    factor_champion: Annotated[float | None, _between("factor_champion")]
    factor_user: Annotated[float | None, _between("factor_user")]


class NamedEvent(Asking):
    """An event of the customer, as the journey names it."""

    source: StoredSource
    id: Id


class ChangedEvent(NamedEvent):
    """An event as it is to have been; what is left out stays."""

    valence: Annotated[float | None, Field(default=None, ge=-1, le=1)]
    stake: Annotated[float | None, Field(default=None, ge=0, le=2)]


class WhatIfQuestion(Asking):
    """What the score of a customer would be."""

    customer: Annotated[str, Field(min_length=3, max_length=300, examples=["customer:c1"])]
    """Any identity of the customer, kind:value."""
    at: Annotated[ClientInstant | None, Field(default=None)]
    """The moment to read at; now when left out."""
    parameters: Annotated[OtherParameters | None, Field(default=None)]
    weights: Annotated[
        dict[Touchpoint, Annotated[float, Field(ge=0, le=WEIGHT_MAX)]],
        Field(default={}, max_length=WEIGHTS_MAX, json_schema_extra={"additionalProperties": False}),
    ]
    """Other weights, by touchpoint."""
    without: Annotated[list[NamedEvent], Field(default=[], max_length=EVENTS_MAX)]
    """Events that are not to have happened."""
    changed: Annotated[list[ChangedEvent], Field(default=[], max_length=EVENTS_MAX)]
    """Events that are to have felt otherwise."""


class WhatIfReading(Produced):
    """A score as it is, or as it would be."""

    score: Score
    confidence: Confidence
    se: StandardError
    band: Band
    p_bad: Probability | None
    """How likely a bad outcome is at this score; null when the model was not calibrated."""
    prior: Score


class WhatIfLeaf(Produced):
    """What one leaf adds to the score or takes from it, as it is and as it would be."""

    touchpoint: str
    label: str
    """The touchpoint's name for people, in the language of the answer."""
    channel: str
    place: Place
    before: Points
    after: Points
    difference: Points
    events_before: Annotated[int, Field(ge=0)]
    events_after: Annotated[int, Field(ge=0)]


class WhatIfOthers(Produced):
    """The leaves that are not shown, all together."""

    leaves: Annotated[int, Field(ge=0)]
    difference: Points


class WhatIfAnswer(Produced):
    """Two receipts side by side: what the prior does + the sum of the differences + those of the others = what would change."""

    customer: Customer
    before: WhatIfReading
    after: WhatIfReading
    difference: Points
    """The score as it would be less the score as it is."""
    leaves: Annotated[list[WhatIfLeaf], Field(max_length=LEAVES_MAX)]
    """Those that differ most, the first the most."""
    others: WhatIfOthers
    model_version: ModelVersion
    """Of the model that the score is read by as it is."""
    version: Version
    at: RecordInstant
