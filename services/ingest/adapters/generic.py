"""Webhooks of anybody: a map says what their bodies are, and the source's row how they are signed.

The row of the source in the sources file has `hook = {provider = "generic", map = "maps/….yaml", …}`. A map is the same file that
`tactus import` and `tactus map try` read, see [Maps](mapping.md). Without `signature` in the row, requests bear the source's key.
A delivery that is readable is answered with 200; what of it the map cannot read, or the door rejects, is a dead letter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache, partial
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from schemas.limits import BODY_BYTES_MAX, EVENTS_MAX
from services.core.instants import write_instant
from services.infra.hook_rows import GENERIC, Hook, SignatureRow
from services.infra.http.problems import Refused
from services.infra.mapping.event_map import EventMap, Planned, Unreadable
from services.infra.sources import Source, Sources
from services.ingest.adapter import UNAUTHORIZED, Adapter, Example, Listed, Packing, Request, key_of_authorization
from services.ingest.decode import MALFORMED, Incoming, read_text
from services.ingest.head import Head
from services.ingest.hooks import UNKNOWN, about, answer
from services.ingest.hooks import reread as reread_event
from services.ingest.judge import Arrival
from services.ingest.rejection import Reason, Rejected
from services.ingest.signatures import Scheme

FORM: Final = "application/x-www-form-urlencoded"
FORM_FIELDS_MAX: Final = 1_000
"""The widest form seen among vendors has 90."""

SEND_AGAIN: Final = "its map reads more than it holds, a header or the body around it: have its sender send it again"

SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
"""What no map may copy into an event; neither may it the header of the signature."""


def identify(head: Head, sources: Sources) -> Source | Refused | None:
    """Tell whose request it is by the source's own key, where its row says no signature."""
    found = sources.hook(GENERIC, head.named.get("source", ""))
    if found is None:
        return UNKNOWN
    source, hook = found
    if hook.signature is not None:
        return None
    by_key = key_of_authorization(head, sources)
    return by_key if isinstance(by_key, Source) and by_key.name == source.name else UNAUTHORIZED


def identify_by_body(head: Head, body: bytes, sources: Sources, received: Arrival) -> Source | Refused:
    """Tell whose request it is by its signature."""
    found = sources.hook(GENERIC, head.named.get("source", ""))
    if found is None or found[1].signature is None:
        return UNKNOWN
    source, hook = found
    return source if verify(head, body, hook, received) else UNAUTHORIZED


def verify(head: Head, body: bytes, hook: Hook, received: Arrival) -> bool:
    """Tell whether one of the hook's secrets signed this body, as its row says."""
    if hook.signature is None:
        return False
    return scheme_of(hook.signature).verifies(head, body, secrets=hook.secrets, url=hook.url, now=received.at)


SCHEME: Final = verify


@lru_cache(maxsize=256)
def scheme_of(row: SignatureRow) -> Scheme:
    """Return what checks a row's signatures."""
    return Scheme(
        header=row.header.lower(),
        algorithm=row.algorithm,
        encoding=row.encoding,
        signed=row.signed,
        prefix=row.prefix,
        timestamp_header=None if row.timestamp_header is None else row.timestamp_header.lower(),
        fields=row.fields,
        tolerance=None if row.tolerance_s is None else timedelta(seconds=row.tolerance_s),
    )


def read(request: Request) -> Listed | Refused:
    """Find the events of a delivery; those are found at once, and read one after the other."""
    hook = request.hook
    if hook is None or hook.map is None:
        return UNKNOWN
    if not request.body:
        return Listed(0, ())
    body = _body(request)
    if isinstance(body, Refused):
        return body
    planned = hook.map.plan(body, headers=_headers(request.head, hook), rows_max=EVENTS_MAX)
    if isinstance(planned, Unreadable):
        return Listed(1, (Incoming(request.body, Rejected(Reason.INVALID, planned.reason)),))
    return Listed(len(planned), map(partial(_incoming, request.source, hook.map), planned))


def reread(request: Request) -> Listed | Refused:
    """Find the events of a letter, which holds an event already, a row that the map could not read, or a whole body."""
    hook = request.hook
    told = reread_event(request)
    if isinstance(told, Listed) or hook is None or hook.map is None:
        return told
    body = _body(request)
    if isinstance(body, Refused):
        return body
    if hook.map.looks_around():
        return Refused("invalid-event", SEND_AGAIN)
    for event_map in (hook.map, replace(hook.map, each=None)):
        planned = event_map.plan(body, headers={}, rows_max=EVENTS_MAX)
        if planned and not isinstance(planned, Unreadable):
            events = (_incoming(request.source, hook.map, one)._replace(original=request.body) for one in planned)
            return Listed(len(planned), events)
    return Listed(0, ())


def _body(request: Request) -> object | Refused:
    if (request.head.one("content-type") or "").partition(";")[0].strip().lower() == FORM:
        return _form(request.body)
    incoming = read_text(request.body, bytes_max=BODY_BYTES_MAX)
    return MALFORMED if isinstance(incoming.event, Rejected) else incoming.event


def _form(body: bytes) -> Mapping[str, str] | Refused:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FORM_FIELDS_MAX)
    except ValueError:
        return MALFORMED
    return dict(pairs)


def _headers(head: Head, hook: Hook) -> Mapping[str, str]:
    secret = SECRET_HEADERS if hook.signature is None else {*SECRET_HEADERS, hook.signature.header.lower()}
    return {name: value for name, value in head.headers if name not in secret}


def _incoming(source: Source, event_map: EventMap, planned: Planned) -> Incoming:
    event = event_map.event(planned)
    if isinstance(event, Unreadable):
        return Incoming(msgspec.json.encode(planned.scope.row), Rejected(Reason.INVALID, event.reason))
    time = {} if event.occurred_at is None else {"time": write_instant(event.occurred_at)}
    return about(source, {"id": event.event_id, **time, "data": event.body})


_LOCKERS: Final = {
    "network": "Box Office",
    "parcels": [
        {
            "number": "P-7001",
            "state": "COLLECTED",
            "changed": 1772366340,
            "late_minutes": 90,
            "reference": "c-1001",
            "receiver": {"email": "ana@example.com"},
            "labels": [{"name": "weight", "value": "2"}, {"name": "order", "value": "o-77"}],
            "answer": {"stars": 5, "words": "The door opened at once."},
        },
        {"number": "P-7002", "state": "BROKEN", "changed": 1772366360, "receiver": {"email": "ben@example.com"}},
        {"number": "P-7003", "state": "SORTED", "changed": 1772366370, "reference": "c-1003"},
    ],
}

ADAPTER: Final = Adapter(
    name=GENERIC,
    routes=(f"/hooks/{GENERIC}/{{source}}",),
    key_stands="A signature where the source's row says, by a secret of the source that the path names; "
    "else `Authorization` with that source's key",
    identify=identify,
    identify_by_body=identify_by_body,
    packing=Packing.NEVER,
    read=read,
    reread=reread,
    answer=answer,
    examples=(
        Example(
            "Three parcels of a network of lockers, read by [parcel_lockers.yaml](maps/parcel_lockers.yaml)",
            f"/hooks/{GENERIC}/our-{GENERIC}",
            json.dumps(_LOCKERS).encode(),
            {"content-type": "application/json"},
            touchpoints=("delivery.delivered", "survey.csat", "delivery.damaged"),
        ),
    ),
)
