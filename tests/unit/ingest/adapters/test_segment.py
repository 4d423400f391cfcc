"""The protocol of Segment: what its clients send, and what becomes of it."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import httpx
import pytest

from schemas.topics import DLQ
from services.infra.metrics import CLAIMS_LEFT_OUT
from services.infra.sources import Source, Sources
from tests.support.doors import memory_client
from tests.support.memory_log import MemoryLog
from tests.support.senders import (
    ANONYMOUS,
    ANONYMOUS_KEY,
    BROWSER,
    BROWSER_KEY,
    SERVER,
    SERVER_KEY,
    SHOP_PAGE,
    digest,
)

NOON = "2026-03-01T12:00:00Z"


def basic(key: str) -> str:
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


class Site:
    """Speaks the protocol to a door whose log is in memory."""

    def __init__(self, key: str = SERVER_KEY, rules: Mapping[str, object] = MappingProxyType({})) -> None:
        self.log = MemoryLog(buffer_bytes_max=8 * 1024 * 1024)
        self.key = key
        self.sources = Sources(sources=[row.model_copy(update=rules) for row in (SERVER, BROWSER, ANONYMOUS)])

    async def send(self, path: str, body: object, **headers: str) -> httpx.Response:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"authorization": basic(self.key), **{k.replace("_", "-"): v for k, v in headers.items()}}
        async with memory_client(self.log, sources=self.sources) as client:
            return await client.post(path, content=sent, headers={k: v for k, v in headers.items() if v})

    async def kept(self, path: str, body: object, **headers: str) -> dict[str, Any]:
        """The only record of a request."""
        answer = await self.send(path, body, **headers)
        assert (answer.status_code, answer.json()) == (200, {"success": True})
        (record,) = self.records()
        return record

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(one.value) for one in self.log.records if one.topic != DLQ]

    def letters(self) -> dict[str, bytes]:
        return {dict(one.headers)["reason"].decode(): one.value for one in self.log.records if one.topic == DLQ}


def call(**members: object) -> dict[str, object]:
    return {"messageId": "m-1", "userId": "c1", "timestamp": NOON, **members}


def who(record: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["kind"], one["value"]) for one in record["data"]["identities"]]


async def test_a_tracked_order_is_an_order() -> None:
    properties = {"order_id": "o-1", "revenue": 12.5, "rating": 4}

    record = await Site().kept("/v1/track", call(anonymousId="v-7", event="Order Completed", properties=properties))

    assert (record["id"], record["source"], record["time"]) == ("m-1", "shop", NOON)
    assert who(record) == [("customer", "c1"), ("anonymous", "v-7")]
    assert record["data"]["touchpoint"] == "order.completed"
    assert record["data"]["order"] == "o-1"
    assert "rating" not in record["data"]
    assert record["data"]["properties"] == properties


async def test_a_review_s_stars_and_words_are_a_rating_and_a_text() -> None:
    properties = {"product_id": "p1", "review_body": "It shines.", "rating": "5"}

    record = await Site().kept("/v1/t", call(event="Product Reviewed", properties=properties))

    assert record["data"]["touchpoint"] == "review.posted_own"
    assert record["data"]["rating"] == {"value": 5}
    assert record["data"]["text"] == "It shines."
    assert record["data"]["properties"] == {"product_id": "p1", "rating": "5"}


@pytest.mark.parametrize(
    ("path", "members", "touchpoint", "channel"),
    [
        ("/v1/page", {"name": "Home"}, "web.page_viewed", "web"),
        ("/v1/p", {"properties": {"url": "https://shop.example/"}}, "web.page_viewed", "web"),
        ("/v1/screen", {"name": "Cart"}, "web.page_viewed", "app"),
        ("/v1/s", {}, "web.page_viewed", "app"),
        ("/v1/identify", {"traits": {"plan": "gold"}}, "identity.linked", "any"),
        ("/v1/i", {}, "identity.linked", "any"),
        ("/v1/group", {"groupId": "acme"}, "identity.linked", "any"),
        ("/v1/g", {"groupId": 7}, "identity.linked", "any"),
        ("/v1/alias", {"previousId": "v-7"}, "identity.linked", "any"),
        ("/v1/a", {"previousId": "v-7"}, "identity.linked", "any"),
        ("/v1/track", {"event": "Order Cancelled", "properties": {"reason": "customer"}},
         "order.cancelled_by_customer", "any"),
        ("/v1/track", {"event": "Order Cancelled", "properties": {"reason": "sold out"}},
         "order.cancelled_by_shop", "any"),
        ("/v1/track", {"event": "x" * 10_000}, "x." + "x" * 51 + "_4d4a77e5", "any"),
    ],
)  # fmt: skip
async def test_every_call_is_kept_as_what_it_says(
    path: str, members: dict[str, object], touchpoint: str, channel: str
) -> None:
    record = await Site().kept(path, call(**members))

    assert (record["data"]["touchpoint"][:53], record["data"]["channel"]) == (touchpoint[:53], channel)


async def test_traits_are_left_out_but_for_an_address_and_a_number() -> None:
    traits = {"email": "ana@example.com", "phone": "+48600100200", "name": "Ana", "plan": "gold"}

    record = await Site().kept("/v1/identify", call(traits=traits))

    assert [kind for kind, _ in who(record)] == ["customer", "email_hash", "phone_hash"]
    assert "properties" not in record["data"]
    assert "Ana" not in json.dumps(record)


TRAITS = {
    "plan": "gold",
    "lifetime value": 120.5,
    "vip": True,
    "team": {"size": 3},
    "tags": ["a"],
    "note": "write to ana@example.com",
    "office": "+48 600 100 200",
    "bio": "x" * 200,
    "code": "a\u0000b",
    "nothing": None,
    "email": "ana@example.com",
    "first_name": "Ana",
}


@pytest.mark.parametrize("path", ["/v1/identify", "/v1/group"])
async def test_traits_that_the_source_asks_for_are_kept_if_they_are_short_and_reach_nobody(path: str) -> None:
    asked = tuple(name for name in TRAITS if name not in ("email", "first_name"))

    record = await Site(rules={"traits": asked}).kept(path, call(groupId="acme", traits=TRAITS))

    assert record["data"]["properties"] == {"traits": {"plan": "gold", "lifetime value": 120.5, "vip": True}}
    assert "Ana" not in json.dumps(record)


async def test_a_trait_that_is_no_address_costs_no_event() -> None:
    record = await Site().kept("/v1/identify", call(traits={"email": "n/a", "phone": 7}))

    assert who(record) == [("customer", "c1")]


async def test_a_group_names_its_account() -> None:
    record = await Site().kept("/v1/group", call(groupId="acme", traits={"email": "info@acme.example"}))

    assert record["data"]["account"] == "acme"
    assert who(record) == [("customer", "c1")]


@pytest.mark.parametrize(
    ("traits", "properties"),
    [
        ({"role": "decision_maker", "name": "Acme"}, {"role": "decision_maker"}),
        ({"role": "Head of it all"}, {"role": "Head of it all"}),
        ({"role": "anna@acme.example"}, None),
        ({"role": ["champion"]}, None),
        ({}, None),
    ],
)
async def test_a_group_says_by_its_trait_as_what_somebody_acts(
    traits: dict[str, object], properties: dict[str, str] | None
) -> None:
    record = await Site().kept("/v1/group", call(groupId="acme", traits=traits))

    assert record["data"]["account"] == "acme"
    assert record["data"].get("properties") == properties


async def test_a_call_within_a_group_names_its_account() -> None:
    record = await Site().kept("/v1/track", call(event="Order Completed", context={"groupId": "acme"}))

    assert (record["data"]["touchpoint"], record["data"]["account"]) == ("order.completed", "acme")


async def test_a_role_without_a_group_is_not_kept() -> None:
    record = await Site().kept("/v1/group", call(groupId="", traits={"role": "champion"}))

    assert "account" not in record["data"]
    assert "properties" not in record["data"]


async def test_a_group_links_its_members_to_themselves_alone() -> None:
    site = Site()
    traits = {"email": "info@acme.example", "phone": "+48600100200", "name": "Acme"}
    context = {"traits": {"email": "info@acme.example"}}
    for number in (1, 2):
        message = {"messageId": f"m-{number}", "userId": f"c{number}", "anonymousId": f"v-{number}"}
        await site.send("/v1/group", call(**message, groupId="acme", traits=traits, context=context))

    assert [who(record) for record in site.records()] == [
        [("customer", "c1"), ("anonymous", "v-1")],
        [("customer", "c2"), ("anonymous", "v-2")],
    ]
    assert [record["data"]["account"] for record in site.records()] == ["acme", "acme"]


@pytest.mark.parametrize(
    "members",
    [
        {"userId": None, "anonymousId": "v-7"},
        {"userId": "", "anonymousId": "v-7"},
        {"userId": "undefined", "anonymousId": "v-7"},
        {"userId": "anonymous", "anonymousId": "v-7"},
    ],
)
async def test_who_is_nobody_is_left_out(members: dict[str, object]) -> None:
    record = await Site().kept("/v1/page", call(**members))

    assert who(record) == [("anonymous", "v-7")]


async def test_an_id_that_is_kept_as_a_number_is_one() -> None:
    record = await Site().kept("/v1/page", call(userId=1001))

    assert who(record) == [("customer", "1001")]


async def test_a_page_s_key_names_only_visitors_and_the_event_is_kept() -> None:
    site = Site(ANONYMOUS_KEY)
    before = CLAIMS_LEFT_OUT.labels("segment")._value.get()
    traits = {"email": "ana@example.com"}

    record = await site.kept("/v1/i", call(timestamp=None, anonymousId="v-7", traits=traits), origin=SHOP_PAGE)

    assert who(record) == [("anonymous", "v-7")]
    assert record["data"]["touchpoint"] == "identity.linked"
    assert CLAIMS_LEFT_OUT.labels("segment")._value.get() - before == 2


async def test_a_claiming_page_links_its_visitor_to_its_customer() -> None:
    site = Site(BROWSER_KEY)

    record = await site.kept("/v1/i", call(timestamp=None, anonymousId="v-7"), origin=SHOP_PAGE)

    assert who(record) == [("customer", "c1"), ("anonymous", "v-7")]


async def test_bad_messages_of_a_batch_cost_no_other_and_are_set_aside() -> None:
    site = Site()
    batch = [
        call(type="page"),
        call(messageId="m-2", type="dance"),
        call(messageId="m-3", type="track"),
        call(messageId="m-4", userId=None, type="page"),
        call(messageId="m-5", type="page", properties={"x": "y" * 40_000}),
        7,
        call(messageId="m-6", type="track", event="Lamp Dimmed"),
    ]

    answer = await site.send("/v1/batch", {"batch": batch, "sentAt": NOON})

    assert answer.status_code == 200
    assert [one["id"] for one in site.records()] == ["m-1", "m-6"]
    assert set(site.letters()) == {"invalid-event", "invalid-identity", "too-large"}


async def test_a_message_that_cannot_be_read_spares_its_neighbours() -> None:
    site = Site()
    good = json.dumps(call(type="page")).encode()
    body = (
        b'{"sentAt": "'
        + NOON.encode()
        + b'", "batch": ['
        + good
        + b', {"event": "\\ud800"}, {"n": NaN}], "writeKey": "k"}'
    )

    answer = await site.send("/v1/batch", body)

    assert answer.status_code == 200
    assert [one["id"] for one in site.records()] == ["m-1"]
    assert "malformed-json" in site.letters()


@pytest.mark.parametrize("body", [b"", b"hello", b"{", b'{"batch": [', b"\x1f\x8b\x00broken", b"7"])
async def test_what_is_no_json_is_refused(body: bytes) -> None:
    answer = await Site().send("/v1/batch", body)

    assert answer.status_code == 400


@pytest.mark.parametrize("body", [{}, {"batch": {}}, {"batch": []}, [], {"batch": [1]}, {"type": "page"}])
async def test_what_can_be_read_is_answered_200_whatever_it_holds(body: object) -> None:
    answer = await Site().send("/v1/batch", body)

    assert answer.status_code == 200


async def test_a_batch_is_not_refused_for_its_number_of_messages() -> None:
    site = Site()
    batch = [call(type="page", messageId=f"m-{number}") for number in range(2000)]

    answer = await site.send("/v1/b", {"batch": batch})

    assert answer.status_code == 200
    assert len(site.records()) == 2000


@pytest.mark.parametrize(
    "headers", [{}, {"content_encoding": "gzip"}, {"content_type": "application/x-www-form-urlencoded"}]
)
async def test_gzip_is_known_by_its_bytes_whatever_the_headers_say(headers: dict[str, str]) -> None:
    record = await Site().kept(
        "/v1/batch", gzip.compress(json.dumps({"batch": [call(type="page")]}).encode()), **headers
    )

    assert record["id"] == "m-1"


async def test_plain_text_that_is_called_gzip_is_read() -> None:
    record = await Site().kept("/v1/page", call(), content_encoding="gzip", content_type="text/plain")

    assert record["id"] == "m-1"


@pytest.mark.parametrize(
    ("path", "members", "authorization", "status"),
    [
        ("/v1/page", {}, basic(SERVER_KEY), 200),
        ("/v1/page", {}, f"Bearer {SERVER_KEY}", 200),
        (f"/v1/page?writeKey={SERVER_KEY}", {}, "", 200),
        (f"/beacon/v1/batch?writeKey={SERVER_KEY}", {}, "", 200),
        ("/v1/page", {"writeKey": SERVER_KEY}, "", 200),
        ("/v1/page", {"writeKey": "other"}, basic(SERVER_KEY), 200),
        (f"/v1/page?writeKey={SERVER_KEY}", {}, basic(SERVER_KEY), 200),
        (f"/v1/page?writeKey={BROWSER_KEY}", {}, basic(SERVER_KEY), 401),
        ("/v1/page", {}, "", 401),
        ("/v1/page", {"writeKey": "nobody's"}, "", 401),
        ("/v1/page", {"writeKey": 7}, "", 401),
        ("/v1/page", {"writeKey": SERVER_KEY}, "Basic wrong", 401),
        ("/v1/page?writeKey=nobody", {}, "", 401),
    ],
)
async def test_the_key_may_stand_where_clients_put_it(
    path: str, members: dict[str, object], authorization: str, status: int
) -> None:
    answer = await Site().send(path, call(**members), authorization=authorization)

    assert answer.status_code == status


async def test_alias_needs_a_server_s_key() -> None:
    site = Site(ANONYMOUS_KEY)

    answer = await site.send("/v1/alias", call(previousId="v-7"), origin=SHOP_PAGE)

    assert answer.status_code == 200
    assert site.records() == []
    assert set(site.letters()) == {"not-allowed"}


VISITOR = "5f0b2c1e-8d55-4a6e-9a41-0c6a3e1f2b77"


@pytest.mark.parametrize(
    ("rules", "members", "identities", "alias"),
    [
        ({}, {"previousId": "old-1"}, [("customer", "c1"), ("anonymous", "old-1")], "old-1"),
        ({}, {"previousId": 1001}, [("customer", "c1"), ("anonymous", "1001")], "1001"),
        ({}, {"previousId": VISITOR}, [("customer", "c1"), ("anonymous", VISITOR)], None),
        ({}, {"previousId": "v-7", "anonymousId": "v-7"}, [("customer", "c1"), ("anonymous", "v-7")], None),
        ({}, {"previousId": "c1"}, [("customer", "c1"), ("anonymous", "c1")], None),
        ({}, {"previousId": "v-7", "userId": None, "anonymousId": "v-8"}, [("anonymous", "v-7"), ("anonymous", "v-8")], None),
        ({"previous_ids": "customers"}, {"previousId": VISITOR}, [("customer", "c1")], VISITOR),
        ({"previous_ids": "customers"}, {"previousId": "c1"}, [("customer", "c1")], None),
        ({"previous_ids": "visitors"}, {"previousId": "old-1"}, [("customer", "c1"), ("anonymous", "old-1")], None),
    ],
)  # fmt: skip
async def test_a_server_s_alias_names_the_customer_that_was_before_and_the_visitor(
    rules: dict[str, object], members: dict[str, object], identities: list[tuple[str, str]], alias: str | None
) -> None:
    record = await Site(rules=rules).kept("/v1/alias", call(**members))

    assert sorted(who(record)) == sorted(identities)
    assert record["data"].get("alias") == (alias and {"kind": "customer", "value": alias})


@pytest.mark.parametrize("previous", [None, "", "null", "undefined", "0", "anonymous", {}, "x" * 300])
async def test_an_alias_of_nobody_is_set_aside(previous: object) -> None:
    site = Site()

    answer = await site.send("/v1/alias", call(previousId=previous))

    assert (answer.status_code, site.records()) == (200, [])
    assert set(site.letters()) == {"invalid-identity"}


@pytest.mark.parametrize(
    ("timestamp", "sent_at", "time"),
    [
        ("2026-03-01T11:00:00+00:00", None, "2026-03-01T11:00:00Z"),
        ("2026-03-01T13:00:00.500+02:00", None, "2026-03-01T11:00:00.500000Z"),
        ("2026-03-01T11:00:00", None, "2026-03-01T11:00:00Z"),
        (1_772_362_800_000, None, "2026-03-01T11:00:00Z"),
        ("1772362800000", None, "2026-03-01T11:00:00Z"),
        (1_772_362_800, None, "2026-03-01T11:00:00Z"),
        ("yesterday", None, NOON),
        (None, None, NOON),
        ("2026-03-01T14:00:00Z", "2026-03-01T15:00:00Z", "2026-03-01T11:00:00Z"),
        ("2026-03-01T08:00:00Z", "2026-03-01T09:00:00Z", "2026-03-01T08:00:00Z"),
    ],
    ids=["an offset", "fractions", "no zone", "ms", "ms as text", "s", "no time", "none", "a fast clock", "sent late"],
)
async def test_a_time_is_read_however_it_is_written(timestamp: object, sent_at: object, time: str) -> None:
    record = await Site().kept("/v1/page", call(timestamp=timestamp, sentAt=sent_at))

    assert record["time"] == time


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ("2026-03-01T13:00:00+01:00", "2026-03-01T12:00:00Z"),
        ("2026-03-01T12:00:00.250", "2026-03-01T12:00:00.250000Z"),
        ("soon", None),
        (None, None),
        ({"at": NOON}, None),
    ],
)
async def test_what_the_clients_clock_shows_is_kept_beside_the_time(said: object, sent: str | None) -> None:
    record = await Site().kept("/v1/page", call(sentAt=said))

    assert record.get("sentat") == sent


async def test_a_message_without_an_id_gets_the_same_one_again() -> None:
    site = Site()

    for _ in range(2):
        await site.send("/v1/batch", {"batch": [call(messageId=None, type="page")], "sentAt": NOON})
    await site.send("/v1/page", call(messageId="m" * 200))

    first, again, long = [one["id"] for one in site.records()]
    assert first == again != long
    assert len(long) == len(first) == 37


async def test_what_comes_too_fast_may_come_again_and_is_not_lost() -> None:
    site = Site(ANONYMOUS_KEY)
    batch = [
        call(type="page", messageId=f"m-{number}", userId=None, anonymousId="the-same", timestamp=None)
        for number in range(700)
    ]

    answer = await site.send("/v1/b", {"batch": batch}, origin=SHOP_PAGE)

    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["access-control-expose-headers"] == "Retry-After"


async def test_a_browser_s_client_is_told_to_send_here() -> None:
    sources = Sources(sources=(SERVER, BROWSER, ANONYMOUS))
    async with memory_client(MemoryLog(), sources=sources, Origin=SHOP_PAGE, Host="door.example:8443") as client:
        told = await client.get(f"/v1/projects/{BROWSER_KEY}/settings", headers={"X-Forwarded-Proto": "https"})
        unknown = await client.get("/v1/projects/nobody/settings")
        odd = await client.get(f"/v1/projects/{BROWSER_KEY}/settings", headers={"Host": 'x"y'})

    assert told.json()["integrations"]["Segment.io"] == {
        "apiKey": BROWSER_KEY, "apiHost": "door.example:8443/v1", "protocol": "https",
    }  # fmt: skip
    assert told.headers["access-control-allow-origin"] == SHOP_PAGE
    assert (unknown.status_code, odd.status_code) == (401, 401)


async def test_an_absent_log_is_told_so_that_the_client_keeps_its_batch() -> None:
    site = Site()
    site.log.leave()

    answer = await site.send("/v1/batch", {"batch": [call(type="page")]})

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


async def test_a_deployment_s_own_names_are_known() -> None:
    own = Source(name="own", kind="server", keys_sha256=(digest("own"),), touchpoints=("web.*",))
    log = MemoryLog()
    async with memory_client(log, sources=Sources(sources=(own,)), Authorization=basic("own")) as client:
        answers = [
            await client.post("/v1/track", json=call(event="Product Viewed")),
            await client.post("/v1/track", json=call(event="Order Completed")),
            await client.post("/v1/identify", json=call()),
        ]

    assert [one.status_code for one in answers] == [200] * 3
    assert [one.topic == DLQ for one in log.records] == [False, True, False]
