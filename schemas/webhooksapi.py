"""Webhooks over the API: what an owner asks, what is answered, and the message that an endpoint gets."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, get_args

from pydantic import Field, StringConstraints

from schemas.score import Band, Produced
from schemas.touchpoint import RecordInstant
from schemas.whatifapi import Asking

URL_CHARS_MAX: Final = 2048
URL_PATTERN: Final = r"^https?://[!-~]{1,2040}$"
"""The form; which hosts and ports may be named is judged beyond it."""

BODY_BYTES_MAX: Final = 16 * 1024
"""An endpoint as its owner writes it is at most 4 KiB."""

ENDPOINTS_MAX: Final = 200
"""Each takes a part of the connections that go out at once."""

FILTERS_MAX: Final = 32
CHANGES_MAX: Final = 50
DELIVERIES_PAGE_MAX: Final = 200
DELIVERIES_PAGE_DEFAULT: Final = 50
DELIVERIES_CURSOR_PATTERN: Final = r"^[1-9][0-9]{0,17}$"

MESSAGE_BYTES_MAX: Final = 20_000
"""What the Standard Webhooks spec asks messages to stay under."""

ANSWER_CHARS_MAX: Final = 1000
"""Of a receiver's answer so much is kept: a message of an error, not a page."""

FORMER_SECRET_HOURS: Final = 24
"""For so long the former secret signs beside the new one."""

TEST: Final = "webhook.test"

ChangeKind = Literal[
    "score.changed",
    "alert.opened",
    "alert.worsened",
    "alert.closed",
    "alert.withdrawn",
    "incident.opened",
    "incident.grown",
    "incident.resolved",
]
"""What an endpoint may be told."""

KINDS: Final[tuple[str, ...]] = get_args(ChangeKind)

WebhookState = Literal["enabled", "disabled"]
DeliveryState = Literal["waiting", "delivered", "failed", "superseded"]
"""superseded: a later score of the same customer went in its place."""

Url = Annotated[str, StringConstraints(pattern=URL_PATTERN, max_length=URL_CHARS_MAX)]
Description = Annotated[str, StringConstraints(pattern=r"^[ -~]*$", max_length=200)]
Kinds = Annotated[list[ChangeKind], Field(max_length=FILTERS_MAX)]
Bands = Annotated[list[Band], Field(max_length=FILTERS_MAX)]
Severities = Annotated[list[Literal["warning", "critical"]], Field(max_length=FILTERS_MAX)]


class NewWebhook(Asking):
    """An endpoint to be told; a filter that is left out or empty leaves nothing out."""

    url: Url
    description: Description = ""
    kinds: Kinds = Field(default_factory=list)
    bands: Bands = Field(default_factory=list)
    """Of scores; alerts and incidents have none."""
    severities: Severities = Field(default_factory=list)
    """Of alerts; scores and incidents have none."""


class WebhookChanges(Asking):
    """What is to be another; what is left out stays."""

    url: Url | None = None
    description: Description | None = None
    kinds: Kinds | None = None
    bands: Bands | None = None
    severities: Severities | None = None
    state: WebhookState | None = None
    """enabled begins anew, also after repeated failure."""


class WebhookAnswer(Produced):
    """An endpoint, and how its deliveries go."""

    id: str
    url: str
    description: str
    kinds: list[ChangeKind]
    bands: list[Band]
    severities: list[Literal["warning", "critical"]]
    state: WebhookState
    reason: str
    """Why it is disabled: asked, gone (it answered 410), or failing (for five days)."""
    made_at: RecordInstant
    failures: int
    """Attempts in a row that failed."""
    failing_since: RecordInstant | None
    resting_until: RecordInstant | None
    """After repeated failure it is tried again then, and not before."""
    waiting: int
    """Deliveries that wait; a thousand are as many as are counted."""


class WebhookMade(WebhookAnswer):
    """A new endpoint."""

    secret: str
    """Signs every message. It is shown this once."""


class WebhookAction(Produced):
    """Who did what to an endpoint."""

    at: RecordInstant
    by: str
    what: str


class WebhookWhole(WebhookAnswer):
    """An endpoint and what was done to it."""

    changes: Annotated[list[WebhookAction], Field(max_length=CHANGES_MAX)]
    """The newest first."""


class WebhooksAnswer(Produced):
    """All endpoints, the oldest first."""

    webhooks: Annotated[list[WebhookAnswer], Field(max_length=ENDPOINTS_MAX)]


class SecretAnswer(Produced):
    """The secret that signs from now on."""

    secret: str
    """It is shown this once."""
    former_until: RecordInstant
    """Until then messages bear the former one's signature too."""


class WebhookDelivery(Produced):
    """A message to an endpoint, and what became of it."""

    id: int
    message: str
    """webhook-id, the same at every attempt."""
    kind: str
    subject: str
    """The customer, account, incident or endpoint that it tells of."""
    state: DeliveryState
    attempts: int
    next_at: RecordInstant | None
    """When it is tried again."""
    at: RecordInstant
    tried_at: RecordInstant | None
    outcome: str | None
    """Of the last attempt: delivered, refused, redirected, gone, timeout, unreachable, unresolved, blocked or malformed."""
    status: int | None
    answer: str | None
    """The beginning of what the receiver answered, or what kept it from answering."""


class WebhookDeliveryWhole(WebhookDelivery):
    """A delivery with what it says."""

    body: str


class WebhookDeliveries(Produced):
    """A page of deliveries, the newest first."""

    deliveries: Annotated[list[WebhookDelivery], Field(max_length=DELIVERIES_PAGE_MAX)]
    next: str | None
    """The cursor of the page behind this one; null when there is none."""


class DeliveryQueued(Produced):
    """A delivery that is to go now."""

    delivery: int


class WebhookMessage(Produced):
    """The body of every message, as the Standard Webhooks spec has it."""

    type: str
    timestamp: RecordInstant
    """When it happened; an attempt's own time is in the header webhook-timestamp."""
    data: dict[str, Any]
    """The record as its topic has it, cx.scores.v1 for score.changed; of an alert that would be too long the first reasons.
    Of webhook.test: the endpoint."""
