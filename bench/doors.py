"""What is compared: three forms at our door, and a bridge that passes records on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from bench import purchases
from bench.camel.bridge import PATH, TOPIC, CamelBridge
from bench.purchases import Purchase
from schemas.topics import EVENTS
from services.client.connection import Connection

NATIVE: Final = "native"
PEER: Final = "camel"

TILL: Final = "042/3"
"""Of a store."""

JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Door:
    """One way for events to come in."""

    name: str
    url: str
    url_of_one: str = ""
    """Where a client sends an event alone, if elsewhere."""
    headers: Mapping[str, str]
    body: Callable[[Sequence[Purchase]], bytes]
    accepted: Callable[[bytes, int], int]
    """How many of a request's events an answer calls accepted."""
    pid: int
    topic: str
    source: str
    """Whose records these are in their topic."""
    compiles: bool = False
    """Its code is compiled while it runs: what it costs shows only when that is done."""


class _Verdicts(msgspec.Struct):
    results: list[_Verdict]


class _Verdict(msgspec.Struct):
    status: str
    durable: str = ""


_VERDICTS: Final = msgspec.json.Decoder(_Verdicts)


def of_verdicts(answer: bytes, _sent: int) -> int:
    """Count verdicts: a spool is no log, so what went there is not counted."""
    return sum((one.status, one.durable) == ("accepted", "log") for one in _VERDICTS.decode(answer).results)


def of_status(_answer: bytes, sent: int) -> int:
    """Believe the status: no other word is said."""
    return sent


def doors(connection: Connection, camel: CamelBridge) -> list[Door]:
    """The doors of one run; the first is what the others are compared with."""
    return [*_ours(connection), _theirs(camel)]


def _ours(connection: Connection) -> list[Door]:
    ingest, pid = connection.ingest, connection.pids["ingest"][0]
    server, till = ({"Authorization": f"Bearer {connection.keys[use]}"} for use in ("server", "till"))
    return [
        Door(
            name=NATIVE,
            url=f"{ingest}/v1/events",
            headers=server | JSON,
            body=purchases.native,
            accepted=of_verdicts,
            pid=pid,
            topic=EVENTS,
            source="shop/bench",
        ),
        Door(
            name="segment",
            url=f"{ingest}/v1/batch",
            url_of_one=f"{ingest}/v1/track",
            headers=server | JSON,
            body=purchases.segment,
            accepted=of_status,
            pid=pid,
            topic=EVENTS,
            source="shop",
        ),
        Door(
            name="till",
            url=f"{ingest}/v1/tills/{TILL}/events",
            headers=till | {"Content-Type": "application/x-ndjson"},
            body=purchases.till,
            accepted=of_verdicts,
            pid=pid,
            topic=EVENTS,
            source=f"store/{TILL}",
        ),
    ]


def _theirs(camel: CamelBridge) -> Door:
    return Door(
        name=PEER,
        url=camel.url + PATH,
        headers=JSON,
        body=purchases.records,
        accepted=of_status,
        pid=camel.pid,
        topic=TOPIC,
        source="bench",
        compiles=True,
    )
