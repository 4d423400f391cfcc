"""The touchpoint event: what clients send, and the record that stands in the log."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, NamedTuple, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    StringConstraints,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from schemas.freeform import Properties, Text
from schemas.instant import INSTANT_PATTERN, parse_instant

EventType = Literal["tactus.touchpoint.v1"]
TYPE: Final[EventType] = get_args(EventType)[0]
"""The CloudEvents type of every event; another version is another type."""

ID_CHARS_MAX: Final = 128
"""The longest ids that vendors send are 100 characters; they are kept as they come."""

STORED_SOURCE_CHARS_MAX: Final = 200
"""The key's source (at most 64 characters), a slash, and the client's own."""

IDENTITY_CHARS_MAX: Final = 256
"""An e-mail address has at most 254 characters."""

IDENTITIES_MAX: Final = 16
"""A person seldom has more than five ways to be known; every pair is a link to store."""

RECORD_IDENTITIES_MAX: Final = IDENTITIES_MAX + 1
"""A subject sent beside the identities is one more."""

KIND_CHARS_MAX: Final = 32
"""A kind of identity is a word, not a value."""

SLUG_CHARS_MAX: Final = 96
"""Touchpoints and channels are names for people and keys of the leaf table, not values."""

PLACE_CHARS_MAX: Final = 96
"""A place is part of a leaf's key: a word and a short number."""

PRINTABLE: Final = r"[^\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]"
"""Any character but controls, line separators, marks of writing direction and non-characters."""

ID_PATTERN: Final = rf"^{PRINTABLE}{{1,{ID_CHARS_MAX}}}$"
STORED_SOURCE_PATTERN: Final = rf"^{PRINTABLE}{{1,{STORED_SOURCE_CHARS_MAX}}}$"
IDENTITY_PATTERN: Final = rf"^{PRINTABLE}{{1,{IDENTITY_CHARS_MAX}}}$"
SUBJECT_PATTERN: Final = rf"^{PRINTABLE}{{1,{KIND_CHARS_MAX + 1 + IDENTITY_CHARS_MAX}}}$"
TOUCHPOINT_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*)*$"
CHANNEL_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]*$"
PLACE_PATTERN: Final = rf"^[a-z][a-z0-9_-]{{0,31}}/{PRINTABLE}+$"
KIND_PATTERN: Final = r"^(customer|loyalty|email|phone|anonymous|device|x-[a-z0-9][a-z0-9_-]{0,29})$"
RECORD_KIND_PATTERN: Final = r"^(customer|loyalty|email_hash|phone_hash|anonymous|device|x-[a-z0-9][a-z0-9_-]{0,29})$"
RECORD_SUBJECT_PATTERN: Final = RECORD_KIND_PATTERN.removesuffix("$") + rf":{PRINTABLE}{{1,{IDENTITY_CHARS_MAX}}}$"
FORMERLY_PATTERN: Final = r"^(email|phone)_hash:[0-9a-f]{32}( (email|phone)_hash:[0-9a-f]{32})*$"
AGENT_PATTERN: Final = r"^[ -~]{1,256}$"
RANGES_PATTERN: Final = r"^[a-z0-9_-]{1,32}( [a-z0-9_-]{1,32}){0,33}$"
RECORD_TIME_PATTERN: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$"
ANY: Final = "any"
"""The channel of what may happen anywhere; the door puts the catalogue's in its place."""

JSON_TYPE_PATTERN: Final = r"^[Aa][Pp][Pp][Ll][Ii][Cc][Aa][Tt][Ii][Oo][Nn]/[Jj][Ss][Oo][Nn]( *;.*)?$"
"""Media types are written in any case (RFC 9110)."""
_HASHED_SUBJECT: Final = r"^(email_hash|phone_hash):"

MEANING: Final[Mapping[str, str]] = {
    ID_PATTERN: f"must be 1 to {ID_CHARS_MAX} printable characters",
    STORED_SOURCE_PATTERN: f"must be 1 to {STORED_SOURCE_CHARS_MAX} printable characters",
    IDENTITY_PATTERN: f"must be 1 to {IDENTITY_CHARS_MAX} printable characters",
    SUBJECT_PATTERN: "must be kind:value, or the customer's bare id, in printable characters",
    TOUCHPOINT_PATTERN: "must be a name such as web.page_viewed: a-z, 0-9, _ and - in parts joined by dots",
    CHANNEL_PATTERN: "must be a name such as web or contact_centre: a-z, 0-9, _ and -",
    PLACE_PATTERN: "must be kind/value, such as store/042",
    KIND_PATTERN: "must be customer, loyalty, email, phone, anonymous, device, or x- and a name",
    RECORD_KIND_PATTERN: "must be customer, loyalty, email_hash, phone_hash, anonymous, device, or x- and a name",
    RECORD_SUBJECT_PATTERN: "must be kind:value of the strongest identity",
    FORMERLY_PATTERN: "must be hashes as kind:value, parted by blanks",
    AGENT_PATTERN: "must be 1 to 256 printable ASCII characters",
    RANGES_PATTERN: "must be names of ranges, parted by blanks",
    RECORD_TIME_PATTERN: "must be an RFC 3339 time in UTC that ends in Z, to the microsecond at most",
    INSTANT_PATTERN: "must be an RFC 3339 time with an offset, such as 2026-03-01T12:00:00Z",
    JSON_TYPE_PATTERN: "must be application/json",
}
"""What each pattern asks for, in the words of an answer."""


def _existing_instant(text: str) -> str:
    try:
        parse_instant(text)
    except ValueError as error:
        raise PydanticCustomError("instant", "{reason}", {"reason": str(error)}) from None
    return text


Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
StoredSource = Annotated[str, StringConstraints(pattern=STORED_SOURCE_PATTERN)]
IdentityValue = Annotated[str, StringConstraints(pattern=IDENTITY_PATTERN)]
Touchpoint = Annotated[str, StringConstraints(pattern=TOUCHPOINT_PATTERN, max_length=SLUG_CHARS_MAX)]
Channel = Annotated[str, StringConstraints(pattern=CHANNEL_PATTERN, max_length=SLUG_CHARS_MAX)]
Place = Annotated[str, StringConstraints(pattern=PLACE_PATTERN, max_length=PLACE_CHARS_MAX)]
ClientInstant = Annotated[
    str,
    StringConstraints(pattern=INSTANT_PATTERN),
    AfterValidator(_existing_instant),
    Field(json_schema_extra={"format": "date-time"}),
]
RecordInstant = Annotated[
    str,
    StringConstraints(pattern=RECORD_TIME_PATTERN),
    AfterValidator(_existing_instant),
    Field(json_schema_extra={"format": "date-time"}),
]
EventClass = Literal["bot", "monitor", "staff", "test", "training", "void"]
"""What says nothing of a customer's experience: kept and counted, and never scored."""

Scale = Literal["nps", "csat5", "stars5", "ces7", "smiley4", "percent"]


class Closed(BaseModel):
    """A strict and closed object: no conversion, no unknown field, no NaN."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )


class Identity(Closed):
    """One way by which a client knows the person."""

    kind: Annotated[str, StringConstraints(pattern=KIND_PATTERN)]
    """`email` and `phone` are turned into keyed hashes on arrival and stored only so."""
    value: IdentityValue
    """The id itself, case kept."""


class Alias(Closed):
    """Another customer's id, that of the same person."""

    kind: Literal["customer"]
    """Only customers are made one by an alias; everything else is named among the identities."""
    value: IdentityValue
    """The id itself, case kept."""


class RecordIdentity(Closed):
    """One way by which the person is known, as it stands in the log."""

    kind: Annotated[str, StringConstraints(pattern=RECORD_KIND_PATTERN)]
    """E-mail addresses and phone numbers stand here only as keyed hashes."""
    value: IdentityValue
    """The id itself, or its hash."""


class CustomScale(Closed):
    """A scale of the client's own: worst, neutral and best value."""

    lo: float
    """The worst value; below `mid`."""
    mid: float
    """The neutral value."""
    hi: float
    """The best value; above `mid`."""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if not self.lo < self.mid < self.hi:
            raise PydanticCustomError("scale", "must rise: lo < mid < hi")
        return self


def _kind_of_scale(scale: object) -> str:
    return "Own" if isinstance(scale, dict | CustomScale) else "Name"


class Rating(Closed):
    """What the customer answered, and on which scale."""

    scale: (
        Annotated[Annotated[Scale, Tag("Name")] | Annotated[CustomScale, Tag("Own")], Discriminator(_kind_of_scale)]
        | None
    ) = None
    """A named scale or one of your own; left out, the catalogue's scale holds, and a touchpoint it lacks is not rated."""
    value: float
    """The answer; outside its scale the event is rejected."""


class _Body(Closed):
    """What happened, without the persons."""

    touchpoint: Touchpoint
    """What happened, by the catalogue's name; an unknown name is kept and weighs little."""
    place: Place | None = None
    """The shop, carrier, team or release, as kind/value."""
    alias: Alias | None = None
    """With `identity.linked`, by a server's key: another customer who is the one among the identities, too."""
    account: Id | None = None
    """The company the person acts for; `properties.role` may say as what: user, champion or decision_maker. Of a page's
    key it is kept, and counts for nothing."""
    case: Id | None = None
    """The complaint or ticket the event belongs to."""
    order: Id | None = None
    """The order the event belongs to."""
    rating: Rating | None = None
    """The customer's own answer."""
    valence: float | None = None
    """How good it was, from -1 to 1 (clamped); read only for touchpoints the catalogue does not know."""
    stake: Annotated[float, Field(ge=0, le=2)] | None = None
    """How much it mattered this time; 1 when left out."""
    text: Text | None = None
    """What the customer wrote."""
    class_: Annotated[EventClass | None, Field(alias="class")] = None
    """Who or what made the event, when it was no customer: it is kept and counted, and scores nothing."""
    properties: Properties | None = None
    """Anything else, free of form; `machine_made: true` says that no person did it."""


def _undefaulted(schema: dict[str, JsonValue]) -> None:
    schema.pop("default", None)


class TouchpointData(_Body):
    """What happened and to whom, as a client tells it."""

    channel: Annotated[Channel, Field(json_schema_extra=_undefaulted)] = ANY
    """Where it happened: web, pos, email, … or a name of your own; left out, the catalogue's for the touchpoint."""
    identities: Annotated[list[Identity], Field(min_length=1, max_length=IDENTITIES_MAX)] | None = None
    """Every way the person is known by; may be left out when the event has a subject."""


class RecordData(_Body):
    """What happened and to whom, as it stands in the log."""

    channel: Channel
    """Where it happened."""
    identities: Annotated[list[RecordIdentity], Field(min_length=1, max_length=RECORD_IDENTITIES_MAX)]
    """Every way the person is known by; a subject sent beside them is one more."""


class NamedIdentity(NamedTuple):
    """A kind and a value."""

    kind: str
    value: str


_SUBJECT_KIND: Final = re.compile(
    r"customer|loyalty|email|phone|email_hash|phone_hash|anonymous|device|x-[a-z0-9][a-z0-9_-]{0,29}"
)


def identity_of_subject(subject: str) -> NamedIdentity:
    """Split `kind:value`; a subject that starts with no known kind is the bare id of a customer."""
    kind, colon, value = subject.partition(":")
    if colon and _SUBJECT_KIND.fullmatch(kind):
        return NamedIdentity(kind, value)
    return NamedIdentity("customer", subject)


def _unhashed(subject: str) -> str:
    kind, value = identity_of_subject(subject)
    if kind in {"email_hash", "phone_hash"}:
        raise PydanticCustomError("subject", "must name an email or a phone itself: hashes are made here")
    if not value or len(value) > IDENTITY_CHARS_MAX:
        raise PydanticCustomError(
            "subject", "must have 1 to {most} characters after its kind", {"most": IDENTITY_CHARS_MAX}
        )
    return subject


class TouchpointEvent(Closed):
    """A CloudEvents 1.0 event as a client sends it; only `id`, `data` and one way to know the person are required."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["subject"], "properties": {"subject": {"type": "string"}}},
                {
                    "required": ["data"],
                    "properties": {
                        "data": {"required": ["identities"], "properties": {"identities": {"type": "array"}}}
                    },
                },
            ]
        }
    )

    specversion: Literal["1.0"] | None = None
    """The CloudEvents version."""
    id: Id
    """The event's own id, unique within its source: sending it again changes nothing."""
    source: Id | None = None
    """A part of the sender's own, such as a till; the key's source stands before it in the log."""
    type: EventType | None = None
    """The event's type and version."""
    time: ClientInstant | None = None
    """When it happened; the time of arrival when left out."""
    subject: (
        Annotated[
            str,
            StringConstraints(pattern=SUBJECT_PATTERN),
            AfterValidator(_unhashed),
            Field(json_schema_extra={"not": {"pattern": _HASHED_SUBJECT}}),
        ]
        | None
    ) = None
    """One more way the person is known by, as kind:value; a bare value is the customer's id."""
    datacontenttype: Annotated[str, StringConstraints(pattern=JSON_TYPE_PATTERN)] | None = None
    """Always JSON."""
    dataschema: Id | None = None
    """Read by nobody here; CloudEvents clients may send it."""
    data: TouchpointData
    """What happened and to whom."""

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if self.subject is None and self.data.identities is None:
            raise PydanticCustomError("identities", "must name somebody: send data.identities or subject")
        return self


class TouchpointRecord(Closed):
    """The event as it stands in the log: CloudEvents structured JSON, keyed by its subject."""

    specversion: Literal["1.0"]
    """The CloudEvents version."""
    id: Id
    """The client's id, kept."""
    source: StoredSource
    """The key's source, and after a slash the client's own."""
    type: EventType
    """The event's type and version."""
    time: RecordInstant
    """When it happened."""
    timeorigin: Literal["arrival", "clamped"] | None = None
    """Absent: the client's own time. arrival: it sent none. clamped: it lay ahead of the arrival."""
    clienttime: RecordInstant | None = None
    """What the client sent, when the time was clamped."""
    sentat: RecordInstant | None = None
    """When the client says to have sent it, by its own clock; absent: it does not say."""
    channelorigin: Literal["catalogue"] | None = None
    """catalogue: the client named no channel, and what stands in `data` is the touchpoint's usual one."""
    subject: Annotated[str, StringConstraints(pattern=RECORD_SUBJECT_PATTERN)]
    """The strongest identity, kind:value: whose tally takes the event, and the record's key."""
    datacontenttype: Literal["application/json"]
    """Always JSON."""
    receivedat: RecordInstant
    """When it arrived over HTTP."""
    keykind: Literal["server", "till", "signed", "browser"] | None = None
    """The kind of key it came by, which says how far its word on who is who is trusted; absent: not at all."""
    formerly: Annotated[str, StringConstraints(pattern=FORMERLY_PATTERN)] | None = None
    """Hashes under which an earlier version kept who is named, kind:value, parted by blanks; they are linked."""
    agent: Annotated[str, StringConstraints(pattern=AGENT_PATTERN)] | None = None
    """What the program of a page's visitor calls itself, reduced: no ids, versions to their second part."""
    ranges: Annotated[str, StringConstraints(pattern=RANGES_PATTERN)] | None = None
    """Names of the ranges in which the visitor's address lies, parted by blanks; the address itself is kept nowhere."""
    classed: Literal[EventClass, "none"] | None = None
    """The class that the rules give it, before the one in `data`; none: it scores whatever `data` says."""
    data: RecordData
    """What happened and to whom."""


ENVELOPE: Final = frozenset(TouchpointEvent.model_fields)
"""The envelope's own attributes; any other CloudEvents attribute is an extension."""

ATTRIBUTE_NAME: Final = re.compile(r"[a-z0-9]+")
"""CloudEvents advises at most 20 characters and Knative sends more; the event's own size bounds them."""


def without_extensions(event: Mapping[str, object]) -> dict[str, object]:
    """Return the event without CloudEvents extension attributes, which any CloudEvents sender may add.

    What does not look like an extension (its name, or an object or list as its value) stays, and gets the event rejected.
    """
    return {
        name: value
        for name, value in event.items()
        if name in ENVELOPE or not ATTRIBUTE_NAME.fullmatch(name) or isinstance(value, dict | list)
    }
