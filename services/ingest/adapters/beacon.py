"""Our own snippet for pages: views, slow pages, rage clicks and script errors, and whatever a page tracks itself."""

from __future__ import annotations

import gzip
import json
from functools import cache, partial
from importlib import resources
from typing import Any, Final

from schemas.limits import EVENTS_MAX
from services.infra.http.answer import Answer
from services.infra.http.problems import Refused
from services.infra.sources import Source, Sources
from services.ingest import answers
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
from services.ingest.decode import MALFORMED, WHITESPACE, Incoming, read_text, texts_in
from services.ingest.head import Head
from services.ingest.loose import members
from services.ingest.whom import Whom

CACHED: Final = {"Cache-Control": "public, max-age=3600", "Vary": "Accept-Encoding"}
"""An hour: a mended snippet reaches every page on the day that it is mended."""


def identify(head: Head, sources: Sources) -> Source | Refused:
    """Find the key in the query: a request with a header of its own would have to ask first."""
    keys = head.asked("key")
    return (sources.source(keys[0]) if len(keys) == 1 else None) or UNAUTHORIZED


def read(request: Request) -> Listed | Refused:
    """Find the events of a request, which are a list."""
    body = request.body.strip(WHITESPACE)
    texts = texts_in(body, count_max=EVENTS_MAX) if body[:1] == b"[" else MALFORMED
    if isinstance(texts, Refused):
        return texts
    return Listed(len(texts), map(partial(_event, request.source), texts))


def reread(request: Request) -> Listed | Refused:
    """Find the event of a letter, which stands there without its list."""
    body = request.body.strip(WHITESPACE)
    return read(request if body[:1] == b"[" else request._replace(body=b"[" + body + b"]"))


def answer(outcome: Outcome) -> Answer:
    """Answer with a verdict on each event; what may only come later holds the whole, for the snippet sends it again."""
    return to_come_again(outcome) or answers.of_verdicts(outcome.verdicts, durable=outcome.durable, hints=outcome.hints)


def snippet(head: Head, _: Sources) -> Answer:
    """Give the snippet, packed where that is understood."""
    packs = "gzip" in (head.one("accept-encoding") or "")
    packing = {"Content-Encoding": "gzip"} if packs else {}
    return Answer(200, packed_script() if packs else script(), "text/javascript", {**CACHED, **packing})


@cache
def script() -> bytes:
    """Return the snippet without its comments and indentation."""
    lines = resources.files(__package__).joinpath("beacon.js").read_text("utf-8").splitlines()
    stripped = (line.strip() for line in lines)
    return "\n".join(line for line in stripped if line and not line.startswith("//")).encode()


@cache
def packed_script() -> bytes:
    """Return the snippet, packed."""
    return gzip.compress(script(), 9, mtime=0)


def _event(source: Source, text: bytes) -> Incoming:
    incoming = read_text(text)
    data = members(members(incoming.event).get("data"))
    if not isinstance(data.get("identities"), list):
        return incoming
    whom = Whom(source)
    for one in data["identities"]:
        whom.add(str(members(one).get("kind")), members(one).get("value"))
    event: dict[str, Any] = {**members(incoming.event), "data": {**data, "identities": whom.identities}}
    return Incoming(text, event, whom.left_out)


_VIEWED: Final = {
    "id": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "time": "2026-03-01T11:59:00Z",
    "data": {
        "touchpoint": "web.page_viewed",
        "channel": "web",
        "identities": [{"kind": "anonymous", "value": "5a69788796a5b4c30f1e2d3cd2e1f04b"}],
        "properties": {"path": "/lamps"},
    },
}

ADAPTER: Final = Adapter(
    name="beacon",
    routes=("/v1/beacon",),
    pages=(Page("/t.js", snippet),),
    serves_pages=True,
    key_stands="`?key=KEY`",
    identify=identify,
    packing=Packing.EVIDENT,
    read=read,
    reread=reread,
    answer=answer,
    examples=(
        Example(
            "A page view",
            "/v1/beacon",
            json.dumps([_VIEWED]).encode(),
            {"content-type": "text/plain;charset=UTF-8"},
            answers=202,
            touchpoints=("web.page_viewed",),
        ),
    ),
)
