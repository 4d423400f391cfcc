"""What moved a customer's score within a period: the answer of the read API."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from schemas.readapi import LATEST_MAX, LEAVES_MAX, Change, FeltPromise, LatestEvent, Place
from schemas.score import Band, Confidence, Customer, ModelVersion, Points, Produced, Score, Version
from schemas.touchpoint import RecordInstant

PERIOD_DEFAULT: Final = "week"

PERIODS: Final = ("day", "week", "month")

Period = Annotated[str, StringConstraints(pattern=f"^({'|'.join(PERIODS)})$")]
Events = Annotated[int, Field(ge=0)]


class ChangeEnd(Produced):
    """The score at one end of the period."""

    score: Score
    confidence: Confidence
    band: Band
    at: RecordInstant


class ChangeLeaf(Produced):
    """One leaf in the receipts of both ends: after − before = came + faded + fell_out + diluted."""

    touchpoint: str
    label: str
    """The touchpoint's name for people, in the language of the answer."""
    channel: str
    place: Place
    before: Points
    """What the leaf added to the score, or took from it, when the period began."""
    after: Points
    came: Points
    """What its own events within the period did to the score: good ones never lower it, bad ones never raise it."""
    faded: Points
    """What its older events did by losing weight."""
    fell_out: Points
    """What its events did that became 400 days old and count no more."""
    diluted: Points
    """What the evidence of other leaves did to this one's share; over all leaves it is nothing."""
    events: Events
    """How many of its events came within the period."""
    events_before: Events
    """How many counted when it began."""
    latest: Annotated[list[LatestEvent], Field(max_length=LATEST_MAX)]
    """The newest of all of them, the newest first."""
    promises: Annotated[list[FeltPromise], Field(max_length=LATEST_MAX)]
    """Promises that are felt here at either end, some of them when there are many."""


class ChangeOthers(Produced):
    """The leaves that are not shown, all together."""

    leaves: Events
    before: Points
    after: Points
    came: Points
    faded: Points
    fell_out: Points
    diluted: Points
    events: Events
    events_before: Events


class ChangeAnswer(Produced):
    """Two receipts side by side: what came, faded and fell out of all leaves adds up to the change."""

    customer: Customer
    over: Period
    before: ChangeEnd
    after: ChangeEnd
    change: Change
    leaves: Annotated[list[ChangeLeaf], Field(max_length=LEAVES_MAX)]
    """Those that moved the score most, the first the most."""
    others: ChangeOthers
    """The rest of the leaves; zeros when there is none."""
    model_version: ModelVersion
    version: Version
