"""What tills send, and what becomes of it."""

from __future__ import annotations

import gzip
import json
from typing import Any

import httpx
import pytest

from schemas.limits import EVENTS_MAX
from schemas.topics import DLQ
from services.core.catalogue import Impression
from services.core.valence import Arguments
from services.infra.catalogue.reading import load_catalogue
from services.infra.sources import Source, Sources
from tests.support.doors import memory_client
from tests.support.memory_log import MemoryLog
from tests.support.senders import ANONYMOUS, ANONYMOUS_KEY, SHOP_PAGE, digest

KEY = "till-key-of-a-test"
TILL = Source(name="tills", kind="till", keys_sha256=(digest(KEY),))
LIMITED_KEY = "slow-till-key-of-a-test"
LIMITED = Source(name="slow", kind="till", keys_sha256=(digest(LIMITED_KEY),), identity_events_per_s_max=1)
SOURCES = Sources(sources=(TILL, LIMITED, ANONYMOUS))
AT = "2026-03-01T11:40:00+01:00"
MEMBER = [{"kind": "loyalty", "value": "L7"}]


class Till:
    """Sends to a door whose log is in memory."""

    def __init__(self) -> None:
        self.log = MemoryLog()

    async def send(
        self, *lines: object, path: str = "/v1/tills/042/3/events", key: str = KEY, **headers: str
    ) -> httpx.Response:
        body = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
        if headers.get("content_encoding") == "gzip":
            body = gzip.compress(body)
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        async with memory_client(self.log, sources=SOURCES, Authorization=f"Bearer {key}") as client:
            return await client.post(path, content=body, headers=told)

    async def kept(self, line: dict[str, object]) -> dict[str, Any]:
        answer = await self.send({"seq": 1, "time": AT, **line})
        assert answer.status_code == 202, answer.text
        (record,) = self.records()
        return record

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(one.value) for one in self.log.records if one.topic != DLQ]


async def test_a_sale_is_known_by_its_store_its_till_its_day_and_its_number() -> None:
    record = await Till().kept({"seq": 991, "identities": MEMBER, "properties": {"total": 12.5}})

    assert (record["source"], record["id"]) == ("tills/042/3", "2026-03-01/991")
    assert record["subject"] == "loyalty:L7"
    assert record["data"] == {
        "touchpoint": "pos.sale_completed",
        "channel": "pos",
        "place": "store/042",
        "identities": MEMBER,
        "properties": {"total": 12.5},
    }


async def test_the_business_day_may_be_another_than_the_clock_s() -> None:
    record = await Till().kept({"day": "2026-02-28"})

    assert record["id"] == "2026-02-28/1"
    assert record["time"] == "2026-03-01T10:40:00Z"


async def test_whoever_is_not_known_is_known_by_the_receipt_and_a_return_finds_it() -> None:
    till = Till()

    await till.send({"seq": 1, "time": AT})
    await till.send({"seq": 2, "time": AT, "type": "return", "returns": {"day": "2026-03-01", "seq": 1}})
    elsewhere = {"day": "2026-03-01", "seq": 1, "store": "042", "till": "3"}
    await till.send({"seq": 9, "time": AT, "type": "return", "returns": elsewhere}, path="/v1/tills/7/1/events")
    await till.send({"seq": 3, "time": AT, "type": "return"})

    subjects = [record["subject"] for record in till.records()]
    assert subjects[:3] == ["x-receipt:042/3/2026-03-01/1"] * 3
    assert subjects[3] == "x-receipt:042/3/2026-03-01/3"
    assert {record["data"]["touchpoint"] for record in till.records()[1:]} == {"pos.return_processed"}


@pytest.mark.parametrize(
    ("line", "event_class"),
    [
        ({"training": True}, "training"),
        ({"test": True}, "test"),
        ({"type": "void"}, "void"),
        ({"type": "suspended"}, "void"),
        ({"type": "reopened"}, "void"),
        ({"type": "void", "training": True}, "training"),
        ({"class": "staff"}, "staff"),
        ({}, None),
    ],
)
async def test_what_was_no_sale_never_scores(line: dict[str, object], event_class: str | None) -> None:
    record = await Till().kept(line)

    assert record["data"]["touchpoint"] == "pos.sale_completed"
    assert record["data"].get("class") == event_class


async def test_an_order_is_kept_and_never_scores_whatever_it_says_of_itself() -> None:
    record = await Till().kept({"type": "order", "order": "O-5", "rating": {"scale": "csat5", "value": 1}, "stake": 2})

    assert (record["data"]["touchpoint"], record["data"]["class"]) == ("x.pos_order", "void")
    assert record["data"]["order"] == "O-5"


async def test_what_a_till_does_without_a_customer_fills_its_numbers_and_never_scores() -> None:
    record = await Till().kept({"type": "control"})

    assert (record["id"], record["data"]["touchpoint"], record["data"]["class"]) == (
        "2026-03-01/1",
        "x.pos_control",
        "void",
    )


@pytest.mark.parametrize("before", ["order", "suspended", "reopened"])
async def test_a_receipt_counts_whether_or_not_what_came_before_it_had_its_number(before: str) -> None:
    till = Till()

    answer = await till.send(
        {"seq": 7, "time": AT, "type": before, "identities": MEMBER},
        {"seq": 7, "time": AT, "identities": MEMBER},
        {"seq": 8, "time": AT, "identities": MEMBER},
    )

    told = [(record["id"], record["data"].get("class")) for record in till.records()]
    assert told == [(f"2026-03-01/7/{before}", "void"), ("2026-03-01/7", None), ("2026-03-01/8", None)]
    assert [one["seq"] for one in answer.json()["results"]] == [7, 7, 8]
    assert (answer.json()["accepted_through"], answer.json()["gaps"]) == (8, [])


@pytest.mark.parametrize("other_id", ["b1946ac9-2492-4d23", 17, None])
async def test_the_natural_key_wins_over_any_other_id(other_id: object) -> None:
    record = await Till().kept({"id": other_id})

    assert record["id"] == "2026-03-01/1"
    assert "b1946ac9" not in json.dumps(record)


async def test_a_return_without_a_receipt_scores_and_is_known_by_itself_alone() -> None:
    record = await Till().kept({"type": "return", "properties": {"wait_seconds": 900}})

    assert record["data"]["identities"] == [{"kind": "x-receipt", "value": "042/3/2026-03-01/1"}]
    impression = load_catalogue().impression("pos.return_processed", Arguments(0, {"wait_seconds": 900}))
    assert isinstance(impression, Impression)
    assert impression.q > 0
    assert "class" not in record["data"]


async def test_a_till_may_tell_of_anything_else() -> None:
    record = await Till().kept({"type": "other", "touchpoint": "pos.queue_waited", "properties": {"wait_seconds": 90}})

    assert record["data"]["touchpoint"] == "pos.queue_waited"


async def test_the_answer_says_through_which_line_the_till_may_forget_and_what_is_missing() -> None:
    till = Till()
    lines = [
        {"seq": 5, "time": AT}, {"seq": 6, "time": AT}, b"{broken", {"seq": "8", "time": AT},
        {"seq": 9, "time": AT, "colour": 1}, {"seq": 12, "time": AT}, b"", {"seq": 2, "time": AT},
    ]  # fmt: skip

    answer = await till.send(*lines)

    told = answer.json()
    assert answer.status_code == 202
    assert [(one["seq"], one["status"]) for one in told["results"]] == [
        (5, "accepted"), (6, "accepted"), (None, "rejected"), (None, "rejected"), (9, "rejected"),
        (12, "accepted"), (2, "accepted"),
    ]  # fmt: skip
    assert [one.get("reason") for one in told["results"]][2:5] == ["malformed-json", "invalid-event", "invalid-event"]
    assert told["accepted_through"] == 12
    assert told["gaps"] == [[3, 4], [7, 8], [10, 11]]
    assert len([one for one in till.log.records if one.topic == DLQ]) == 3


async def test_a_line_that_must_come_again_holds_those_after_it_back() -> None:
    lines = [{"seq": seq, "time": AT, "identities": MEMBER} for seq in range(100)]

    answer = await Till().send(*lines, key=LIMITED_KEY)
    later = await Till().send({"seq": 0, "time": AT, "identities": MEMBER}, key=LIMITED_KEY)

    told = answer.json()
    assert answer.status_code == 202
    assert told["accepted_through"] == 59
    assert told["results"][60]["retry_after_s"] > 0
    assert later.status_code == 202


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({}, "seq"),
        ({"seq": -1}, "seq"),
        ({"seq": 2**53 + 1}, "seq"),
        ({"seq": True}, "seq"),
        ({"seq": 1, "day": "1.3.2026"}, "day"),
        ({"seq": 1}, "day"),
        ({"seq": 1, "time": AT, "type": "gift"}, "type"),
        ({"seq": 1, "time": "now"}, "day"),
        ({"seq": 1, "day": "2026-03-01", "time": "now"}, "time"),
        ({"seq": 1, "time": AT, "returns": {"seq": 1}}, "returns"),
        ({"seq": 1, "time": AT, "identities": [{"kind": "loyalty", "value": "null"}]}, "identities"),
        ({"seq": 1, "time": AT, "secret_field": "ana@example.com"}, "field"),
        ([1], "object"),
    ],
)
async def test_a_bad_line_is_told_what_to_mend_and_not_what_it_said(line: object, said: str) -> None:
    answer = await Till().send(line)

    (result,) = answer.json()["results"]
    assert result["status"] == "rejected"
    assert said in result["detail"]
    assert "secret" not in answer.text


async def test_lines_may_be_packed_and_parted_as_windows_does() -> None:
    till = Till()

    packed = await till.send({"seq": 1, "time": AT}, {"seq": 2, "time": AT}, content_encoding="gzip")
    windows = await till.send(b'{"seq": 3, "time": "%b"}\r' % AT.encode(), b'{"seq": 4, "time": "%b"}\r' % AT.encode())

    assert (packed.json()["accepted_through"], windows.json()["accepted_through"]) == (2, 4)


async def test_too_many_lines_nobody_s_key_and_a_page_s_key_are_refused() -> None:
    till = Till()

    many = await till.send(*[{"seq": seq, "time": AT} for seq in range(EVENTS_MAX + 1)])
    nobody = await till.send({"seq": 1}, key="nobody")
    page = await till.send({"seq": 1}, key=ANONYMOUS_KEY, origin=SHOP_PAGE)
    nowhere = await till.send({"seq": 1}, path="/v1/tills/a%20b/3/events")
    nothing = await till.send(b"")
    unreadable = await till.send(b"<xml/>")

    assert [many.status_code, nobody.status_code, page.status_code, nowhere.status_code] == [413, 401, 403, 404]
    assert (nothing.status_code, nothing.json()) == (202, {"results": [], "accepted_through": None, "gaps": []})
    assert unreadable.status_code == 400
    assert "access-control-allow-origin" not in page.headers


async def test_the_same_line_again_is_the_same_event() -> None:
    till = Till()

    for _ in range(2):
        await till.send({"seq": 1, "time": AT})

    first, again = till.records()
    assert (first["source"], first["id"], first["data"]) == (again["source"], again["id"], again["data"])


@pytest.mark.parametrize(
    ("date", "sent"),
    [
        ("Sun, 01 Mar 2026 10:45:07 GMT", "2026-03-01T10:45:07Z"),
        ("Sun, 01 Mar 2026 11:45:07 +0100", "2026-03-01T10:45:07Z"),
        ("Sun, 01 Mar 2026 11:45:07", None),
        ("yesterday", None),
        ("Sun, 99 Mar 2026 10:45:07 GMT", None),
        ("Sun, 01 Mar 10000 10:45:07 GMT", None),
        ("Sun, 01 Mar 2026 10:45:07 GMT" + " " * 10_000, None),
        ("", None),
    ],
)
async def test_a_till_that_dates_its_request_says_what_its_clock_shows(date: str, sent: str | None) -> None:
    till = Till()

    answer = await till.send({"seq": 1, "time": AT}, date=date)

    assert answer.status_code == 202
    [record] = till.records()
    assert record.get("sentat") == sent


@pytest.mark.parametrize(
    ("ahead_ms", "sent"),
    [
        ("312000", "2026-03-01T12:05:12Z"),
        ("-1500", "2026-03-01T11:59:58.500000Z"),
        ("0", "2026-03-01T12:00:00Z"),
        ("1.5", None),
        ("9" * 13, None),
        ("", None),
    ],
)
async def test_the_agents_own_measure_of_its_clock_is_kept(ahead_ms: str, sent: str | None) -> None:
    till = Till()

    answer = await till.send({"seq": 1, "time": AT}, x_till_clock_error_ms=ahead_ms)

    assert answer.status_code == 202
    [record] = till.records()
    assert record.get("sentat") == sent
