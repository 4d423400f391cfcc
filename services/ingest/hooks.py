"""What the webhooks of all vendors have in common: whose they are, how a body is read, and how little is answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from schemas.limits import BODY_BYTES_MAX
from services.core.identity import refusal as refusal_to_name
from services.infra.hook_rows import Hook
from services.infra.http.answer import Answer
from services.infra.http.problems import Refused
from services.infra.sources import Source, Sources
from services.infra.spelling import EMAIL
from services.ingest.adapter import UNAUTHORIZED, Adapter, Example, Listed, Outcome, Packing, Request, to_come_again
from services.ingest.decode import MALFORMED, Incoming, read_text
from services.ingest.head import Head
from services.ingest.judge import Arrival
from services.ingest.loose import instant, members, word
from services.ingest.rejection import Reason, Rejected
from services.ingest.signatures import Scheme
from services.ingest.whom import Whom, can_be_spelt

UNKNOWN: Final = Refused("not-found", "There is no source of this name with a hook of this provider.")
TAKEN: Final = Answer(200, b"{}")


class Delivery(NamedTuple):
    """One delivery of a vendor: its head, and what its body holds."""

    head: Head
    body: Any

    def topic(self, header: str) -> str:
        """Say what the vendor calls it, in a header."""
        return self.head.one(header) or ""


Happened = Mapping[str, object]
"""A native event: its id is the vendor's for the thing, so that whatever tells of it again counts once."""

Verify = Callable[[Head, bytes, Hook, Arrival], bool]


class _Whose(msgspec.Struct):
    identities: list[dict[str, str]] = []


class _Told(msgspec.Struct):
    """As much of an event as is read anew when it is sent again."""

    data: _Whose


def webhook(
    provider: str,
    *,
    scheme: Scheme | Verify,
    happened: Callable[[Delivery], Iterable[Happened]],
    signature_stands: str,
    examples: Sequence[Example],
    pings: Callable[[Head, bytes], bool] = lambda _head, _body: False,
) -> Adapter:
    """Make the adapter of a vendor's webhook.

    `happened` reads a delivery into events, none where nothing of it is of use; whatever JSON it is given, it raises
    nothing. `pings` tells of deliveries that only try the address, which may be unsigned and hold anything.
    """

    def identify(head: Head, sources: Sources) -> Source | Refused | None:
        return None if sources.hook(provider, head.named.get("source", "")) is not None else UNKNOWN

    def identify_by_body(head: Head, body: bytes, sources: Sources, received: Arrival) -> Source | Refused:
        found = sources.hook(provider, head.named.get("source", ""))
        if found is None:
            return UNKNOWN
        source, hook = found
        if pings(head, body) or _verified(scheme, head, body, hook, received):
            return source
        return UNAUTHORIZED

    def read(request: Request) -> Listed | Refused:
        # A vendor whose body the shop itself words may sign an empty one.
        if not request.body or pings(request.head, request.body):
            return Listed(0, ())
        incoming = read_text(request.body, bytes_max=BODY_BYTES_MAX)
        if isinstance(incoming.event, Rejected):
            return MALFORMED
        events = [about(request.source, event) for event in happened(Delivery(request.head, incoming.event))]
        return Listed(len(events), events)

    return Adapter(
        name=provider,
        routes=(f"/hooks/{provider}/{{source}}",),
        key_stands=f"{signature_stands}, by a secret of the source that the path names",
        identify=identify,
        identify_by_body=identify_by_body,
        packing=Packing.NEVER,
        read=read,
        reread=reread,
        answer=answer,
        examples=tuple(examples),
    )


def reread(request: Request) -> Listed | Refused:
    """Find the event of a letter: what was set aside of a delivery is an event already."""
    incoming = read_text(request.body)
    try:
        msgspec.convert(incoming.event, _Told)
    except msgspec.ValidationError:
        return MALFORMED
    return Listed(1, [about(request.source, members(incoming.event))._replace(original=request.body)])


def answer(outcome: Outcome) -> Answer:
    """Answer 200 whatever became of it: a vendor that is told otherwise sends the same again, and gives up at last."""
    return to_come_again(outcome) or TAKEN


def named(*ways: tuple[str, object]) -> list[dict[str, str]]:
    """Write ways to know a person, leaving out what a vendor does not know, and what names nobody."""
    return [
        {"kind": kind, "value": text}
        for kind, value in ways
        if (text := word(value)) is not None and _may_name(kind, text)
    ]


def _may_name(kind: str, text: str) -> bool:
    """Tell whether it may name a person: what is no address, such as one that bounced, costs no event its customer."""
    return refusal_to_name(kind, text) is None and (kind != EMAIL or can_be_spelt(kind, text, region=None))


def event_of(touchpoint: str, thing: str, *, at: object, data: Mapping[str, object]) -> Happened:
    """Write what happened to a thing, by the vendor's id for it, leaving out what a vendor does not know."""
    time = instant(at)
    told = {name: value for name, value in data.items() if value is not None}
    return {
        "id": f"{touchpoint}/{thing}",
        "data": {"touchpoint": touchpoint, **told},
        **({} if time is None else {"time": time}),
    }


def about(source: Source, event: Happened) -> Incoming:
    """Give an event for the door, without numbers that cannot be dialled where the source is: people typed them."""
    whom, data = Whom(source), members(event.get("data"))
    for one in data.get("identities", ()):
        whom.add(one.get("kind", ""), one.get("value"))
    original = msgspec.json.encode(event)
    if not whom.identities:
        return Incoming(original, Rejected(Reason.IDENTITY, "names nobody: the vendor knows no customer of it"))
    return Incoming(original, {**event, "data": {**data, "identities": whom.identities}})


def _verified(scheme: Scheme | Verify, head: Head, body: bytes, hook: Hook, received: Arrival) -> bool:
    if isinstance(scheme, Scheme):
        return scheme.verifies(head, body, secrets=hook.secrets, url=hook.url, now=received.at)
    return scheme(head, body, hook, received)
