"""Turn a body into events: which form it has, which bytes are which event, and what each holds."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from enum import Enum
from typing import Any, Final, NamedTuple

import msgspec

from schemas.limits import DEPTH_MAX, EVENT_BYTES_MAX, EVENTS_MAX
from services.infra.http.problems import Refused
from services.ingest.elements import elements_of
from services.ingest.limits import nests_too_deep
from services.ingest.rejection import Reason, Rejected


class Form(Enum):
    """How a request carries its events."""

    ANY = "application/json"
    ONE = "application/cloudevents+json"
    MANY = "application/cloudevents-batch+json"
    BINARY = "headers"


class Incoming(NamedTuple):
    """One event: its bytes as they came, and what they hold or why they cannot be read."""

    original: bytes
    event: object | Rejected


DATA_BASE64: Final = "data_base64"
"""Where CloudEvents puts data that its sender took for bytes."""

_ELEMENTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_VALUE: Final = msgspec.json.Decoder(Any)
_MALFORMED: Final = Refused("malformed-json")
_NO_JSON: Final = "this event is not JSON (RFC 8259): no half surrogate pair, no NaN, no comma too many, UTF-8"
_WHITESPACE: Final = b" \t\n\r"


def form_of(content_type: str | None, *, binary: bool) -> Form | Refused:
    """Choose the form by the media type; `ce-` headers without a media type mean JSON."""
    if content_type is None:
        return Form.BINARY if binary else Refused("unsupported-media-type")
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if any(not _is_utf8(parameter) for parameter in parameters):
        return Refused("unsupported-media-type")
    match media_type:
        case Form.ONE.value:
            return Form.ONE
        case Form.MANY.value:
            return Form.MANY
        case Form.ANY.value:
            return Form.BINARY if binary else Form.ANY
        case _:
            return Refused("unsupported-media-type")


def _is_utf8(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() != "charset" or value.strip(' "') in {"utf-8", "utf8", "us-ascii"}


def elements_in(body: bytes, form: Form) -> Sequence[bytes] | Refused:
    """Split a body into the texts of its events, each of them readable or not.

    Refused as a whole is what holds no event: a broken list, too many events.
    """
    listed = body.lstrip(_WHITESPACE)[:1] == b"["
    if listed and form is not Form.ONE:
        return _elements(body)
    if form is Form.MANY:
        return Refused("invalid-event", "A batch is a list of events.")
    return [body.strip(_WHITESPACE)]


def read(original: bytes) -> Incoming:
    """Read one event, or say why it cannot be read."""
    incoming = _parsed(original)
    if isinstance(incoming.event, dict) and DATA_BASE64 in incoming.event:
        return _unpacked(original, incoming.event)
    return incoming


def refusal_of_all(incoming: Sequence[Incoming]) -> Refused | None:
    """Refuse as a whole a body in which nothing is JSON; one event that cannot be read spares the others."""
    return _MALFORMED if incoming and all(map(_is_malformed, incoming)) else None


def event_of_headers(attributes: dict[str, str], body: bytes) -> Incoming | Refused:
    """Join the attributes of a binary event with its body, the data."""
    envelope: dict[str, object] = {**attributes, "datacontenttype": "application/json"}
    if not body:
        return Incoming(msgspec.json.encode(envelope), envelope)
    data = read(body)
    if isinstance(data.event, Rejected):
        return _MALFORMED if _is_malformed(data) else data
    return Incoming(
        original=msgspec.json.encode({**envelope, "data": msgspec.Raw(body)}), event={**envelope, "data": data.event}
    )


def _elements(body: bytes) -> Sequence[bytes] | Refused:
    elements: Sequence[bytes | msgspec.Raw] | None
    try:
        elements = _ELEMENTS.decode(body)
    except (msgspec.DecodeError, RecursionError):
        elements = elements_of(body, count_max=EVENTS_MAX)
    if elements is None:
        return _MALFORMED
    if len(elements) > EVENTS_MAX:
        return Refused("body-too-large", f"Send at most {EVENTS_MAX} events at once.")
    return [bytes(element) for element in elements]


def _is_malformed(incoming: Incoming) -> bool:
    return isinstance(incoming.event, Rejected) and incoming.event.reason is Reason.MALFORMED


def _parsed(original: bytes) -> Incoming:
    if len(original) > EVENT_BYTES_MAX:
        return _unread(original, Reason.TOO_LARGE, f"an event has at most {EVENT_BYTES_MAX} bytes")
    if nests_too_deep(original):
        return _unread(original, Reason.TOO_DEEP, f"an event nests at most {DEPTH_MAX} deep")
    try:
        original.decode()
        return Incoming(original, _VALUE.decode(original))
    except msgspec.ValidationError:
        return _unread(original, Reason.OUT_OF_RANGE, "a number is beyond what JSON readers agree on; send it as text")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _unread(original, Reason.MALFORMED, _NO_JSON)


def _unpacked(original: bytes, event: dict[str, object]) -> Incoming:
    """Put data in the place of data_base64, also in what is kept: nothing may hide in base64 from whoever masks it."""
    envelope = {name: value for name, value in event.items() if name != DATA_BASE64}
    packed = _bytes_of(event[DATA_BASE64])
    if packed is None:
        return _unread(original, Reason.INVALID, f"{DATA_BASE64}: must be base64 (RFC 4648) of JSON")
    if "data" in event:
        shown = msgspec.json.encode({**envelope, DATA_BASE64: packed.decode(errors="replace")})
        return _unread(shown, Reason.INVALID, f"{DATA_BASE64}: stands beside data; send one of them")
    data = _parsed(packed)
    if isinstance(data.event, Rejected):
        shown = msgspec.json.encode({**envelope, "data": packed.decode(errors="replace")})
        return _unread(shown, Reason.INVALID, f"{DATA_BASE64}: {data.event.detail}")
    plain = {**envelope, "data": data.event}
    return Incoming(msgspec.json.encode(plain), plain)


def _bytes_of(packed: object) -> bytes | None:
    try:
        return base64.b64decode(packed, validate=True) if isinstance(packed, str) else None
    except ValueError:
        return None


def _unread(original: bytes, reason: Reason, detail: str) -> Incoming:
    return Incoming(original, Rejected(reason, detail))
