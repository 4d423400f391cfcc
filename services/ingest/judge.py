"""Judge one event: the record that goes into the log, or why it is rejected. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec
from pydantic import ValidationError

from schemas.faults import fault_of
from schemas.instant import parse_instant, write_instant
from schemas.topics import EVENTS, LATE
from schemas.touchpoint import (
    RECORD_IDENTITIES_MAX,
    TYPE,
    Alias,
    CustomScale,
    RecordData,
    TouchpointData,
    TouchpointEvent,
    TouchpointRecord,
    identity_of_subject,
    without_extensions,
)
from services.core.catalogue import MACHINE_MADE, Arguments, Catalogue, Refusal
from services.core.classes import NO_RULES, NOTHING_SEEN, Rules, Seen, class_of_record, reclass
from services.core.identity import CUSTOMER, WEAK, strength
from services.core.persons import ALIAS_KEY, LEAST_TRUST, TRUST_OF_KEY
from services.core.roles import ROLE, ROLES, role_of
from services.infra.errors import InvalidEventError
from services.infra.pseudonyms import former_identity, stored_identity
from services.infra.sources import Source
from services.infra.spelling import Spelt
from services.ingest.rejection import Reason, Rejected

LATE_AFTER: Final = timedelta(hours=24)
"""Older events take the lane beside, so that a backfill never delays a live score."""

LINKED: Final = "identity.linked"
"""Of an event that tells only who is who."""

TWO_CUSTOMERS: Final = (
    f"data.identities: names two customers; an event is about one. If they are one person, a server says so by {LINKED}, "
    "with one of them as data.alias"
)

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_ENCODER: Final = msgspec.json.Encoder(order="deterministic")
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Accepted(NamedTuple):
    """What goes into the log for an event, and what the metrics say about it."""

    event_id: str
    topic: str
    key: bytes
    value: bytes
    channel: str
    touchpoint: str
    known: bool
    event_class: str
    """Why it does not score, or empty."""
    hint: str = ""
    """What its sender probably meant otherwise, in words that repeat nothing of the event; empty for nearly all."""


class Arrival(NamedTuple):
    """When a request's events came, once for all of them."""

    at: datetime
    text: str
    sent: str | None = None
    """When their sender says to have sent them, RFC 3339 in UTC; None when it does not."""


def arrival(time_us: int) -> Arrival:
    """Make the arrival of so many microseconds since 1970."""
    at = EPOCH + timedelta(microseconds=time_us)
    return Arrival(at, write_instant(at))


class _People(NamedTuple):
    """Who an event is about, the strongest first, and the hashes under which an earlier version knew them."""

    named: list[Spelt]
    former: list[Spelt]
    alias: Spelt | None = None
    """Another customer who is the strongest of these, too."""


class _Moment(NamedTuple):
    """When it happened, and where that time comes from."""

    at: datetime
    text: str
    marks: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Everything that a verdict depends on, besides the event, its source and the time of arrival."""

    catalogue: Catalogue
    hash_key: bytes

    def judge(
        self,
        event: object,
        *,
        source: Source,
        received: Arrival,
        came: Arrival | None = None,
        seen: Seen = NOTHING_SEEN,
        rules: Rules = NO_RULES,
    ) -> Accepted | Rejected:
        """Return the record of a good event, or why it is rejected. Without rules it is of the class that it says.

        One that was set aside before has come earlier than it is received: its times are judged by when it came, so that
        it becomes the same however often and however late it is sent again.
        """
        came = came or received
        try:
            parsed = TouchpointEvent.model_validate(without_extensions(event) if isinstance(event, dict) else event)
        except ValidationError as error:
            fault = fault_of(error)
            return Rejected(Reason.INVALID, f"{fault.field}: {fault.reason}")
        forbidden = _forbidden(parsed.data, source)
        if forbidden is not None:
            return forbidden
        people = self._people(parsed, source)
        if isinstance(people, Rejected):
            return people
        moment = _moment(parsed.time, came)
        too_old = _too_old(moment.at, came, source)
        if too_old is not None:
            return too_old
        refused = self._refused_valence(parsed.data, moment.at)
        if refused is not None:
            return Rejected(Reason.INVALID, f"data.{refused.field}: {refused.reason}")
        record = self._record(parsed, people, moment, received, source) | _marks_of(seen)
        accepted = self._accepted(reclass(record, rules), parsed, topic=_topic(moment.at, received))
        return accepted if parsed.data.account is None else accepted._replace(hint=_acting(parsed.data, source))

    def _people(self, event: TouchpointEvent, source: Source) -> _People | Rejected:
        """Return who the event is about, and which other customer that is."""
        alias = event.data.alias
        if alias is not None and event.data.touchpoint != LINKED:
            return Rejected(Reason.INVALID, f"data.alias: stands only in {LINKED}")
        people = self._identities(event, source)
        return people if alias is None or isinstance(people, Rejected) else self._also(alias, people, source)

    def judge_record(
        self, record: object, *, original: bytes, received: Arrival, rules: Rules = NO_RULES
    ) -> Accepted | Rejected:
        """Return anew a record that the log had before and that could not be counted, or why it never can be.

        The bytes of its data stay as they are: by them it is known as the same event.
        """
        try:
            parsed = TouchpointRecord.model_validate(record)
        except ValidationError as error:
            fault = fault_of(error)
            return Rejected(Reason.INVALID, f"{fault.field}: {fault.reason}")
        at = parse_instant(parsed.time)
        refused = self._refused_valence(parsed.data, at)
        if refused is not None:
            return Rejected(Reason.INVALID, f"data.{refused.field}: {refused.reason}")
        classed = reclass(parsed.model_dump(exclude_none=True, by_alias=True), rules)
        whole: dict[str, object] = {**_MEMBERS.decode(original), "receivedat": received.text}
        whole.pop("classed", None)
        if "classed" in classed:
            whole["classed"] = classed["classed"]
        return Accepted(
            event_id=parsed.id,
            topic=_topic(at, received),
            key=parsed.subject.encode(),
            value=_ENCODER.encode(whole),
            channel=parsed.data.channel,
            touchpoint=parsed.data.touchpoint,
            known=parsed.data.touchpoint in self.catalogue.entries,
            event_class=class_of_record(classed),
        )

    def _identities(self, event: TouchpointEvent, source: Source) -> _People | Rejected:
        """Return who the event is about, each once, the strongest first."""
        found: dict[Spelt, None] = {}
        beside: dict[Spelt, None] = {}
        former: dict[Spelt, None] = {}
        for field, kind, value in _named(event):
            if not source.believes_claims and kind not in WEAK:
                return Rejected(Reason.NOT_ALLOWED, f"{field}: this key may name only anonymous and device")
            try:
                stored = stored_identity(self.hash_key, kind, value, region=source.region)
            except InvalidEventError as error:
                return Rejected(Reason.IDENTITY, f"{field}: {error}")
            # An id may turn out to be an address, which names somebody more strongly than the key may.
            if not source.believes_claims and stored.itself.kind not in WEAK:
                return Rejected(Reason.NOT_ALLOWED, f"{field}: this key may name only anonymous and device")
            found[stored.itself] = None
            beside.update(dict.fromkeys(stored.beside))
            if source.former_spellings:
                known = former_identity(self.hash_key, kind, value, region=source.region)
                former.update({} if known is None else {known: None})
        if sum(kind == CUSTOMER for kind, _ in found) > 1:
            return Rejected(Reason.TWO_CUSTOMERS, TWO_CUSTOMERS)
        return _people(found, beside, former)

    def _also(self, alias: Alias, people: _People, source: Source) -> _People | Rejected:
        """Let people's customer be another one as well."""
        if source.kind != ALIAS_KEY:
            return Rejected(Reason.NOT_ALLOWED, "data.alias: only a server's key may make one person of two customers")
        customer = people.named[0]
        if customer.kind != CUSTOMER:
            return Rejected(Reason.INVALID, "data.alias: name in data.identities the customer who it is as well")
        try:
            other = stored_identity(self.hash_key, alias.kind, alias.value, region=source.region).itself
        except InvalidEventError as error:
            return Rejected(Reason.IDENTITY, f"data.alias: {error}")
        if other == customer:
            return Rejected(Reason.INVALID, "data.alias: is the customer among the identities; send another one")
        return people._replace(alias=other)

    def _refused_valence(self, data: TouchpointData | RecordData, at: datetime) -> Refusal | None:
        may_be_unscored = data.class_ is not None or MACHINE_MADE in (data.properties or {})
        if self.catalogue.constant(data, may_be_unscored=may_be_unscored) is not None:
            return None
        judged = self.catalogue.impression(data.touchpoint, _arguments(data, at))
        return judged if isinstance(judged, Refusal) else None

    def _record(
        self,
        event: TouchpointEvent,
        people: _People,
        moment: _Moment,
        received: Arrival,
        source: Source,
    ) -> dict[str, Any]:
        data = event.data.model_dump(exclude_none=True, by_alias=True)
        marks = dict(moment.marks)
        if received.sent is not None:
            marks["sentat"] = received.sent
        if people.former:
            marks["formerly"] = " ".join(map(":".join, people.former))
        if "channel" not in event.data.model_fields_set:
            data["channel"] = self.catalogue.entry(event.data.touchpoint).channel
            marks["channelorigin"] = "catalogue"
        data["identities"] = [{"kind": kind, "value": value} for kind, value in people.named]
        if people.alias is not None:
            data["alias"] = people.alias._asdict()
        return {
            "specversion": "1.0",
            "id": event.id,
            "source": source.name if event.source is None else f"{source.name}/{event.source}",
            "type": TYPE,
            "time": moment.text,
            "subject": ":".join(people.named[0]),
            "datacontenttype": "application/json",
            "receivedat": received.text,
            "keykind": source.kind,
            **marks,
            "data": data,
        }

    def _accepted(self, record: Mapping[str, Any], event: TouchpointEvent, *, topic: str) -> Accepted:
        return Accepted(
            event_id=event.id,
            topic=topic,
            key=record["subject"].encode(),
            value=_ENCODER.encode(record),
            channel=record["data"]["channel"],
            touchpoint=event.data.touchpoint,
            known=event.data.touchpoint in self.catalogue.entries,
            event_class=class_of_record(record),
        )


def _topic(at: datetime, received: Arrival) -> str:
    return LATE if received.at - at > LATE_AFTER else EVENTS


def _people(found: Collection[Spelt], beside: Collection[Spelt], former: Collection[Spelt]) -> _People:
    """What is added to whom the event names must not make more of them than a record may hold."""
    if not beside and not former:
        return _People(sorted(found, key=_strength), [])
    whole = list(dict.fromkeys([*found, *beside]))[:RECORD_IDENTITIES_MAX]
    others = [one for one in former if one not in whole][: RECORD_IDENTITIES_MAX - len(whole)]
    return _People(sorted(whole, key=_strength), sorted(others, key=_strength))


def _strength(identity: Spelt) -> tuple[int, str]:
    return strength(":".join(identity))


def _named(event: TouchpointEvent) -> Iterator[tuple[str, str, str]]:
    """Tell every field that names the person, with the kind and the value."""
    for index, identity in enumerate(event.data.identities or ()):
        yield f"data.identities[{index}]", identity.kind, identity.value
    if event.subject is not None:
        yield "subject", *identity_of_subject(event.subject)


def _forbidden(data: TouchpointData, source: Source) -> Rejected | None:
    # Whom a key may name says what it may link, whatever it may tell.
    if data.touchpoint != LINKED and not source.may_send(data.touchpoint):
        return Rejected(Reason.NOT_ALLOWED, "data.touchpoint: this key may not send it")
    if data.place and not source.may_set_place:
        return Rejected(Reason.NOT_ALLOWED, "data.place: this key may not set it; places = true allows its source to")
    if not source.may_weigh and (data.valence is not None or data.stake is not None):
        field = "stake" if data.valence is None else "valence"
        return Rejected(Reason.NOT_ALLOWED, f"data.{field}: this key may not send it: the catalogue says it")
    return None


def _acting(data: TouchpointData, source: Source) -> str:
    """Tell what does not count of what is said about a company."""
    if TRUST_OF_KEY.get(source.kind, LEAST_TRUST) >= LEAST_TRUST:
        return "data.account: a page's word about companies does not count; send it by a server's key"
    said = (data.properties or {}).get(ROLE)
    if said is None or (isinstance(said, str) and role_of(said) is not None):
        return ""
    return f"data.properties.{ROLE}: is no role and counts as {ROLES[0]}; write one of {', '.join(ROLES)}"


def _marks_of(seen: Seen) -> dict[str, str]:
    if seen is NOTHING_SEEN:
        return {}
    marks = {"agent": seen.agent, "ranges": " ".join(seen.ranges)}
    return {name: mark for name, mark in marks.items() if mark}


def _moment(time: str | None, received: Arrival) -> _Moment:
    if time is None:
        return _Moment(received.at, received.text, {"timeorigin": "arrival"})
    at = parse_instant(time)
    text = write_instant(at)
    # A time later than arrival counts at arrival: an event of the next hour would be in no score of this one.
    if at > received.at:
        return _Moment(received.at, received.text, {"timeorigin": "clamped", "clienttime": text})
    return _Moment(at, text, {})


def _too_old(at: datetime, received: Arrival, source: Source) -> Rejected | None:
    if at < EPOCH:
        return Rejected(Reason.TOO_OLD, "time: is before 1970, where hours begin to count")
    days = source.days_max
    if days is not None and received.at - at > timedelta(days=days):
        ago = "a day" if days == 1 else f"{days} days"
        return Rejected(Reason.TOO_OLD, f"time: is more than {ago} ago; a backfill key may send it")
    return None


def _arguments(data: TouchpointData | RecordData, at: datetime) -> Arguments:
    scale: Any = data.rating.scale if data.rating is not None else None
    if isinstance(scale, CustomScale):
        scale = (scale.lo, scale.mid, scale.hi)
    return Arguments(
        occurred_at_us=(at - EPOCH) // _MICROSECOND,
        rating_scale=scale,
        rating_value=data.rating.value if data.rating is not None else None,
        valence=data.valence,
        stake=data.stake,
        unscored=data.class_ is not None,
        properties=data.properties or {},
    )
