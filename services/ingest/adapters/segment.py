"""The tracking protocol of Segment, which RudderStack's, Jitsu's and many other clients speak too."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from schemas.instant import parse_instant, write_instant
from services.core.identity import CUSTOMER
from services.core.roles import ROLE
from services.core.valence import Scale
from services.infra.http.answer import Answer
from services.infra.http.keys import bearer_or_user_key
from services.infra.http.problems import Refused, refusal
from services.infra.sources import Source, Sources
from services.ingest.adapter import (
    UNAUTHORIZED,
    Adapter,
    Example,
    Listed,
    Outcome,
    Packing,
    Page,
    Request,
    to_come_again,
)
from services.ingest.decode import MALFORMED, WHITESPACE, Incoming, read_text, texts_in, texts_of_member
from services.ingest.head import Head
from services.ingest.judge import LINKED, Arrival
from services.ingest.loose import earlier, event_id, instant, members, number, word
from services.ingest.masking import holds_contact
from services.ingest.rejection import Reason, Rejected
from services.ingest.whom import Whom, usable

CALLS: Final = {
    "track": ("/v1/track", "/v1/t"),
    "identify": ("/v1/identify", "/v1/i"),
    "page": ("/v1/page", "/v1/p"),
    "screen": ("/v1/screen", "/v1/s"),
    "group": ("/v1/group", "/v1/g"),
    "alias": ("/v1/alias", "/v1/a"),
}
"""One message a request; browsers use the short forms."""

KIND_OF: Final = {path: kind for kind, paths in CALLS.items() for path in paths}

BATCHES: Final = ("/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch")
"""Many messages a request, each of which says its kind."""

MESSAGES_MAX: Final = 65_536
"""A batch is never refused for its number of messages: the body's bytes and values are bounded, and each has several."""

ORDER: Final = ("order_id", "orderId", "transaction_id")
RATING: Final = ("rating", "score")
TEXT: Final = ("review_body", "reviewBody", "comment")
"""What the e-commerce specifications call these."""

SPARE: Final = (
    *(f"context.{part}" for part in ("ip", "userAgent", "userAgentData", "page", "library", "network", "screen", "os")),
    *(f"properties.{part}" for part in ("title", "url", "path", "referrer", "search")),
)
"""What clients send beside a message on their own: versions and addresses, whose digits look like a number to call."""

TAKEN: Final = Answer(200, b'{"success":true}')

ENVELOPE_VALUE_BYTES_MAX: Final = 1000
"""A key or a time that stands around the messages is shorter."""

_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_VALUE: Final = msgspec.json.Decoder(Any)


class Around(NamedTuple):
    """What stands around the messages of a request."""

    request: Request
    kind: str | None
    """What all of its messages are; None where each says it."""
    ahead_s: float
    """How far the client's clock is ahead of ours at least."""


def identify(head: Head, sources: Sources) -> Source | Refused | None:
    """Find the key in Authorization or in the query; None when it can only stand in the body."""
    keys = {key for key in head.asked("writeKey") if key}
    if head.all("authorization"):
        key = bearer_or_user_key(head.all("authorization"))
        if key is None:
            return UNAUTHORIZED
        keys.add(key)
    if not keys:
        return None
    if len(keys) > 1:
        return Refused("unauthorized", "Two keys stand in this request: send one.")
    return sources.source(keys.pop()) or UNAUTHORIZED


def identify_by_body(_head: Head, body: bytes, sources: Sources, _received: Arrival) -> Source | Refused:
    """Find the key in the body's writeKey."""
    key = _value(_parts(body).get("writeKey"))
    return (sources.source(key) if isinstance(key, str) else None) or UNAUTHORIZED


def read(request: Request) -> Listed | Refused:
    """Find the messages of a request: the one that it is, or those of its batch."""
    body = request.body.strip(WHITESPACE)
    if body[:1] not in (b"{", b"["):
        return MALFORMED
    kind, parts = KIND_OF.get(request.head.path), _parts(body)
    texts = [body] if kind else _texts(body, parts)
    if isinstance(texts, Refused):
        return texts
    sent = instant(_value(parts.get("sentAt")))
    sent_at = None if sent is None else parse_instant(sent)
    around = Around(request, kind, _ahead_s(sent_at, request))
    told = None if sent_at is None else write_instant(sent_at)
    return Listed(len(texts), map(partial(_message, around), texts), told)


def answer(outcome: Outcome) -> Answer:
    """Answer 200 whatever the events: a client would drop its batch, or repeat all of it."""
    return to_come_again(outcome) or TAKEN


def settings(head: Head, sources: Sources) -> Answer:
    """Tell a browser's client where to send: here."""
    key, host = head.named.get("key", ""), head.one("host") or ""
    if sources.source(key) is None or not _HOST.fullmatch(host):
        return refusal(UNAUTHORIZED)
    protocol = "https" if head.one("x-forwarded-proto") == "https" else "http"
    told = {
        "integrations": {"Segment.io": {"apiKey": key, "apiHost": f"{host}/v1", "protocol": protocol}},
        "plan": {"track": {"__default": {"enabled": True, "integrations": {}}}},
        "edgeFunction": {},
        "analyticsNextEnabled": True,
        "metrics": {"sampleRate": 0},
    }
    return Answer(200, msgspec.json.encode(told), headers={"Cache-Control": "private, max-age=60"})


def _texts(body: bytes, parts: Mapping[str, msgspec.Raw]) -> Sequence[bytes] | Refused:
    if body[:1] == b"[":
        return texts_in(body, count_max=MESSAGES_MAX)
    if not parts:
        # Broken somewhere: what can be read of the list is.
        inside = texts_of_member(body, "batch", count_max=MESSAGES_MAX)
        return [body] if inside is None else inside
    batch = bytes(parts.get("batch", b"")).strip(WHITESPACE)
    return texts_in(batch, count_max=MESSAGES_MAX) if batch[:1] == b"[" else [body]


def _parts(body: bytes) -> Mapping[str, msgspec.Raw]:
    """Split an object into its members, unread; a broken one has none."""
    try:
        return _MEMBERS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _value(raw: msgspec.Raw | None) -> object:
    text = b"" if raw is None else bytes(raw)
    try:
        return _VALUE.decode(text) if len(text) <= ENVELOPE_VALUE_BYTES_MAX else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _ahead_s(sent_at: datetime | None, request: Request) -> float:
    """Tell how far a client's clock must be ahead: it says to have sent what has arrived before that.

    A clock that seems late proves nothing: clients keep what they could not send, and send it hours later.
    """
    return 0.0 if sent_at is None else max(0.0, (sent_at - request.received.at).total_seconds())


def _message(around: Around, text: bytes) -> Incoming:
    incoming = read_text(text)
    if isinstance(incoming.event, Rejected):
        return incoming
    message = members(incoming.event)
    kind = around.kind or message.get("type")
    if kind == "alias" and around.request.source.kind != "server":
        return Incoming(text, Rejected(Reason.NOT_ALLOWED, "type: alias needs a server's key"))
    data = _data(around.request, kind, message)
    if data is None:
        detail = "type: must be track with the name of an event, identify, page, screen, group or alias"
        return Incoming(text, Rejected(Reason.INVALID, detail))
    whom = _whom(kind, message, around.request.source)
    if kind == "alias" and usable(CUSTOMER, message.get("previousId")) is None:
        return Incoming(text, Rejected(Reason.IDENTITY, "previousId: names nobody; send one that is no placeholder"))
    if not whom.identities:
        return Incoming(text, _nobody(whom), whom.left_out)
    context = members(message.get("context"))
    company = event_id(context.get("groupId"))
    data = {**({} if company is None else {"account": company}), **data, "identities": whom.identities}
    event = {"id": _id(message, text), **_time(message, around), "data": data}
    agent, address = word(context.get("userAgent")) or "", word(context.get("ip")) or ""
    return Incoming(text, event, whom.left_out, agent=agent, address=address)


def _nobody(whom: Whom) -> Rejected:
    if whom.left_out:
        return Rejected(Reason.NOT_ALLOWED, "userId: this key may name only visitors; send an anonymousId beside it")
    return Rejected(Reason.IDENTITY, "userId, anonymousId: name nobody; send one that is no placeholder")


def _time(message: Mapping[str, Any], around: Around) -> dict[str, str]:
    time = instant(message.get("timestamp")) or instant(message.get("originalTimestamp"))
    if time is None:
        return {}
    return {"time": earlier(time, around.ahead_s) if around.ahead_s else time}


def _data(request: Request, kind: object, message: Mapping[str, Any]) -> dict[str, Any] | None:
    """Say what happened; None where the message does not."""
    properties = members(message.get("properties"))
    channel = {"channel": "web"} if request.source.kind == "browser" else {}
    match kind:
        case "track":
            name = message.get("event")
            tracked = isinstance(name, str) and name.strip()
            return {**channel, **_tracked(request, tracked, properties)} if tracked else None
        case "page" | "screen":
            named = {part: message[part] for part in ("name", "category") if isinstance(message.get(part), str)}
            where = "web" if kind == "page" else "app"
            return {"touchpoint": "web.page_viewed", "channel": where, "properties": {**named, **properties}}
        case "identify":
            return {"touchpoint": LINKED, **channel, **_kept(request.source, message)}
        case "alias":
            return {"touchpoint": LINKED, **channel, **_also(request.source, message)}
        case "group":
            account = event_id(message.get("groupId"))
            return {"touchpoint": LINKED, **channel, **_member(request.source, message, account)}
        case _:
            return None


def _tracked(request: Request, name: str, properties: dict[str, Any]) -> dict[str, Any]:
    because = properties.get("reason")
    known = request.names.known(f"{name} reason={because}") if isinstance(because, str) else None
    touchpoint = known or request.names.touchpoint(name)
    order = next(filter(None, (event_id(properties.get(part)) for part in ORDER)), None)
    data: dict[str, Any] = {"touchpoint": touchpoint} if order is None else {"touchpoint": touchpoint, "order": order}
    entry = request.catalogue.entries.get(touchpoint)
    if entry is not None and isinstance(entry.valence, Scale):
        data |= _opinion(properties)
        properties = {part: value for part, value in properties.items() if value is not data.get("text")}
    return {**data, "properties": properties} if properties else data


def _opinion(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Find what a customer answered and wrote, where the touchpoint is one that is rated."""
    ratings = (number(properties.get(part)) for part in RATING)
    texts = (properties[part] for part in TEXT if isinstance(properties.get(part), str))
    rating, text = next((one for one in ratings if one is not None), None), next(texts, None)
    rated = {} if rating is None else {"rating": {"value": rating}}
    return rated if text is None else {**rated, "text": text}


def _whom(kind: object, message: Mapping[str, Any], source: Source) -> Whom:
    context = members(message.get("context"))
    # A group's traits are a company's.
    traits = {} if kind == "group" else {**members(context.get("traits")), **members(message.get("traits"))}
    whom = Whom(source)
    whom.add("customer", message.get("userId"))
    whom.add("email", traits.get("email"))
    whom.add("phone", traits.get("phone"))
    whom.add("anonymous", message.get("anonymousId"))
    if kind == "alias" and _was(message, source) != "customers":
        whom.add("anonymous", message.get("previousId"))
    whom.add("device", members(context.get("device")).get("id"))
    return whom


def _also(source: Source, message: Mapping[str, Any]) -> dict[str, Any]:
    """Say which other customer somebody is by an alias; nothing where it names a visitor, or nobody else."""
    customer, previous = usable(CUSTOMER, message.get("userId")), word(message.get("previousId"))
    if customer in (None, previous) or _was(message, source) == "visitors":
        return {}
    return {"alias": {"kind": CUSTOMER, "value": previous}}


def _was(message: Mapping[str, Any], source: Source) -> str | None:
    """Tell what somebody was before an alias: the protocol does not, so None is either.

    Clients make their visitors' ids as UUIDs. What has another form, programs have sent as the id of a user.
    """
    previous = str(message.get("previousId"))
    if source.previous_ids is None and (_UUID.fullmatch(previous) or previous == message.get("anonymousId")):
        return "visitors"
    return source.previous_ids


def _kept(source: Source, message: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the traits that the source's row names, if they are as short as ids and tell nobody's address or number."""
    traits = members(message.get("traits"))
    kept = {name: traits[name] for name in source.traits if name in traits and _may_be_kept(traits[name])}
    return {"properties": {"traits": kept}} if kept else {}


def _member(source: Source, message: Mapping[str, Any], account: str | None) -> dict[str, Any]:
    """Say for which company somebody acts, and as what where its traits hold a role."""
    kept = _kept(source, message)
    role = members(message.get("traits")).get(ROLE)
    if account is None or not isinstance(role, str) or not _may_be_kept(role):
        return kept if account is None else {"account": account, **kept}
    return {"account": account, "properties": {**kept.get("properties", {}), ROLE: role}}


def _may_be_kept(value: object) -> bool:
    short = isinstance(value, bool | float) or event_id(value) is not None
    return short and not holds_contact(str(value))


def _id(message: Mapping[str, Any], text: bytes) -> str:
    """Give a message's id: its own, or one that the same message gets again."""
    own = message.get("messageId")
    if event_id(own) is not None:
        return str(own)
    content = own.encode("utf-8", "surrogatepass") if isinstance(own, str) and own else text
    return f"made-{hashlib.sha256(content).hexdigest()[:32]}"


_TRACKED: Final = {
    "messageId": "m-1",
    "anonymousId": "visitor-7",
    "userId": "c1",
    "timestamp": "2026-03-01T11:59:00Z",
    "event": "Order Completed",
    "properties": {"order_id": "1001", "revenue": 12.5},
}
_VIEWED: Final = {"messageId": "m-2", "anonymousId": "visitor-7", "type": "page", "name": "Home"}
_IDENTIFIED: Final = {"messageId": "m-3", "anonymousId": "visitor-7", "userId": "c1", "type": "identify"}
_OWN: Final = {"messageId": "m-4", "userId": "c1", "type": "track", "event": "Lamp Dimmed"}
_JSON: Final = {"content-type": "application/json"}

ADAPTER: Final = Adapter(
    name="segment",
    systems=("segment", "ga4"),
    routes=(*KIND_OF, *BATCHES),
    pages=(Page("/v1/projects/{key}/settings", settings),),
    serves_pages=True,
    key_stands="`Authorization: Basic` with the key as the user, `Bearer KEY`, `?writeKey=KEY`, or `writeKey` in the body",
    identify=identify,
    identify_by_body=identify_by_body,
    packing=Packing.EVIDENT,
    read=read,
    spare=SPARE,
    answer=answer,
    examples=(
        Example("One call", "/v1/track", json.dumps(_TRACKED).encode(), _JSON, touchpoints=("order.completed",)),
        Example(
            "A batch, also of names that nobody declared",
            "/v1/batch",
            json.dumps({"batch": [_VIEWED, _IDENTIFIED, _OWN], "sentAt": "2026-03-01T12:00:00Z"}).encode(),
            _JSON,
            touchpoints=("web.page_viewed", LINKED, "x.lamp_dimmed"),
        ),
    ),
)
