"""Let a stored event name people as today's door would. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from schemas.touchpoint import RECORD_IDENTITIES_MAX
from services.core.identity import strength
from services.core.persons import LEAST_TRUST, TRUST_OF_KEY

Names = Mapping[str, Sequence[str]]
"""By what somebody was named, the present name first, then who is named beside."""

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


class NamedPeople(NamedTuple):
    """Whom a stored event names, and how far it is believed about who is who."""

    subject: str
    others: frozenset[str]
    trust: int


def read_names(body: str) -> NamedPeople:
    """Read the names in a body."""
    event: dict[str, Any] = msgspec.json.decode(body)  # as in `rewritten`
    others = frozenset(f"{one['kind']}:{one['value']}" for one in event["data"].get("identities", ()))
    trust = TRUST_OF_KEY.get(event.get("keykind", ""), LEAST_TRUST)
    return NamedPeople(event["subject"], others - {event["subject"]}, trust)


def words_of(identity: str) -> str:
    """Give what a body holds of an identity that it names: its value, as JSON writes it."""
    return msgspec.json.encode(identity.partition(":")[2]).decode()


def rewritten(body: str, names: Names) -> str:
    """Return the body with other names in place of these.

    The subject goes on to be who took the event, also where another identity is stronger by now.
    """
    event: dict[str, Any] = msgspec.json.decode(body)  # an event of any producer, of which only names are read
    event["subject"] = names.get(event["subject"], (event["subject"],))[0]
    data = event["data"]
    if "identities" in data:
        named = [f"{one['kind']}:{one['value']}" for one in data["identities"]]
        data["identities"] = [_parts(one) for one in _renamed(named, names)]
    if "alias" in data:
        alias = f"{data['alias']['kind']}:{data['alias']['value']}"
        data["alias"] = _parts(names.get(alias, (alias,))[0])
    return _ENCODER.encode(event).decode()


def _renamed(named: Sequence[str], names: Names) -> list[str]:
    """As the door does it: each once, the strongest first."""
    present = [names.get(one, (one,)) for one in named]
    every = dict.fromkeys([itself for itself, *_ in present] + [one for _, *beside in present for one in beside])
    return sorted(list(every)[:RECORD_IDENTITIES_MAX], key=strength)


def _parts(identity: str) -> dict[str, str]:
    kind, _, value = identity.partition(":")
    return {"kind": kind, "value": value}
