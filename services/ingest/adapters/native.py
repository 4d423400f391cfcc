"""Our own form of events, and CloudEvents 1.0: one, many, binary, structured, batch."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from typing import Final

import msgspec

from schemas.limits import EVENTS_MAX
from schemas.touchpoint import TYPE
from services.infra.http.answer import Answer
from services.infra.http.problems import Refused
from services.ingest import answers, cloudevents
from services.ingest.adapter import Adapter, Example, Listed, Outcome, Request
from services.ingest.decode import MALFORMED, WHITESPACE, Incoming, is_malformed, read_text, texts_in, unread
from services.ingest.head import Head
from services.ingest.rejection import Reason, Rejected


class Form(Enum):
    """How a request carries its events."""

    ANY = "application/json"
    ONE = "application/cloudevents+json"
    MANY = "application/cloudevents-batch+json"
    BINARY = "headers"


DATA_BASE64: Final = "data_base64"
"""Where CloudEvents puts data that its sender took for bytes."""


def form_of(head: Head) -> Form | Refused:
    """Choose the form by the media type; `ce-` headers without a media type mean JSON."""
    return _form(head.one("content-type"), binary=cloudevents.is_binary(name for name, _ in head.headers))


@lru_cache(maxsize=256)
def _form(content_type: str | None, *, binary: bool) -> Form | Refused:
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


def expects(head: Head) -> Refused | None:
    """Refuse what is neither JSON nor CloudEvents."""
    form = form_of(head)
    return form if isinstance(form, Refused) else None


def read(request: Request) -> Listed | Refused:
    """Find the events of a request; refused as a whole is what holds none: a broken list, too many events."""
    form = form_of(request.head)
    if isinstance(form, Refused):
        return form
    if form is Form.BINARY:
        return _of_headers(request)
    texts = texts_of(request.body, form)
    return texts if isinstance(texts, Refused) else Listed(len(texts), map(read_event, texts))


def texts_of(body: bytes, form: Form) -> Sequence[bytes] | Refused:
    """Split a body into the texts of its events, each of them readable or not."""
    listed = body.lstrip(WHITESPACE)[:1] == b"["
    if listed and form is not Form.ONE:
        return texts_in(body, count_max=EVENTS_MAX)
    if form is Form.MANY:
        return Refused("invalid-event", "A batch is a list of events.")
    return [body.strip(WHITESPACE)]


def read_event(original: bytes) -> Incoming:
    """Read one event, or say why it cannot be read."""
    incoming = read_text(original)
    if isinstance(incoming.event, dict) and DATA_BASE64 in incoming.event:
        return _unpacked(original, incoming.event)
    return incoming


def answer(outcome: Outcome) -> Answer:
    """Answer with a verdict on each event: 202 when the log has at least one of them, or there was none to keep."""
    return answers.of_verdicts(outcome.verdicts, durable=outcome.durable, hints=outcome.hints)


def _of_headers(request: Request) -> Listed | Refused:
    attributes = cloudevents.attributes(request.head.headers)
    if isinstance(attributes, Refused):
        return attributes
    incoming = event_of_headers(attributes, request.body)
    return incoming if isinstance(incoming, Refused) else Listed(1, [incoming])


def event_of_headers(attributes: dict[str, str], body: bytes) -> Incoming | Refused:
    """Join the attributes of a binary event with its body, the data."""
    envelope: dict[str, object] = {**attributes, "datacontenttype": "application/json"}
    if not body:
        return Incoming(msgspec.json.encode(envelope), envelope)
    data = read_event(body)
    if isinstance(data.event, Rejected):
        return MALFORMED if is_malformed(data) else data
    return Incoming(
        original=msgspec.json.encode({**envelope, "data": msgspec.Raw(body)}), event={**envelope, "data": data.event}
    )


def _unpacked(original: bytes, event: dict[str, object]) -> Incoming:
    """Put data in the place of data_base64, also in what is kept: nothing may hide in base64 from whoever masks it."""
    envelope = {name: value for name, value in event.items() if name != DATA_BASE64}
    packed = _bytes_of(event[DATA_BASE64])
    if packed is None:
        return unread(original, Reason.INVALID, f"{DATA_BASE64}: must be base64 (RFC 4648) of JSON")
    if "data" in event:
        shown = msgspec.json.encode({**envelope, DATA_BASE64: packed.decode(errors="replace")})
        return unread(shown, Reason.INVALID, f"{DATA_BASE64}: stands beside data; send one of them")
    data = read_text(packed)
    if isinstance(data.event, Rejected):
        shown = msgspec.json.encode({**envelope, "data": packed.decode(errors="replace")})
        return unread(shown, Reason.INVALID, f"{DATA_BASE64}: {data.event.detail}")
    plain = {**envelope, "data": data.event}
    return Incoming(msgspec.json.encode(plain), plain)


def _bytes_of(packed: object) -> bytes | None:
    try:
        return base64.b64decode(packed, validate=True) if isinstance(packed, str) else None
    except ValueError:
        return None


_BOUGHT: Final = {
    "touchpoint": "order.completed",
    "channel": "web",
    "identities": [{"kind": "customer", "value": "c1"}],
    "order": "1001",
}

ADAPTER: Final = Adapter(
    name="native",
    routes=("/v1/events",),
    serves_pages=True,
    expects=expects,
    read=read,
    answer=answer,
    examples=(
        Example(
            "One event",
            "/v1/events",
            json.dumps({"id": "order-1001", "time": "2026-03-01T11:59:00Z", "data": _BOUGHT}).encode(),
            {"content-type": "application/json"},
            answers=202,
            touchpoints=("order.completed",),
        ),
        Example(
            "A CloudEvent in binary mode",
            "/v1/events",
            json.dumps(_BOUGHT).encode(),
            {"ce-specversion": "1.0", "ce-id": "order-1002", "ce-source": "shop", "ce-type": TYPE},
            answers=202,
            touchpoints=("order.completed",),
        ),
    ),
)
