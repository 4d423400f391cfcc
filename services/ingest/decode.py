"""Read the texts of events: a list of them, and each of them alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from schemas.limits import DEPTH_MAX, EVENT_BYTES_MAX
from services.infra.http.problems import Refused
from services.infra.sources import Source
from services.ingest.elements import elements_of
from services.ingest.judge import Arrival
from services.ingest.limits import nests_too_deep
from services.ingest.rejection import Reason, Rejected


class Letter(NamedTuple):
    """A dead letter that an operator sends again."""

    place: int
    """Of the letter in its request."""
    source: Source | None
    """In whose name it is sent; None: it is a record of the log, which says its source itself."""
    came: Arrival
    """When its sender sent it."""


class Incoming(NamedTuple):
    """One event: its bytes as they came, and what they hold or why they cannot be read."""

    original: bytes
    event: object | Rejected
    claims_left_out: int = 0
    """Ways to know the person that its key may not use, and that its channel leaves out for that."""
    letter: Letter | None = None
    """Of an event that was set aside before."""
    agent: str = ""
    """The User-Agent of whoever a server speaks of, where that tells it."""
    address: str = ""
    """The same of the address."""


MALFORMED: Final = Refused("malformed-json")
WHITESPACE: Final = b" \t\n\r"

_ELEMENTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_VALUE: Final = msgspec.json.Decoder(Any)
_NO_JSON: Final = "this event is not JSON (RFC 8259): no half surrogate pair, no NaN, no comma too many, UTF-8"


def texts_in(listed: bytes, *, count_max: int) -> Sequence[bytes] | Refused:
    """Split a JSON list into the texts of its elements, each of them readable or not; at most so many."""
    elements: Sequence[bytes | msgspec.Raw] | None
    try:
        elements = _ELEMENTS.decode(listed)
    except (msgspec.DecodeError, RecursionError):
        elements = elements_of(listed, count_max=count_max)
    if elements is None:
        return MALFORMED
    if len(elements) > count_max:
        return _too_many(count_max)
    return [bytes(element) for element in elements]


def texts_of_member(broken: bytes, name: str, *, count_max: int) -> Sequence[bytes] | Refused | None:
    """Split the list under a name in an object that is broken somewhere; None where no list can be found."""
    found = re.search(rb'"%b"[ \t\r\n]*:[ \t\r\n]*(?=\[)' % re.escape(name.encode()), broken)
    if found is None:
        return None
    elements = elements_of(broken[found.end() :], count_max=count_max, may_follow=True)
    if elements is not None and len(elements) > count_max:
        return _too_many(count_max)
    return elements


def _too_many(count_max: int) -> Refused:
    return Refused("body-too-large", f"Send at most {count_max} events at once.")


def read_text(original: bytes, *, bytes_max: int = EVENT_BYTES_MAX) -> Incoming:
    """Read one event, or say why it cannot be read."""
    if len(original) > bytes_max:
        return unread(original, Reason.TOO_LARGE, f"an event has at most {bytes_max} bytes")
    if nests_too_deep(original):
        return unread(original, Reason.TOO_DEEP, f"an event nests at most {DEPTH_MAX} deep")
    try:
        original.decode()
        return Incoming(original, _VALUE.decode(original))
    except msgspec.ValidationError:
        return unread(original, Reason.OUT_OF_RANGE, "a number is beyond what JSON readers agree on; send it as text")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return unread(original, Reason.MALFORMED, _NO_JSON)


def unread(original: bytes, reason: Reason, detail: str) -> Incoming:
    """Keep what cannot be read, with the reason."""
    return Incoming(original, Rejected(reason, detail))


def is_malformed(incoming: Incoming) -> bool:
    """Tell whether it is no JSON at all."""
    return isinstance(incoming.event, Rejected) and incoming.event.reason is Reason.MALFORMED


def refusal_of_all(incoming: Sequence[Incoming]) -> Refused | None:
    """Refuse as a whole a body in which nothing is JSON; one event that cannot be read spares the others."""
    return MALFORMED if incoming and all(map(is_malformed, incoming)) else None
