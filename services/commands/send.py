"""`tactus send`: put one event, or a few from a file, through the door and print the reply."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from schemas.instant import write_instant
from schemas.touchpoint import TYPE, identity_of_subject
from services.client.endpoints import Endpoint, find_ingest
from services.client.events import Outgoing, Reply, open_client
from services.commands.recording import UNREADABLE
from services.core.instants import instant_of
from services.infra.catalogue.reading import load_catalogue
from services.infra.catalogue.undeclared import is_undeclared, remedy, told
from services.infra.clock import SystemClock
from services.infra.errors import ConfigurationError, InvalidEventError, TactusError
from services.infra.settings import read_settings

SOURCE: Final = "command-line"
"""What the command calls itself in an event that names no source."""

INPUT_BYTES_MAX: Final = 16 * 1024 * 1024
"""Whoever has more to send has a recording: `tactus replay` shows its progress and can be resumed."""

WARNINGS_MAX: Final = 10
"""Names told one by one; whoever has more of them mends a sender, not a name."""


class _Data(msgspec.Struct):
    touchpoint: str


class _Named(msgspec.Struct):
    """As much of an event as tells its touchpoint."""

    data: _Data


_NAMED: Final = msgspec.json.Decoder(_Named)

EXAMPLE: Final[Mapping[str, object]] = {
    "touchpoint": "survey.csat",
    "channel": "survey",
    "identities": [{"kind": "customer", "value": "c-1001"}],
    "rating": {"scale": "csat5", "value": 5},
    "text": "It simply worked.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """An event in the words of the command line."""

    touchpoint: str
    customer: str
    channel: str | None = None
    rating: str | None = None
    properties: Sequence[str] = ()


def run(what: Described | Path | None, *, data: Path | None) -> int:
    """Send what is described, or the JSON of a file (`-` is stdin), or the example; 0 when all was accepted."""
    try:
        declared = load_catalogue(read_settings().catalogue).entries
        events = events_of(what)
        replies = asyncio.run(_send(events, find_ingest(data, key="server")))
    except KeyboardInterrupt:
        return 130
    except TactusError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.writelines(_told(reply) for reply in replies)
    sys.stderr.writelines(f"{line}\n" for line in warnings(events, declared=declared))
    return 0 if all(reply.accepted for reply in replies) else 1


def events_of(what: Described | Path | None) -> list[Outgoing]:
    """The events to send; the example is printed, too. Raises InvalidEventError with what to write instead."""
    if isinstance(what, Path):
        return _read(what)
    if what is not None:
        return [_event({"data": _body(what)})]
    example = _event({"data": EXAMPLE})
    sys.stdout.write(msgspec.json.format(example.encoded, indent=2).decode() + "\n")
    return [example]


def warnings(events: Iterable[Outgoing], *, declared: Collection[str]) -> list[str]:
    """What to say of touchpoints that nobody declared, one line a name."""
    names = dict.fromkeys(_touchpoint(event) for event in events)
    wrong = [name for name in names if name and is_undeclared(name, declared)]
    lines = [f"{told(name)}; {remedy(name, declared)}" for name in wrong[:WARNINGS_MAX]]
    return lines if len(wrong) <= WARNINGS_MAX else [*lines, f"and {len(wrong) - WARNINGS_MAX} more are not"]


def _touchpoint(event: Outgoing) -> str:
    """The touchpoint that an event names; empty when it names none, which the door will say."""
    try:
        return _NAMED.decode(event.encoded).data.touchpoint
    except msgspec.ValidationError:
        return ""


async def _send(events: Sequence[Outgoing], endpoint: Endpoint) -> list[Reply]:
    async with open_client(url=endpoint.url, key=endpoint.key, connections=1) as client:
        return await client.send_all(events)


def _told(reply: Reply) -> str:
    if reply.accepted:
        return f"accepted {reply.id}: durable in the {reply.durable or 'log'}\n"
    return f"rejected {reply.id}: {reply.reason}\n"


def _body(described: Described) -> dict[str, object]:
    """The event's data; the door judges it, not we."""
    body: dict[str, object] = {
        "touchpoint": described.touchpoint,
        "identities": [identity_of_subject(described.customer)._asdict()],
    }
    if described.channel is not None:
        body["channel"] = described.channel
    if described.rating is not None:
        body["rating"] = _rating(described.rating)
    if described.properties:
        body["properties"] = dict(_property(text) for text in described.properties)
    return body


def _rating(text: str) -> dict[str, object]:
    """`4`, or `csat5=4` with the scale's name."""
    scale, _, value = text.rpartition("=")
    try:
        number = float(value)
    except ValueError as error:
        raise InvalidEventError(f"--rating {text}: write a number, or scale=number such as csat5=4") from error
    return {"scale": scale, "value": number} if scale else {"value": number}


def _property(text: str) -> tuple[str, object]:
    """`wait_seconds=420`; the value is JSON if it can be, else text."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InvalidEventError(f"--property {text}: write name=value")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value


def _read(file: Path) -> list[Outgoing]:
    """One event, a list of them, or one a line."""
    stream: BinaryIO = sys.stdin.buffer if str(file) == "-" else _opened(file)
    with stream:
        text = stream.read(INPUT_BYTES_MAX + 1)
    if len(text) > INPUT_BYTES_MAX:
        raise InvalidEventError(f"{file}: is larger than {INPUT_BYTES_MAX} bytes; use `tactus replay`")
    events = [_event(event) for event in _objects(text, file)]
    if not events:
        raise InvalidEventError(f"{file}: holds no event; write at least one")
    return events


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from error


def _objects(text: bytes, file: Path) -> list[dict[str, object]]:
    try:
        found = msgspec.json.decode(text, type=dict[str, object] | list[dict[str, object]])
    except UNREADABLE:
        try:
            return [msgspec.json.decode(line, type=dict[str, object]) for line in text.splitlines() if line.strip()]
        except UNREADABLE as error:
            raise InvalidEventError(f"{file}: must be a JSON event, a list of them, or one a line ({error})") from error
    return [found] if isinstance(found, dict) else found


def _event(fields: Mapping[str, object]) -> Outgoing:
    """An event with what CloudEvents asks for where the sender left it out; the time is this moment."""
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": SOURCE,
        "type": TYPE,
        "time": write_instant(instant_of(SystemClock().now_us())),
        **fields,
    }
    return Outgoing(str(event["id"]), msgspec.json.encode(event))
