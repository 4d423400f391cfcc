"""Who is no customer: what the door tells by a request's agent and address, by who is named, and by what is said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from schemas.topics import DLQ, EVENTS
from schemas.touchpoint import TouchpointRecord
from services.aggregator.counting.records import body_hash_of
from services.infra import followed_file
from services.infra.classes.reading import read_classes
from services.infra.followed_file import FollowedFile
from services.infra.sources import Sources
from services.infra.staff import StaffRow
from tests.support.doors import memory_door, shipped_classes
from tests.support.memory_log import MemoryLog
from tests.support.senders import BROWSER_KEY, SERVER_KEY
from tests.support.visitors import AGENTS, Sent, classes_of, send, sources_with
from tests.support.waiting import eventually

CHROME, HEADLESS, GOOGLEBOT, UPTIME, PROBE = AGENTS
STREET = "198.51.100.7"


def native(event_id: str = "e1", *, who: str = "customer:c1", **fields: object) -> bytes:
    kind, _, value = who.partition(":")
    named = {"identities": [{"kind": kind, "value": value}]}
    return json.dumps({"id": event_id, "data": {"touchpoint": "web.page_viewed", **named, **fields}}).encode()


def visit(agent: str = CHROME, address: str = STREET, body: bytes | None = None) -> Sent:
    return Sent(BROWSER_KEY, "native", agent, address, body or native())


async def record_of(
    sent: Sent, *, sources: Sources | None = None, rules: str = "", folder: Path | None = None
) -> dict[str, Any]:
    log = MemoryLog()
    file = classes_of(folder, rules) if folder is not None else shipped_classes()
    door = memory_door(log, sources=lambda: sources or sources_with({}), classes=lambda: file)
    assert await send(door, sent) in (200, 202)
    (record,) = log.of_topic(EVENTS)
    TouchpointRecord.model_validate_json(record.value)
    kept: dict[str, Any] = json.loads(record.value)
    return kept


@pytest.mark.parametrize(
    ("agent", "event_class"), [(CHROME, None), (HEADLESS, "bot"), (GOOGLEBOT, "bot"), (UPTIME, "monitor"), ("", None)]
)
async def test_a_page_s_visitor_is_told_by_the_agent(agent: str, event_class: str | None) -> None:
    record = await record_of(visit(agent))

    assert record.get("classed") == event_class
    assert "class" not in record["data"]


async def test_the_record_keeps_the_agent_reduced_and_of_the_address_the_ranges_alone(tmp_path: Path) -> None:
    rules = "ranges:\n  office: [203.0.113.0/24]\n  city: [203.0.0.0/16]\n"

    record = await record_of(visit(CHROME, "203.0.113.9"), rules=rules, folder=tmp_path)

    assert record["agent"].endswith("Chrome/140.0 Safari/537.36")
    assert set(record["ranges"].split()) == {"office", "city"}
    assert "203.0.113" not in json.dumps(record)


async def test_a_server_s_own_agent_and_address_say_nothing_of_its_customer() -> None:
    staff = {"shop": StaffRow(addresses=("203.0.113.0/24",))}
    sent = Sent(SERVER_KEY, "native", "python-requests/2.32 HeadlessChrome/1", "203.0.113.9", native())

    record = await record_of(sent, sources=sources_with(staff))

    assert not record.keys() & {"classed", "agent", "ranges"}


@pytest.mark.parametrize(
    ("key", "agent", "context", "event_class"),
    [
        (SERVER_KEY, CHROME, {"userAgent": GOOGLEBOT, "ip": STREET}, "bot"),
        (SERVER_KEY, GOOGLEBOT, {"userAgent": CHROME, "ip": STREET}, None),
        (SERVER_KEY, CHROME, {"userAgent": CHROME, "ip": "203.0.113.9"}, "staff"),
        (SERVER_KEY, CHROME, {"userAgent": ["x"], "ip": {"a": 1}}, None),
        (SERVER_KEY, CHROME, {"userAgent": "x" * 9000, "ip": "1" * 9000}, None),
        (BROWSER_KEY, HEADLESS, {"userAgent": CHROME, "ip": STREET}, "bot"),
    ],
)
async def test_of_a_server_s_customer_is_known_what_the_server_tells(
    key: str, agent: str, context: Mapping[str, object], event_class: str | None
) -> None:
    body = json.dumps({"messageId": "m1", "userId": "c1", "type": "page", "context": context}).encode()
    staff = {"shop": StaffRow(addresses=("203.0.113.0/24",))}

    record = await record_of(Sent(key, "segment", agent, STREET, body), sources=sources_with(staff))

    assert record.get("classed") == event_class


@pytest.mark.parametrize(
    ("sent", "event_class"),
    [
        (visit(body=native(who="email:ANN@Shop.Example ")), "staff"),
        (visit(body=native(who="customer:ann@shop.example")), "staff"),
        (visit(body=native(who="phone:0048 600 100 200")), "staff"),
        (visit(body=native(who="device:till-7")), "staff"),
        (visit(body=native(who="email:ben@shop.example")), None),
        (visit(address="203.0.113.9"), "staff"),
        (visit(address="2001:db8:7::/64"), "staff"),
        (visit(address="203.0.114.9"), None),
        (visit(address=""), None),
        (Sent(SERVER_KEY, "native", "", STREET, native(who="email:ann@shop.example")), None),
    ],
)
async def test_staff_is_told_by_who_is_named_and_by_the_address_for_its_own_source(
    sent: Sent, event_class: str | None
) -> None:
    staff = StaffRow(
        identities=("email:Ann@shop.example", "phone:+48 600 100 200", "device:till-7"),
        addresses=("203.0.113.0/24", "2001:db8::/32"),
    )

    record = await record_of(sent, sources=sources_with({"site": staff}))

    assert record.get("classed") == event_class


async def test_a_sender_s_class_stands_and_no_sender_can_take_one_away() -> None:
    sent = json.loads(native(**{"class": "test"}))
    forged = {**json.loads(native()), "classed": "none", "agent": "Mozilla/5.0", "ranges": "office"}

    said = await record_of(visit(CHROME, body=json.dumps(sent).encode()))
    caught = await record_of(visit(HEADLESS, body=json.dumps(forged).encode()))

    assert (said["data"]["class"], said.get("classed")) == ("test", None)
    assert caught["classed"] == "bot"
    assert "HeadlessChrome" in caught["agent"]
    assert "office" not in caught.get("ranges", "")


async def test_a_class_that_is_no_class_is_refused() -> None:
    log = MemoryLog()

    status = await send(memory_door(log), visit(body=native(**{"class": "none"})))

    assert status == 422
    assert log.of_topic(EVENTS) == []
    assert len(log.of_topic(DLQ)) == 1


async def test_a_rule_may_let_a_vendor_s_tests_count(tmp_path: Path) -> None:
    rules = "rules:\n  staging: {class: none, says: [test], sources: [site]}\n"

    record = await record_of(visit(body=native(**{"class": "test"})), rules=rules, folder=tmp_path)

    assert record["classed"] == "none"


async def test_the_same_event_seen_otherwise_has_the_same_body() -> None:
    bodies = [await record_of(visit(agent, address)) for agent, address in ((CHROME, STREET), (HEADLESS, "10.1.2.3"))]

    one, other = (body_hash_of(json.dumps(body, separators=(",", ":")).encode()) for body in bodies)
    assert one == other


async def test_what_does_not_score_is_counted_by_its_class() -> None:
    def count(event_class: str) -> float:
        return REGISTRY.get_sample_value("tactus_ingest_classed_events_total", {"class": event_class}) or 0.0

    before = {name: count(name) for name in ("bot", "test", "monitor")}
    await record_of(visit(HEADLESS))
    await record_of(visit(body=native(**{"class": "test"})))
    await record_of(visit(CHROME))

    assert {name: count(name) - was for name, was in before.items()} == {"bot": 1, "test": 1, "monitor": 0}


async def test_rules_that_have_changed_hold_from_the_next_request_and_bad_ones_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_file, "LOOK_S", 0.01)
    path = tmp_path / "classes.yaml"
    path.write_text("# nothing yet\n", encoding="utf-8")
    file = FollowedFile(path, load=lambda: read_classes(path), name="classes")
    log = MemoryLog()
    door = memory_door(log, sources=lambda: sources_with({}), classes=lambda: file.current)
    following = asyncio.create_task(file.follow())

    async def classed() -> str | None:
        await send(door, visit(PROBE, body=native(f"e{len(log.records)}")))
        found: str | None = json.loads(log.records[-1].value).get("classed")
        return found

    async def is_monitor() -> bool:
        return await classed() == "monitor"

    assert await classed() is None
    path.write_text("rules:\n  probe: {class: monitor, agents: [OurProbe]}\n", encoding="utf-8")
    await eventually(is_monitor, what="the rule holds")
    path.write_text("rules:\n  probe: {class: robot}\n", encoding="utf-8")
    file.reload()
    assert await classed() == "monitor"
    following.cancel()


async def test_staff_that_a_reload_names_is_known_from_the_next_request() -> None:
    sources = [sources_with({})]
    log = MemoryLog()
    door = memory_door(log, sources=lambda: sources[-1])
    await send(door, visit(body=native("a")))

    sources.append(sources_with({"site": StaffRow(identities=("customer:c1",))}))
    await send(door, visit(body=native("b")))

    assert [json.loads(one.value).get("classed") for one in log.records] == [None, "staff"]
