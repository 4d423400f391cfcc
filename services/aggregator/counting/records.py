"""Read one record of the log: a touchpoint, or the reason why it can never be one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from schemas.touchpoint import RECORD_IDENTITIES_MAX, RECORD_KIND_PATTERN, TYPE
from services.aggregator.processor import Record
from services.core import identity as identities
from services.core.catalogue import MACHINE_MADE, Arguments, Catalogue, Refusal
from services.core.classes import NONE
from services.core.dimensions import Leaf
from services.core.facts import Fact, Teller, facts_of
from services.core.instants import HOUR_US, micros_of
from services.core.persons import ALIAS_KEY, LEAST_TRUST, TRUST_OF_KEY, is_customer
from services.core.roles import ROLE, role_said
from services.core.sameness import body_hash, event_key
from services.core.tallies import MICRO

SPEC_VERSION: Final = "1.0"

TIME_US_MAX: Final = (1 << 20) * HOUR_US
"""Hours since 1970 are kept in 20 bits of the sort key: until the year 2089."""

Name = Annotated[str, Meta(min_length=1, max_length=128)]
Slug = Annotated[str, Meta(max_length=128)]
Instant = Annotated[datetime, Meta(tz=True)]


class NamedIdentity(msgspec.Struct, gc=False, frozen=True):
    """One identity as the event names it."""

    kind: Name
    value: Annotated[str, Meta(min_length=1, max_length=256)]


class Scale(msgspec.Struct, gc=False, frozen=True):
    """A scale given by its ends and its middle."""

    lo: float
    mid: float
    hi: float


class Rating(msgspec.Struct, gc=False, frozen=True):
    """What somebody answered, and on which scale."""

    value: float
    scale: str | Scale | None = None


class Data(msgspec.Struct, gc=False):
    """The part of a touchpoint's data that the score needs; the rest stays in the body."""

    touchpoint: Name
    channel: Slug = ""
    place: Slug = ""
    identities: tuple[NamedIdentity, ...] = ()
    alias: NamedIdentity | None = None
    rating: Rating | None = None
    valence: float | None = None
    stake: float | None = None
    order: Slug | None = None
    case: Slug | None = None
    properties: msgspec.Raw = msgspec.Raw()
    class_: str = msgspec.field(default="", name="class")
    account: Slug = ""


class Envelope(msgspec.Struct, gc=False):
    """The CloudEvents envelope; `data` is kept raw, because its bytes are what is compared."""

    specversion: str
    type: str
    id: Name
    source: Annotated[str, Meta(min_length=1, max_length=260)]
    time: Instant
    subject: Annotated[str, Meta(min_length=3, max_length=400)]
    data: msgspec.Raw
    receivedat: Instant | None = None
    sentat: Instant | None = None
    timeorigin: str = ""
    clienttime: Instant | None = None
    channelorigin: str = ""
    keykind: str = ""
    """Of the key that it came in by; ingest writes it, so no client can."""
    classed: str = ""
    """What ingest's rules say it is, before what it says itself: its class, or none for an event that scores."""
    formerly: str = ""
    """Hashes under which an earlier version of ingest knew who is named. Not in `data`, whose hash is the client's."""


class Event(msgspec.Struct, gc=False, frozen=True):
    """A touchpoint, ready to be counted."""

    record: Record
    """What it was read from."""
    key: bytes
    """16 bytes of the hash of source and id."""
    occurred_us: int
    received_us: int
    body_hash: bytes
    """8 bytes of the hash of what the client sent."""
    subject: str
    others: tuple[str, ...]
    """Identities named beside the subject."""
    leaf: tuple[str, str, str]
    v: int
    q: int
    """What its tally gets: none of the stake where facts say how it counts."""
    source: str
    event_id: str
    overridden: bool
    trust: int
    """How far its key is believed about who is who."""
    alias: str
    """Another customer who is the subject, too; empty for nearly every event."""
    sent_us: int | None
    """When its sender says to have sent it, or what it said to be its time when that lay ahead of the arrival."""
    dated: bool
    """Whether its time is the sender's own."""
    facts: tuple[Fact, ...]
    """What is kept of it beside its tally; of nobody yet."""
    account: str
    """The company that the person acts for, if its key is believed about that; empty for nearly every event."""
    role: int | None
    """As what, among ROLES; None when it does not say."""

    @property
    def body(self) -> bytes:
        """The record's value, as it stands in the log."""
        return self.record.value or b""

    @property
    def logged_us(self) -> int:
        """When the log took it, in microseconds since 1970."""
        return self.record.timestamp * 1000


class Poison(NamedTuple):
    """A record that can never be counted: it becomes a dead letter."""

    reason: str
    detail: str
    source: str | None = None
    event_id: str | None = None


UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError, OverflowError)
"""What decoding raises on bytes that are no event; deep nesting is a RecursionError, not a DecodeError."""

_KIND: Final = re.compile(RECORD_KIND_PATTERN)
_MACHINE_MADE: Final = MACHINE_MADE.encode()

NOBODYS: Final[tuple[str, int | None]] = ("", None)
"""Who acts for no company."""

_envelope: Final = msgspec.json.Decoder(Envelope)
_data: Final = msgspec.json.Decoder(Data)
_properties: Final = msgspec.json.Decoder(dict[str, object])
_any: Final = msgspec.json.Decoder()


def read_record(record: Record, *, catalogue: Catalogue, known: Mapping[str, object]) -> Event | Poison:
    """Decode one record; `known` are identities that were vetted before. Never raises on any bytes."""
    value = record.value
    if value is None:
        return Poison("null_value", "the record has no value")
    try:
        if not value.isascii():
            value.decode("utf-8")
        if b"\\u0000" in value and _has_nul(_any.decode(value)):
            return Poison("invalid_character", "a string holds U+0000")
        envelope = _envelope.decode(value)
    except UNREADABLE as error:
        return _malformed(value, error)
    if envelope.specversion != SPEC_VERSION or envelope.type != TYPE:
        return _poison(envelope, "unknown_version", f"it is not {TYPE}")
    try:
        return _event(record, envelope, catalogue, known)
    except UNREADABLE as error:
        return _poison(envelope, "invalid_event", str(error)[:200])


def _event(record: Record, envelope: Envelope, catalogue: Catalogue, known: Mapping[str, object]) -> Event | Poison:
    data = _data.decode(envelope.data)
    # What lies ahead of the log's own time counts at that time: a score of this hour must hold every event of it.
    occurred_us = min(round(envelope.time.timestamp() * 1_000_000), record.timestamp * 1000 + 999)
    if not 0 <= occurred_us < TIME_US_MAX:
        return _poison(envelope, "time_out_of_range", "the time is not in 1970–2089")
    subject = envelope.subject
    others: tuple[str, ...] = ()
    if len(data.identities) != 1 or not _names(data.identities[0], subject):
        others = _others(data.identities, subject)
    if envelope.formerly:
        others = tuple(sorted({*others, *envelope.formerly.split()} - {subject}))
        if len(others) >= RECORD_IDENTITIES_MAX:
            raise ValueError(f"identities: at most {RECORD_IDENTITIES_MAX}, with those of formerly")
    alias = _alias(data.alias, subject)
    if (others or subject not in known) and (why := _vet(subject, others, known)):
        return _poison(envelope, *why)
    if alias and (why := _vet_alias(alias, subject, envelope.keykind)):
        return _poison(envelope, *why)
    received = envelope.receivedat
    received_us = occurred_us if received is None else round(received.timestamp() * 1_000_000)
    judged = judge(
        envelope, data, catalogue, classed=envelope.classed, occurred_us=occurred_us, received_us=received_us
    )
    if isinstance(judged, Refusal):
        detail = f"{judged.field}: {judged.reason}"[:200]
        return _poison(envelope, "invalid_argument", detail)
    v, q, overridden, facts = judged
    # Positional, in the order of the fields: this line runs once an event, and keywords cost a tenth of its time.
    return Event(
        record,
        event_key(envelope.source, envelope.id),
        occurred_us,
        received_us,
        body_hash(bytes(envelope.data), channel_origin=envelope.channelorigin),
        subject,
        others,
        leaf_of(data, catalogue),
        v,
        q,
        envelope.source,
        envelope.id,
        overridden,
        TRUST_OF_KEY.get(envelope.keykind, LEAST_TRUST),
        alias,
        _micros(envelope.sentat or envelope.clienttime),
        envelope.timeorigin != "arrival",
        facts,
        *(_acts_for(data, envelope.keykind) if data.account else NOBODYS),
    )


def _acts_for(data: Data, keykind: str) -> tuple[str, int | None]:
    """Tell for which company somebody acts, and in which role; a page's word about it counts for nothing.

    Anybody can read a page's key: whoever wished a company's score down could make a decision maker of themselves.
    """
    if TRUST_OF_KEY.get(keykind, LEAST_TRUST) >= LEAST_TRUST:
        return NOBODYS
    properties = bytes(data.properties)
    role = _properties.decode(properties).get(ROLE) if properties else None
    return data.account, None if role is None else role_said(role)


def _micros(at: datetime | None) -> int | None:
    return None if at is None else micros_of(at)


def body_hash_of(value: bytes) -> bytes:
    """Return the hash of an event as it stands in the log; raises what is in UNREADABLE."""
    envelope = _envelope.decode(value)
    return body_hash(bytes(envelope.data), channel_origin=envelope.channelorigin)


def _vet(subject: str, others: tuple[str, ...], known: Mapping[str, object]) -> tuple[str, str] | None:
    """Tell why these identities may not stand in one event, or not at all."""
    for name in (subject, *others):
        if name not in known and (why := _refusal(name)):
            return "refused_identity", why
    if sum(name.startswith("customer:") for name in (subject, *others)) > 1:
        return "two_customers", "an event may name one customer"
    return None


def _alias(named: NamedIdentity | None, subject: str) -> str:
    return "" if named is None or _names(named, subject) else f"{named.kind}:{named.value}"


def _vet_alias(alias: str, subject: str, keykind: str) -> tuple[str, str] | None:
    """Tell why an event may not make one person of its subject and another customer."""
    if why := _refusal(alias):
        return "refused_identity", why
    if not (is_customer(alias) and is_customer(subject)):
        return "invalid_event", "alias: is for two customers"
    return None if keykind == ALIAS_KEY else ("two_customers", "alias: only a server's key may join two customers")


def _poison(envelope: Envelope, reason: str, detail: str) -> Poison:
    return Poison(reason, detail, envelope.source, envelope.id)


def _names(identity: NamedIdentity, subject: str) -> bool:
    return f"{identity.kind}:{identity.value}" == subject


def leaf_of(data: Data, catalogue: Catalogue) -> tuple[str, str, str]:
    """Give the leaf that an event falls to."""
    return data.touchpoint, data.channel or catalogue.entry(data.touchpoint).channel, data.place


class Told(Protocol):
    """Who tells of an event, and by which key."""

    id: str
    source: str
    keykind: str


def judge(
    envelope: Told, data: Data, catalogue: Catalogue, *, classed: str, occurred_us: int, received_us: int
) -> tuple[int, int, bool, tuple[Fact, ...]] | Refusal:
    """Judge an event: valence, the stake of its tally, whether its own valence was not used, and its facts.

    `classed` is what rules say of it, before what it says itself.
    """
    properties = bytes(data.properties)
    unscored = (classed or data.class_ or NONE) != NONE
    # Of nearly every event the properties stay undecoded.
    may_leave_facts = data.touchpoint in catalogue.leaves_facts
    names_nothing = may_leave_facts and not (data.order or data.case or catalogue.fact_words.search(properties))
    may_be_unscored = unscored or _MACHINE_MADE in properties
    constant = catalogue.constant(data, may_be_unscored=may_be_unscored, names_nothing=names_nothing)
    if constant is not None and not (data.case and constant < 0):
        return constant, MICRO, False, ()
    arguments = _arguments(data, occurred_us, unscored=unscored)
    judged = catalogue.impression(data.touchpoint, arguments)
    if isinstance(judged, Refusal):
        return judged
    if not (data.case or may_leave_facts):
        return judged.v, judged.q, judged.overridden, ()
    teller = Teller(
        leaf=Leaf._make(leaf_of(data, catalogue)),
        order=data.order or "",
        case=data.case or "",
        source=envelope.source,
        event_id=envelope.id,
        received_us=received_us,
        trust=TRUST_OF_KEY.get(envelope.keykind, LEAST_TRUST),
    )
    left = facts_of(teller, arguments, judged, catalogue=catalogue)
    return judged.v, left.q, judged.overridden, left.facts


def _arguments(data: Data, occurred_us: int, *, unscored: bool) -> Arguments:
    properties, rating = bytes(data.properties), data.rating
    scale = rating.scale if rating else None
    return Arguments(
        occurred_at_us=occurred_us,
        rating_scale=(scale.lo, scale.mid, scale.hi) if isinstance(scale, Scale) else scale,
        rating_value=rating.value if rating else None,
        valence=data.valence,
        stake=data.stake,
        unscored=unscored,
        properties=_properties.decode(properties) if properties else {},
    )


def _others(named: tuple[NamedIdentity, ...], subject: str) -> tuple[str, ...]:
    if len(named) > RECORD_IDENTITIES_MAX:
        raise ValueError(f"identities: at most {RECORD_IDENTITIES_MAX}")
    names = {f"{one.kind}:{one.value}" for one in named}
    names.discard(subject)
    return tuple(sorted(names))


def _refusal(name: str) -> str | None:
    kind, colon, value = name.partition(":")
    if not colon:
        return "an identity is kind:value"
    if not _KIND.fullmatch(kind):
        return "the log holds no identity of this kind: e-mail and phone only as hashes"
    return identities.refusal(kind, value)


def _malformed(value: bytes, error: Exception) -> Poison:
    if isinstance(error, msgspec.ValidationError):
        return Poison("invalid_event", str(error)[:200])
    return Poison("malformed_json", f"{type(error).__name__} in {len(value)} bytes")


def _has_nul(tree: object) -> bool:
    stack = [tree]
    while stack:
        match stack.pop():
            case str(text) if "\0" in text:
                return True
            case dict(fields):
                stack.extend(fields.keys())
                stack.extend(fields.values())
            case list(items):
                stack.extend(items)
            case _:
                pass
    return False
