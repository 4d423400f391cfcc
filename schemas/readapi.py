"""The answers of the read API."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from schemas.alert import AlertId, AlertStanding, Severity
from schemas.score import (
    Band,
    Cell,
    Confidence,
    Customer,
    ModelVersion,
    Points,
    Produced,
    Score,
    StandardError,
    Version,
    Windows,
)
from schemas.touchpoint import RecordInstant

ALERTS_MAX: Final = 20
"""Alerts close within 14 days and rest for four; twenty are about a year of them."""

VALUES_MAX: Final = 200
"""Of one dimension: more than the touchpoints that a catalogue declares, and 20 KiB of JSON."""

LEAVES_MAX: Final = 100
"""Lines of a receipt: nobody reads more, and with ten events behind each they are 150 KiB of JSON."""

TALLIES_MAX: Final = 400_000
"""Sums of one leaf and hour that an answer is read from: a thousand a day for as long as they count. They take a second
or two, and 100 MiB."""

KNOWN: Final = ("now", "then")
"""What an answer is read from: all that is known, or what had arrived by the end of the hour that it is read at."""

KNOWN_NOW: Final = "now"

KNOWN_THEN_MAX: Final = 100_000
"""Events that an answer is read from one by one: each is a row of its own, and together they take a second or two."""

LATEST_MAX: Final = 10
"""Events shown behind a leaf; the journey has them all."""

PAGE_MAX: Final = 500
"""Touchpoints in a page: about 170 KiB of JSON, and some 3 MiB when each holds the longest text, all escapes."""

TEXT_SHOWN_CHARS_MAX: Final = 1000
"""Of what a customer wrote: about 150 words. A receipt may show a thousand events, and each may hold 8,000."""

PAGE_DEFAULT: Final = 100
"""A screenful or two."""

CURSOR_PATTERN: Final = r"^[A-Za-z0-9_-]{32}$"
"""A place in a journey: to the caller it means nothing."""

Place = Annotated[str, Field(description="kind/value, or empty.")]
Said = Annotated[
    str,
    Field(
        max_length=TEXT_SHOWN_CHARS_MAX,
        description=f"What the customer wrote; of more than {TEXT_SHOWN_CHARS_MAX} characters the beginning, which ends "
        "with …. The view `touchpoint` has it whole.",
    ),
]


class Change(Produced):
    """How the score moved within a period: points = came + faded + fell_out."""

    points: Points
    """The score less what it was when the period began, both read from the same tallies."""
    came: Points
    """What the period brought: the score less what it would be without it."""
    faded: Points
    """What older experiences lost of their weight meanwhile."""
    fell_out: Points
    """What became 400 days old meanwhile and counts no more."""
    significant: bool
    """The score moved by 5 points or more, what came moved it by as much and the same way, on evidence of its own."""


class Changes(Produced):
    """How the score moved within the last 24 hours, 7 days and 30 days."""

    day: Change
    week: Change
    month: Change


class AlertSummary(Produced):
    """An alert of the customer."""

    id: AlertId
    rule: str
    severity: Severity
    state: AlertStanding
    opened_at: RecordInstant
    changed_at: RecordInstant
    closed_at: RecordInstant | None
    snoozed_until: RecordInstant | None
    score_before: Score
    score: Score


class CustomerAnswer(Produced):
    """A customer's score at a moment, along every dimension and window."""

    customer: Customer
    identities: list[str]
    """Every identity of the person, kind:value, the strongest first."""
    score: Score
    confidence: Confidence
    se: StandardError
    p_bad: Annotated[float, Field(ge=0, le=1)] | None
    """How likely a bad outcome is at this score, as the model was calibrated on outcomes; null when it was not."""
    band: Band
    bands: dict[Band, Score]
    """The bands of the model, the worst first, with the scores at which they begin."""
    change: Changes
    dimensions: dict[str, dict[str, Cell]]
    """By dimension (touchpoint, channel, stage, …), then by its value: of each at most 200, those most was seen of."""
    left_out: dict[str, Annotated[int, Field(ge=1)]]
    """By dimension, how many more values it has; a dimension that shows all of them is not named."""
    windows: Windows
    alerts: Annotated[list[AlertSummary], Field(max_length=ALERTS_MAX)]
    """Those that were opened by this moment, the newest first, as they stand now."""
    stale: list[str]
    """Sources that usually tell of this customer and are silent: what happens there is not in the score. Empty with `at`."""
    model_version: ModelVersion
    version: Version
    at: RecordInstant
    """The moment the score is read at; the whole hour that it falls in counts."""


class ScaleGiven(Produced):
    """A scale of the sender's own."""

    lo: float
    mid: float
    hi: float


class RatingGiven(Produced):
    """What the customer answered."""

    value: float
    scale: str | ScaleGiven | None = None
    """The scale that the event names; null where the touchpoint's own holds."""


class LatestEvent(Produced):
    """An event behind a leaf."""

    source: str
    id: str
    occurred_at: RecordInstant
    valence: Annotated[float, Field(ge=-1, le=1)]
    stake: Annotated[float, Field(ge=0, le=2)]
    rating: RatingGiven | None
    """What the customer answered, where the event has an answer."""
    text: Said | None


class FeltPromise(Produced):
    """A promise that is felt at a leaf: open past its time, kept, or ended."""

    kind: str
    """Which of the catalogue's promises."""
    about: str
    """What was promised: order/…, case/… or cart/…, or a part whose whole nobody named."""
    part: str
    """The part of it, as parcel/…, line/… or refund/…; empty for the whole."""


class AlsoTold(Produced):
    """An event that says again what counts once."""

    about: str
    source: str
    id: str


class ReceiptLeaf(Produced):
    """What one leaf adds to the score, or takes from it."""

    touchpoint: str
    label: str
    """The touchpoint's name for people, in the language of the answer."""
    channel: str
    place: Place
    points: Points
    events: Annotated[int, Field(ge=0)]
    """How many events there were; none where only a promise that was missed is felt."""
    latest: Annotated[list[LatestEvent], Field(max_length=LATEST_MAX)]
    """The newest of them, the newest first."""
    promises: Annotated[list[FeltPromise], Field(max_length=LATEST_MAX)]
    """Promises that are felt here, some of them when there are many."""
    also_told: Annotated[list[AlsoTold], Field(max_length=LATEST_MAX)]
    """What was told here again, by whomever: it counts once, by the event that told it first."""


class ReceiptOthers(Produced):
    """What the leaves that are not shown add to the score, or take from it, all together."""

    leaves: Annotated[int, Field(ge=0)]
    points: float
    events: Annotated[int, Field(ge=0)]


class ReceiptAnswer(Produced):
    """Why the score is what it is: prior + the sum of the points + those of the others = score."""

    customer: Customer
    score: Score
    prior: Score
    leaves: Annotated[list[ReceiptLeaf], Field(max_length=LEAVES_MAX)]
    """Those that moved the score most, the first the most."""
    others: ReceiptOthers
    """The rest of the leaves; zeros when there is none."""
    model_version: ModelVersion
    version: Version
    at: RecordInstant


class JourneyTouchpoint(Produced):
    """One event of the customer."""

    id: str
    source: str
    identity: str
    """Which identity it came under, kind:value."""
    touchpoint: str
    label: str
    """The touchpoint's name for people, in the language of the answer."""
    channel: str
    place: Place
    stage: str
    stage_label: str
    """The stage's name for people, in the language of the answer."""
    category: str
    occurred_at: RecordInstant
    received_at: RecordInstant
    valence: Annotated[float, Field(ge=-1, le=1)]
    stake: Annotated[float, Field(ge=0, le=2)]
    rating: RatingGiven | None
    """What the customer answered, where the event has an answer."""
    text: Said | None


class JourneyAnswer(Produced):
    """A page of the customer's touchpoints: pages go back in time, within a page the newest is last."""

    customer: Customer
    touchpoints: Annotated[list[JourneyTouchpoint], Field(max_length=PAGE_MAX)]
    next: str | None
    """The cursor of the page before this one in time; null when there is none."""
    version: Version
