"""The shop's systems speak as real ones do: the doors take each word of theirs, and keep what happened."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.topics import DLQ
from services.client.events import EventsClient
from services.client.keys import ensure_keys
from services.client.posting import Poster
from services.demo.senders import BROWSER, Carrier, page_event, server_event
from services.demo.shop import Happening, Phase, open_shop
from services.demo.shop_sources import CARRIER, KEPT_IN, ORIGIN, PAGE, ShopKeys, open_shop_sources
from services.demo.tills import TILL, till_line
from services.demo.traffic import Message, Way, told_later, told_now
from services.infra.sources import load_sources_with_secrets
from tests.support.clocks import NOON
from tests.support.doors import memory_client
from tests.support.memory_log import MemoryLog


class Shop:
    """The shop's data directory, and a door that knows its sources."""

    def __init__(self, folder: Path) -> None:
        self.keys: ShopKeys = open_shop_sources(folder)
        self.generated = ensure_keys(folder).public
        self.log = MemoryLog()
        self._sources = load_sources_with_secrets(folder / "sources.toml")

    def poster(self, **headers: str) -> Poster:
        http = memory_client(self.log, sources=self._sources)
        http.headers.update(headers)
        return Poster(http=http)

    def kept(self) -> list[dict[str, Any]]:
        assert not [record for record in self.log.records if record.topic == DLQ]
        return [json.loads(record.value) for record in self.log.records]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def lived() -> list[Happening]:
    """An hour of trade, of everything that can happen."""
    told = open_shop(rng=random.Random(3), customers=30)
    phases = [*[Phase.NORMAL] * 300, *[Phase.OUTAGE] * 150, *[Phase.RECOVERY] * 150]
    start = NOON - timedelta(hours=1)
    return [told.next(now=start + timedelta(seconds=5 * i), phase=phase) for i, phase in enumerate(phases)]


def by_way(messages: Iterable[Message]) -> Mapping[Way, list[Message]]:
    found: dict[Way, list[Message]] = defaultdict(list)
    for message in messages:
        found[message.way].append(message)
    return found


NOW = by_way(map(told_now, lived()))


def said_of(happening: Happening) -> tuple[object, ...]:
    return (
        happening.body["touchpoint"],
        happening.body["channel"],
        happening.body.get("order"),
        happening.body.get("rating"),
    )


def kept_of(event: Mapping[str, Any]) -> tuple[object, ...]:
    data = event["data"]
    return data["touchpoint"], data["channel"], data.get("order"), data.get("rating")


def kinds(event: Mapping[str, Any]) -> list[str]:
    return [identity["kind"] for identity in event["data"]["identities"]]


def test_what_happens_now_comes_by_every_way_and_the_past_by_the_shop_s_own_system() -> None:
    assert set(NOW) == set(Way)
    assert min(len(messages) for messages in NOW.values()) > 10
    assert {told_later(message.happening).way for messages in NOW.values() for message in messages} == {Way.SERVER}


async def test_what_the_shop_s_own_system_says_is_kept_whole(shop: Shop) -> None:
    messages = NOW[Way.SERVER]
    client = EventsClient(poster=shop.poster(authorization=f"Bearer {shop.generated['server']}"), compress=False)

    replies = await client.send_all(map(server_event, messages))

    assert all(reply.accepted for reply in replies)
    assert [kept_of(event) for event in shop.kept()] == [said_of(message.happening) for message in messages]


async def test_a_page_names_who_has_logged_in_and_speaks_without_a_preflight(shop: Shop) -> None:
    messages = NOW[Way.PAGE]
    poster = shop.poster(Origin=ORIGIN, **{"User-Agent": BROWSER})
    path = f"/v1/beacon?key={shop.keys.page}"
    client = EventsClient(poster=poster, compress=False, path=path, content_type="text/plain;charset=UTF-8")

    replies = await client.send_all(map(page_event, messages))

    kept = shop.kept()
    assert all(reply.accepted for reply in replies)
    assert [kept_of(event) for event in kept] == [said_of(message.happening) for message in messages]
    assert {event["source"] for event in kept} == {PAGE}
    assert {"customer", "anonymous"} <= {kind for event in kept for kind in kinds(event)}
    assert any(len(kinds(event)) == 2 for event in kept), "a log-in links the visitor to the customer"


async def test_the_carrier_s_news_are_signed_and_say_how_late_a_parcel_is(shop: Shop) -> None:
    messages = NOW[Way.CARRIER]
    carrier = Carrier(poster=shop.poster(), path=f"/hooks/aftership/{CARRIER}", secret=shop.keys.carrier)

    replies = await carrier.send(messages)

    kept = shop.kept()
    assert all(reply.accepted for reply in replies)
    assert [event["data"]["touchpoint"] for event in kept] == [one.happening.body["touchpoint"] for one in messages]
    assert {kind for event in kept for kind in kinds(event)} == {"email_hash"}
    delivered = [event for event in kept if event["data"]["touchpoint"] == "delivery.delivered"]
    assert delivered
    assert all("promised_at" in event["data"]["properties"] for event in delivered)
    assert {event["data"]["place"].partition("/")[0] for event in kept} == {"carrier"}


async def test_a_carrier_that_signs_with_another_secret_is_told_so(shop: Shop) -> None:
    carrier = Carrier(poster=shop.poster(), path=f"/hooks/aftership/{CARRIER}", secret=b"another secret")

    [reply] = await carrier.send(NOW[Way.CARRIER][:1])

    assert not reply.accepted
    assert shop.log.records == []


async def test_a_till_s_lines_are_taken_as_they_are(shop: Shop) -> None:
    messages = [one for one in NOW[Way.TILL] if one.body["place"] == "store/001"]
    body = b"".join(till_line(message, number) for number, message in enumerate(messages, start=1))
    http = shop.poster(authorization=f"Bearer {shop.generated['till']}").http

    answer = await http.post(f"/v1/tills/001/{TILL}/events", content=body)

    told = answer.json()
    kept = shop.kept()
    assert {result["status"] for result in told["results"]} == {"accepted"}
    assert (told["accepted_through"], told["gaps"]) == (len(messages), [])
    assert [kept_of(event) for event in kept] == [said_of(message.happening) for message in messages]
    assert {event["data"]["place"] for event in kept} == {"store/001"}
    assert {"pos.sale_completed", "loyalty.points_earned"} <= {event["data"]["touchpoint"] for event in kept}


def test_the_carrier_s_secret_lies_beside_the_sources_and_is_its_owner_s(tmp_path: Path) -> None:
    keys = open_shop_sources(tmp_path)

    assert (tmp_path / KEPT_IN).read_bytes() == keys.carrier
    assert (tmp_path / KEPT_IN).stat().st_mode & 0o077 == 0
