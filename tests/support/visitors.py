"""Traffic of which a part is no customer's: browsers, crawlers, monitors, staff and tests, at doors with rules."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple

from services.infra.classes.reading import ClassFile, read_classes
from services.infra.sources import Source, Sources
from services.infra.staff import StaffRow
from services.ingest.adapters import native, segment
from services.ingest.door import Door
from services.ingest.head import Head
from tests.support.doors import memory_door, posted
from tests.support.memory_log import MemoryLog
from tests.support.senders import BROWSER, BROWSER_KEY, SERVER, SERVER_KEY, SHOP_PAGE

AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.7339.128 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
    "OurProbe/3.2.1 (ops@shop.example)",
)
ADDRESSES = ("203.0.113.9", "198.51.100.7", "2001:db8:7::/64", "10.1.2.3")
SAID = (None, None, None, "test", "staff")
WHO = ("c1", "c2", "c3", "ann")

RANGES = """\
ranges:
  office: [203.0.113.0/24, "2001:db8::/32"]
"""


class Sent(NamedTuple):
    """One request, and where it comes from."""

    key: str
    channel: Literal["native", "segment"]
    agent: str
    address: str
    body: bytes


def traffic(random: Random, count: int) -> list[Sent]:
    """So many requests of one event each, by pages and by servers, natively and in Segment's words."""
    return [_sent(random, number) for number in range(count)]


def _sent(random: Random, number: int) -> Sent:
    who, said = random.choice(WHO), random.choice(SAID)
    agent, address = random.choice(AGENTS), random.choice(ADDRESSES)
    key, by_segment = random.choice((BROWSER_KEY, SERVER_KEY)), random.random() < 0.5
    body: dict[str, Any]
    if by_segment:
        context = {"userAgent": random.choice(AGENTS), "ip": random.choice(ADDRESSES)}
        body = {"messageId": f"m-{number}", "userId": who, "type": "page", "context": context}
    else:
        touchpoint, rating = random.choice(
            [("web.error_shown", None), ("survey.csat", {"value": random.randint(1, 5)})]
        )
        named = [{"kind": "customer", "value": who}, {"kind": "email", "value": f"{who.upper()}@Shop.example"}]
        told = {"touchpoint": touchpoint, "identities": named, "rating": rating, "class": said}
        body = {"id": f"e-{number}", "data": {name: value for name, value in told.items() if value is not None}}
    return Sent(key, "segment" if by_segment else "native", agent, address, json.dumps(body).encode())


def sources_with(staff: Mapping[str, StaffRow]) -> Sources:
    """The sources of a test, with staff by their names."""
    rows: Sequence[Source] = (BROWSER, SERVER)
    return Sources(sources=[row.model_copy(update={"staff": staff.get(row.name)}) for row in rows])


def classes_of(folder: Path, text: str) -> ClassFile:
    """Rules as a deployment writes them."""
    path = folder / "classes.yaml"
    path.write_text(text, encoding="utf-8")
    return read_classes(path)


async def send(door: Door, one: Sent) -> int:
    """Post a request; return the status of its answer."""
    headers = [("user-agent", one.agent), ("content-type", "application/json"), ("authorization", f"Bearer {one.key}")]
    if one.key == BROWSER_KEY:
        headers.append(("origin", SHOP_PAGE))
    path, adapter = ("/v1/batch", segment.ADAPTER) if one.channel == "segment" else ("/v1/events", native.ADAPTER)
    body = b'{"batch":[%b]}' % one.body if one.channel == "segment" else one.body
    return (await posted(door, adapter, Head(headers, one.address, path), body)).status


async def logged(sent: Sequence[Sent], *, classes: ClassFile, sources: Sources) -> list[bytes]:
    """What the log gets of requests at a door that has these rules from the start."""
    log = MemoryLog(buffer_bytes_max=1 << 30)
    door = memory_door(log, sources=lambda: sources, classes=lambda: classes)
    for one in sent:
        assert await send(door, one) in (200, 202)
    return [one.value for one in log.records]
