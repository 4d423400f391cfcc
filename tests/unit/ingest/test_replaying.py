"""Dead letters that come again: read by their channel, judged by their source, kept once and without a second letter."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.replay import LETTERS_MAX, REPLAY, TRIAL, Letter, Letters
from schemas.topics import DLQ, EVENTS, LATE
from services.core.instants import micros_of
from services.infra.hook_rows import HookRow, hook_of
from services.infra.kafka import LogRecord
from services.infra.sources import Source, Sources, digest
from services.ingest.adapter import Adapter, Example, Request
from services.ingest.discovery import discovered
from services.ingest.head import Head
from services.ingest.judge import arrival
from services.ingest.replaying import Reading
from tests.support.clocks import NOON
from tests.support.doors import catalogue_file, memory_client, names_of_channels, replay_doors
from tests.support.hooks import hook_sources, providers, with_signature
from tests.support.memory_log import MemoryLog
from tests.support.senders import (
    BROWSER_KEY,
    OPERATOR,
    OPERATOR_KEY,
    PATIENT,
    SERVER,
    SERVER_KEY,
    SHOP_PAGE,
    SOURCES,
    data,
    event,
)

CHANNELS = discovered()
EXAMPLES = [(channel, example) for channel in CHANNELS for example in channel.examples]
NOBODYS = ("nothing.at_all",)
"""Touchpoints that a key may send that may send nothing."""


def sources_of(rows: Sequence[Source]) -> Sources:
    hooks = {f"our-{one}": found[1] for one in providers() if (found := hook_sources().hook(one, f"our-{one}"))}
    return Sources(sources=[*rows, OPERATOR], hooks=hooks)


def rows() -> list[Source]:
    hooked = [found[0] for one in providers() if (found := hook_sources().hook(one, f"our-{one}"))]
    return [SERVER, *hooked]


def letter_of(record: LogRecord) -> Letter:
    """Tell a letter as the API does."""
    told = {name: value.decode() for name, value in record.headers}
    return Letter(
        channel=told["channel"],
        path=told["path"],
        source=told["source"],
        origin=told.get("origin", ""),
        came=micros_of(datetime.fromisoformat(told["receivedat"])),
        original=record.value,
    )


async def replayed(
    log: MemoryLog,
    letters: Sequence[Letter],
    *,
    path: str = REPLAY,
    sources: Sources = SOURCES,
    masked: bool = False,
    key: str = OPERATOR_KEY,
) -> httpx.Response:
    adapters = replay_doors(lambda: sources)
    async with memory_client(log, sources=sources, adapters=adapters, Authorization=f"Bearer {key}") as client:
        return await client.post(path, content=msgspec.json.encode(Letters(letters=list(letters), masked=masked)))


def results(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    told: list[dict[str, Any]] = answer.json()["results"]
    return told


def events_in(log: MemoryLog) -> dict[tuple[str, str], object]:
    """What the log has of events, by source and id: their times and data."""
    records = [json.loads(record.value) for record in log.records if record.topic != DLQ]
    return {(one["source"], one["id"]): (one["time"], one["data"], one["keykind"]) for one in records}


def request_of(body: bytes) -> Request:
    names = names_of_channels()["native"]
    return Request(Head([]), body, OPERATOR, arrival(micros_of(NOON)), names, catalogue_file().catalogue)


def a_letter(value: object, **more: Any) -> Letter:  # noqa: ANN401 - fields of several types
    original = value if isinstance(value, bytes) else json.dumps(value).encode()
    told = {"channel": "native", "path": "/v1/events", "source": "shop", "came": micros_of(NOON), **more}
    return Letter(original=original, **told)


@pytest.mark.parametrize(("channel", "example"), EXAMPLES, ids=lambda one: getattr(one, "title", None) or one.name)
async def test_what_a_channel_set_aside_becomes_the_event_that_it_would_have_been(
    channel: Adapter, example: Example
) -> None:
    hooked = channel.name in providers()
    headers = {"authorization": f"Bearer {SERVER_KEY}", **example.headers}
    headers, body = with_signature(channel.name, example.headers, example.body) if hooked else (headers, example.body)
    params = {"key": SERVER_KEY} if "?key=" in channel.key_stands else None
    allowed = sources_of(rows())
    forbidden = sources_of([row.model_copy(update={"touchpoints": NOBODYS}) for row in rows()])
    direct, log = MemoryLog(), MemoryLog()
    for to, sources in ((direct, allowed), (log, forbidden)):
        async with memory_client(to, sources=sources) as client:
            await client.post(example.path, content=body, headers=headers, params=params)
    letters = [letter_of(record) for record in log.of_topic(DLQ)]

    told = results(await replayed(log, letters, sources=allowed))

    whole = [one for one in letters if b"[removed]" not in one.original]
    assert [one["status"] for one in told].count("accepted") == len(whole)
    assert {one["reason"] for one in told if one["status"] == "rejected"} <= {"masked"}
    if len(whole) == len(letters):
        assert events_in(log) == events_in(direct)
    assert len(log.of_topic(DLQ)) == len(letters)


async def test_a_trial_says_the_same_and_keeps_nothing() -> None:
    log = MemoryLog()
    letters = [a_letter(event("a")), a_letter(event("b") | {"data": {}}), a_letter(b"{")]

    tried = results(await replayed(log, letters, path=TRIAL))
    kept_by_trial = list(log.records)
    done = results(await replayed(log, letters))

    assert tried == done
    assert kept_by_trial == []
    assert [(one["status"], one["reason"]) for one in done] == [
        ("accepted", ""), ("rejected", "invalid-event"), ("rejected", "malformed-json"),
    ]  # fmt: skip
    assert [record.topic for record in log.records] == [EVENTS]
    assert done[0]["records"] == [json.loads(log.records[0].value)]


async def test_letters_that_are_no_json_at_all_are_each_told_so() -> None:
    log = MemoryLog()

    told = results(await replayed(log, [a_letter(b"{"), a_letter(b"\xff")]))

    assert [one["reason"] for one in told] == ["malformed-json"] * 2
    assert log.records == []


async def test_a_letter_is_judged_by_when_it_came_and_goes_to_the_lane_of_today() -> None:
    log = MemoryLog()
    came = NOON - timedelta(days=3)
    site = {"source": "site", "came": micros_of(came)}
    of_page = {"touchpoint": "web.page_viewed", "identities": [{"kind": "anonymous", "value": "v"}]}
    recent = {"id": "a", "time": "2026-02-26T11:00:00Z", "data": of_page}
    ahead = {"id": "b", "time": "2026-02-26T13:00:00Z", "data": of_page}
    timeless = {"id": "c", "data": of_page}
    old = {"id": "d", "time": "2026-02-24T11:00:00Z", "data": of_page}

    told = results(await replayed(log, [a_letter(one, **site) for one in (recent, ahead, timeless, old)]))

    kept = [json.loads(record.value) for record in log.records]
    assert [one["status"] for one in told] == ["accepted"] * 3 + ["rejected"]
    assert told[3]["reason"] == "too-old"
    assert [one["time"] for one in kept] == ["2026-02-26T11:00:00Z", "2026-02-26T12:00:00Z", "2026-02-26T12:00:00Z"]
    assert {one["receivedat"] for one in kept} == {"2026-03-01T12:00:00Z"}
    assert {record.topic for record in log.records} == {LATE}


async def test_what_names_a_customer_from_a_page_is_believed_of_its_origin_alone() -> None:
    log = MemoryLog()
    page = {"source": "site", "origin": SHOP_PAGE}

    told = results(
        await replayed(
            log,
            [
                a_letter(event("a"), **page),
                a_letter(event("b"), source="site"),
                a_letter(event("c"), source="site", origin="https://other.example"),
            ],
        )
    )

    assert [one["status"] for one in told] == ["accepted", "rejected", "rejected"]
    assert {one["reason"] for one in told[1:]} == {"not-allowed"}


async def test_the_origin_of_a_page_stands_in_its_letter() -> None:
    log = MemoryLog()
    async with memory_client(log, Authorization=f"Bearer {BROWSER_KEY}", Origin=SHOP_PAGE) as client:
        await client.post("/v1/events", json={"id": "b"})

    (record,) = log.of_topic(DLQ)
    assert letter_of(record).origin == SHOP_PAGE


@pytest.mark.parametrize(
    ("letter", "reason"),
    [
        (a_letter(event("[removed]")), "masked"),
        (a_letter(event("a", customer="[removed]")), "masked"),
        (a_letter(event("a", subject="email:[removed]")), "masked"),
        (a_letter(event("a") | {"data": data(order="[removed]")}), "masked"),
        (a_letter(event("a") | {"[removed]": 1}), "masked"),
        (a_letter(b'{"id": "a", "text": [removed]}'), "masked"),
        (a_letter(event("a") | {"data": data(text="call [removed]")}), "masked"),
        (a_letter(event("a"), source="gone"), "not-allowed"),
        (a_letter(event("a"), channel="gone"), "invalid-event"),
        (a_letter(event("a"), path="/v1/elsewhere"), "invalid-event"),
        (a_letter(b"[]"), "invalid-event"),
        (a_letter(event("a"), channel="shopify", path="/hooks/shopify/shop", source="shop"), None),
        (
            a_letter({"id": "a", "data": {"identities": 3}}, channel="shopify", path="/hooks/shopify/s"),
            "malformed-json",
        ),
    ],
    ids=str,
)
async def test_what_cannot_come_again_is_refused_with_its_reason(letter: Letter, reason: str | None) -> None:
    log = MemoryLog()

    (told,) = results(await replayed(log, [letter]))

    assert (told["status"], told["reason"] or None) == ("rejected" if reason else "accepted", reason)
    assert len(log.records) == (0 if reason else 1)


async def test_where_only_what_does_not_count_was_removed_an_operator_may_send_it() -> None:
    log = MemoryLog()
    spare = a_letter(event("a") | {"data": data(text="call [removed]", properties={"[removed]": ["[removed]"]})})
    counts = a_letter(event("b", customer="[removed]"))
    call = {"messageId": "m", "anonymousId": "v", "event": "Lamp Dimmed", "context": {"userAgent": "Any/[removed]"}}
    segment = a_letter(call, channel="segment", path="/v1/track")
    ordered = a_letter({**call, "properties": {"order_id": "[removed]"}}, channel="segment", path="/v1/track")
    till = a_letter({"seq": 1, "day": "2026-03-01", "text": "[removed]"}, channel="till", path="/v1/tills/s/t/events")

    letters = [spare, counts, segment, ordered, till]
    asked = results(await replayed(log, letters, path=TRIAL))
    told = results(await replayed(log, letters, masked=True))

    assert [one["reason"] for one in asked] == ["masked"] * 5
    assert ["--masked" in one["detail"] for one in asked] == [True, False, True, False, True]
    assert [one["status"] for one in told] == ["accepted", "rejected", "accepted", "rejected", "accepted"]


async def test_what_was_removed_where_the_score_reads_a_number_is_rejected_all_the_same() -> None:
    log = MemoryLog()
    waited = data(touchpoint="pos.queue_waited", channel="pos", properties={"wait_seconds": "[removed]"})

    (told,) = results(await replayed(log, [a_letter(event("a") | {"data": waited})], masked=True))

    assert (told["reason"], log.records) == ("invalid-event", [])
    assert "wait_seconds" in told["detail"]


async def test_a_record_of_the_log_comes_again_with_the_bytes_of_its_data() -> None:
    log = MemoryLog()
    before = {
        "specversion": "1.0", "id": "a", "source": "shop/web", "type": "tactus.touchpoint.v1", "time": "2026-03-01T11:00:00Z",
        "subject": "email_hash:00ff", "datacontenttype": "application/json", "receivedat": "2026-03-01T11:00:01Z",
        "keykind": "browser", "channelorigin": "catalogue",
    }  # fmt: skip
    told = b'{"touchpoint":"web.page_viewed","identities":[{"value":"00ff","kind":"email_hash"}],"channel":"web"}'
    original = json.dumps(before).encode()[:-1] + b',"data":' + told + b"}"

    (result,) = results(await replayed(log, [a_letter(original, channel=None)]))

    (record,) = log.records
    kept = json.loads(record.value)
    assert result["status"] == "accepted"
    assert (record.topic, record.key) == (EVENTS, b"email_hash:00ff")
    assert told in record.value
    assert {**kept, "data": None} == {**before, "receivedat": "2026-03-01T12:00:00Z", "data": None}


@pytest.mark.parametrize(
    "record",
    [
        b"{",
        b"null",
        b"[]",
        b'{"specversion": "1.0"}',
        json.dumps(event("a")).encode(),
        b'{"data": {"touchpoint": 1e400}}',
    ],
)
async def test_what_is_no_record_stays_where_it_is(record: bytes) -> None:
    log = MemoryLog()

    (told,) = results(await replayed(log, [a_letter(record, channel=None)]))

    assert told["status"] == "rejected"
    assert log.records == []


async def test_a_body_of_several_events_is_accepted_when_all_of_them_are() -> None:
    log = MemoryLog()
    both, one_of_them = [event("a"), event("b")], [event("c"), {"id": "d"}]

    told = results(await replayed(log, [a_letter(both), a_letter(one_of_them)]))

    assert [(one["status"], len(one["records"])) for one in told] == [("accepted", 2), ("rejected", 0)]
    # The good one is kept all the same, as in any batch; sent again, it counts once.
    assert [json.loads(record.value)["id"] for record in log.records] == ["a", "b", "c"]


async def test_only_an_operator_s_key_opens_the_door() -> None:
    log = MemoryLog()

    answers = [
        await replayed(log, [a_letter(event("a"))], key=key) for key in (SERVER_KEY, BROWSER_KEY, "no-key-at-all")
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 401]
    assert "replay = true" in answers[0].json()["detail"]
    assert log.records == []


async def test_a_log_that_is_away_is_told_before_anything_is_read() -> None:
    log = MemoryLog()
    log.leave()

    answer = await replayed(log, [a_letter(event("a"))])

    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)


async def test_an_event_that_the_log_has_no_room_for_makes_no_second_letter() -> None:
    log = MemoryLog()
    log.limit(EVENTS, 10_000)
    large = a_letter(event("a") | {"data": data(properties={"a": "x" * 13_000})})

    (told,) = results(await replayed(log, [large]))

    assert (told["status"], told["reason"]) == ("rejected", "too-large")
    assert log.records == []


async def test_more_letters_than_a_request_may_hold_are_refused() -> None:
    answer = await replayed(MemoryLog(), [a_letter(event("a"))] * (LETTERS_MAX + 1))

    assert (answer.status_code, answer.json()["type"]) == (413, "urn:tactus:problem:body-too-large")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"letters": 3}',
        b'{"letters": [{"channel": "native", "came": -1, "original": ""}]}',
        b'{"letters": [{"channel": "native", "came": 1, "original": "%%%"}]}',
        b'{"letters": [{"channel": "native", "came": 9e99, "original": ""}]}',
    ],
)
async def test_a_body_that_holds_no_letters_is_no_fault_of_ours(body: bytes) -> None:
    async with memory_client(MemoryLog(), adapters=replay_doors(), Authorization=f"Bearer {OPERATOR_KEY}") as client:
        answer = await client.post(REPLAY, content=body)

    assert (answer.status_code, answer.json()["type"]) == (400, "urn:tactus:problem:malformed-json")


@PATIENT
@given(
    original=st.binary(max_size=300),
    channel=st.sampled_from([None, *(channel.name for channel in CHANNELS)]),
    which=st.integers(0, 20),
)
def test_random_bytes_in_a_letter_never_crash_its_channel(original: bytes, channel: str | None, which: int) -> None:
    routes = next((one.routes for one in CHANNELS if one.name == channel), ("/v1/events",))
    path = routes[which % len(routes)].replace("{", "").replace("}", "")
    letter = a_letter(original, channel=channel, path=path)
    encoded = msgspec.json.encode(Letters(letters=[letter]))
    assert base64.b64encode(original) in encoded

    reading = Reading(CHANNELS, names_of_channels(), lambda: SOURCES)
    listed = reading.letters(request_of(encoded))

    assert all(one.letter is not None for one in listed.incoming)  # type: ignore[union-attr]  # it is no refusal


BEFORE = """\
id: {field: id}
identities: [{kind: customer, value: {field: who}}]
time: {field: at}
event: {touchpoint: x.visit}
"""
MENDED = BEFORE.replace("{field: at}", "{field: at, format: '%d %b %Y', zone: Europe/Warsaw}")


async def test_a_row_that_no_map_could_read_comes_again_by_the_one_that_was_mended(tmp_path: Path) -> None:
    hook = HookRow(provider="generic", map="map.yaml")
    visits = Source(name="visits", kind="server", keys_sha256=(digest("key-of-visits"),), hook=hook)

    def by(text: str) -> Sources:
        (tmp_path / "map.yaml").write_text(text, encoding="utf-8")
        read = hook_of(hook, tmp_path, touchpoints=None)
        return Sources(sources=[visits, OPERATOR], hooks={"visits": read})

    log, row = MemoryLog(), {"id": "v1", "who": "c1", "at": "01 Mar 2026"}
    async with memory_client(log, sources=by(BEFORE), Authorization="Bearer key-of-visits") as client:
        await client.post("/hooks/generic/visits", json=row)
    letters = [letter_of(record) for record in log.of_topic(DLQ)]

    unmended = results(await replayed(log, letters, sources=by(BEFORE)))
    mended = results(await replayed(log, letters, sources=by(MENDED)))

    assert [(one["status"], one.get("reason")) for one in unmended] == [("rejected", "invalid-event")]
    assert [one["status"] for one in mended] == ["accepted"]
    assert list(events_in(log)) == [("visits", "v1")]
