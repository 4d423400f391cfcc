"""Every error an HTTP door may answer: RFC 9457 problem types, each with what the caller does about it."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from schemas.limits import (
    BODY_BYTES_MAX,
    DEPTH_MAX,
    EVENT_BYTES_MAX,
    EVENTS_MAX,
    HEADER_BYTES_MAX,
    INFLATED_BYTES_MAX,
    VALUES_MAX,
    kib,
    mib,
)

MEDIA_TYPE: Final = "application/problem+json"

TYPE_PREFIX: Final = "urn:tactus:problem:"
"""A name, not an address: it holds wherever the documentation is hosted."""


class ProblemType(BaseModel):
    """One row of the table: what happened, under which status, and what to do."""

    model_config = ConfigDict(frozen=True)

    slug: str
    title: str
    status: int
    remedy: str

    @property
    def uri(self) -> str:
        """The stable name that clients compare."""
        return TYPE_PREFIX + self.slug


class FaultBody(BaseModel):
    """One field that was refused."""

    model_config = ConfigDict(extra="forbid")

    field: str
    reason: str


class Problem(BaseModel):
    """The body of every error."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"description": "RFC 9457 problem details."})

    type: Annotated[str, Field(pattern="^urn:tactus:problem:[a-z-]+$")]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    """What to do, in full; never a repetition of the input."""
    faults: list[FaultBody] | None = None
    """The fields that were refused, when there are such."""


def _table(*rows: tuple[str, int, str, str]) -> dict[str, ProblemType]:
    return {
        slug: ProblemType(slug=slug, status=status, title=title, remedy=remedy) for slug, status, title, remedy in rows
    }


PROBLEMS: Final = _table(
    (
        "malformed-request",
        400,
        "The bytes are no HTTP/1.1 request",
        "Send HTTP/1.1 in the clear, with one Content-Length or chunked; TLS and HTTP/2 end at a proxy before.",
    ),
    (
        "malformed-json",
        400,
        "The body is not JSON",
        f"Send UTF-8 JSON (RFC 8259): no NaN, no Infinity, no half surrogate pairs, nesting of at most {DEPTH_MAX}.",
    ),
    (
        "malformed-event",
        400,
        "The CloudEvents headers do not make an event",
        "Send ce-specversion, ce-id, ce-source and ce-type once each, percent-encoded, or use the structured form.",
    ),
    (
        "malformed-encoding",
        400,
        "The body cannot be decompressed",
        "Send a whole gzip stream, or leave out Content-Encoding.",
    ),
    (
        "bad-parameter",
        400,
        "A query parameter is wrong",
        "Send only the parameters that the operation names, each at most once and in its form.",
    ),
    (
        "unauthorized",
        401,
        "The key is missing or not valid",
        "Send a valid key as Authorization: Bearer KEY; a revoked key needs a new one.",
    ),
    ("forbidden", 403, "The key may not do this", "Use a key with the right that the operation needs."),
    ("not-found", 404, "There is nothing here", "Check the address."),
    (
        "unknown-customer",
        404,
        "No customer has this identity",
        "Check the kind and the value; a customer appears with the first event that names it.",
    ),
    (
        "unknown-account",
        404,
        "No account has this name",
        "Check the name; an account appears with the first event that names it under a server's, till's or signed key.",
    ),
    (
        "unknown-event",
        404,
        "The customer has no such event",
        "Name events by source and id as the journey shows them; those older than 400 days count no more.",
    ),
    (
        "unknown-touchpoint",
        404,
        "There is no such touchpoint",
        "Name touchpoints as the catalogue does, or as the customer's receipt shows them.",
    ),
    (
        "unknown-place",
        404,
        "Nothing is known of this place",
        "Write kind/value as events do, such as store/042. A place is known with the census after its first event.",
    ),
    (
        "unknown-segment",
        404,
        "Nobody is known to be in this segment",
        "Declare the property and its values in TACTUS_AGGREGATOR__SEGMENTS; the next census tells people apart by them.",
    ),
    (
        "no-census",
        404,
        "Nothing was summed up yet",
        "Ask again in a minute: workers take the first census soon after the first event.",
    ),
    (
        "unknown-dead-letter",
        404,
        "There is no dead letter of this id",
        "Check the id; the letters of a person who was erased are gone.",
    ),
    (
        "unknown-alert",
        404,
        "There is no alert of this id",
        "Check the id; alerts go 431 days after they were closed, and those of a person who was erased at once.",
    ),
    ("unknown-webhook", 404, "There is no webhook of this id", "Ask for the list of webhooks: it has their ids."),
    (
        "unknown-delivery",
        404,
        "The webhook has no delivery of this number",
        "Ask for the list of its deliveries; they are kept for 30 days.",
    ),
    ("method-not-allowed", 405, "The method is not allowed here", "Use a method from the Allow header."),
    ("not-acceptable", 406, "The answer has another media type", "Accept application/json."),
    (
        "no-letters-named",
        409,
        "The request names no letters",
        "Name letters by their ids, or all of a reason, a source, a channel, an origin or a time.",
    ),
    (
        "event-named-twice",
        409,
        "The question names an event twice",
        "Name each event once, in without or in changed.",
    ),
    (
        "changes-gone",
        410,
        "The changes after this cursor are not kept, or are of another database",
        "Read everybody anew by GET /v1/customers, and go on with `changes` of its answer.",
    ),
    (
        "too-many-webhooks",
        409,
        "There are as many webhooks as there may be",
        "Remove one, or let one endpoint be told more.",
    ),
    (
        "delivery-superseded",
        409,
        "A later score of the same customer went in the place of this delivery",
        "Replay the later one, or read the customer.",
    ),
    ("timeout", 408, "The request took too long to arrive", "Send the request again, at once and whole."),
    (
        "alert-changed",
        412,
        "Somebody else has changed the work on this alert",
        "Read the alert again, and send the change with its ETag when it still holds.",
    ),
    (
        "body-too-large",
        413,
        "The body is too large",
        (
            f"Send at most {mib(BODY_BYTES_MAX)}, at most {mib(INFLATED_BYTES_MAX)} when inflated, "
            f"at most {EVENTS_MAX} events, each of at most {kib(EVENT_BYTES_MAX)}, and at most {VALUES_MAX} JSON values "
            "in all."
        ),
    ),
    (
        "unsupported-media-type",
        415,
        "The media type is not read here",
        "Send application/json, application/cloudevents+json or application/cloudevents-batch+json, plain or gzip.",
    ),
    (
        "invalid-event",
        422,
        "The event does not fit its schema",
        "Mend the named fields and send the event again under the same id.",
    ),
    (
        "invalid-question",
        422,
        "The question does not fit its schema",
        "Mend the named fields.",
    ),
    (
        "invalid-change",
        422,
        "The change does not fit its schema",
        "Mend the named fields.",
    ),
    (
        "idempotency-key-reused",
        422,
        "The key was used for another change of this alert",
        "Make an Idempotency-Key of its own for each change, and send it again only with the same one.",
    ),
    (
        "invalid-webhook",
        422,
        "The webhook does not fit its schema",
        "Mend the named fields.",
    ),
    (
        "url-not-allowed",
        422,
        "Webhooks do not go to this URL",
        "Write https://, a host whose addresses are public, and port 443 or one from 1024.",
    ),
    (
        "invalid-identity",
        422,
        "The identity cannot name anyone",
        "Write kind:value, the value percent-encoded; kinds: customer, loyalty, email, phone, anonymous, device, x-….",
    ),
    (
        "invalid-account",
        422,
        "The path can name no account",
        "Write the account's name as its events do: 1 to 128 printable characters, percent-encoded UTF-8.",
    ),
    (
        "account-too-large",
        422,
        "The histories of the account's contacts are too large to be read",
        "Look in the journey which contact sends so many events, and read the contacts one by one.",
    ),
    (
        "history-too-large",
        422,
        "The customer's history is too large to be read",
        "Read the customer's stored score in the view customer_score; look in the journey who sends so many events.",
    ),
    (
        "alert-revision-required",
        428,
        "The request does not say which revision of the work it changes",
        "Send the alert's ETag as If-Match, or If-Match: * to change whatever there is.",
    ),
    (
        "too-many-requests",
        429,
        "There are too many requests",
        "Send the same again, events under the same ids, after as long as Retry-After says.",
    ),
    (
        "headers-too-large",
        431,
        "The headers are too large",
        f"Send less than {kib(HEADER_BYTES_MAX)} of headers.",
    ),
    ("internal", 500, "The server failed", "Send the same again; when it fails again, tell the operator."),
    (
        "replay-not-set-up",
        501,
        "Dead letters cannot be sent again from here",
        "Give the API the address of ingest and an operator's key, TACTUS_API__INGEST and TACTUS_API__OPERATOR_KEY.",
    ),
    (
        "unavailable",
        503,
        "A part of the service is away",
        "Send the same again after Retry-After, with the same ids: what was kept after all counts once.",
    ),
)
"""The one table of problems; the doors answer from it and the documentation prints it."""
