"""What a request gets for an answer, and what the log gets of it."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from typing import Any

import pytest

from schemas.limits import EVENTS_MAX
from schemas.topics import DLQ, EVENTS
from services.infra.http.answer import Answer
from services.infra.sources import Sources
from services.ingest.adapters.native import ADAPTER
from services.ingest.dead_letters import DEAD_BYTES_MAX
from services.ingest.head import Head
from services.ingest.hints import NAMES_MAX
from services.ingest.overload import LARGE_BYTES, Overload
from tests.support.clocks import StandingSeconds
from tests.support.doors import memory_door, posted
from tests.support.memory_log import MemoryLog
from tests.support.senders import BROWSER_KEY, READ_KEY, REVOKED_KEY, SERVER_KEY, SOURCES, data, event

IN_FLIGHT_BYTES = 3 * 1024 * 1024


class Visitor:
    """Posts to a door whose log is in memory."""

    def __init__(self) -> None:
        self.log = MemoryLog(buffer_bytes_max=8 * 1024 * 1024)
        self.sources = SOURCES
        self.overload = Overload(in_flight_bytes_max=IN_FLIGHT_BYTES, wait_s=5)
        self.budget = self.overload.budget
        self.seconds = StandingSeconds()
        self.door = memory_door(self.log, sources=lambda: self.sources, seconds=self.seconds, overload=self.overload)

    async def post(self, body: object, *, key: str | None = SERVER_KEY, **headers: str) -> Answer:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        listed = [("content-type", "application/json")] if "content_type" not in headers else []
        listed += [(name.replace("_", "-"), value) for name, value in headers.items()]
        if key is not None and "authorization" not in headers:
            listed.append(("authorization", f"Bearer {key}"))
        return await posted(self.door, ADAPTER, Head(listed), sent)


@pytest.fixture
def visitor() -> Visitor:
    return Visitor()


def body_of(answer: Answer) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(answer.body)
    return told


def problem(answer: Answer) -> tuple[int, str]:
    assert answer.media_type == "application/problem+json"
    told = body_of(answer)
    assert told["status"] == answer.status
    return answer.status, told["type"].removeprefix("urn:tactus:problem:")


async def test_an_accepted_event_is_in_the_log_when_the_answer_says_so(visitor: Visitor) -> None:
    answer = await visitor.post(event("a"))

    assert (answer.status, body_of(answer)) == (
        202,
        {"results": [{"index": 0, "id": "a", "status": "accepted", "durable": "log"}]},
    )
    (record,) = visitor.log.records
    assert (record.topic, record.key) == (EVENTS, b"customer:c1")
    assert record.headers == (("content-type", b"application/cloudevents+json; charset=UTF-8"),)


async def test_a_small_body_that_unpacks_into_a_large_one_waits_for_the_core_like_one(visitor: Visitor) -> None:
    plain = json.dumps([event(f"event-{number}") for number in range(EVENTS_MAX)]).encode()
    packed = gzip.compress(plain)
    assert 10 * len(packed) < LARGE_BYTES < len(plain)

    async with visitor.overload.core(len(plain)):
        large = asyncio.create_task(visitor.post(packed, content_encoding="gzip", content_type="application/json"))
        small = await visitor.post(event("small"))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not large.done()

    assert (small.status, (await large).status) == (202, 202)


async def test_good_events_of_a_batch_are_kept_and_bad_ones_named(visitor: Visitor) -> None:
    answer = await visitor.post([event("a"), {"id": "b"}, event("c"), {"id": 7}])

    results = body_of(answer)["results"]
    assert answer.status == 202
    assert [(one["index"], one["id"], one["status"]) for one in results] == [
        (0, "a", "accepted"), (1, "b", "rejected"), (2, "c", "accepted"), (3, None, "rejected"),
    ]  # fmt: skip
    assert results[1]["reason"] == "invalid-event"
    assert "durable" not in results[1]


async def test_a_touchpoint_that_nobody_declared_is_kept_with_a_word_on_what_was_probably_meant(
    visitor: Visitor,
) -> None:
    names = ("survey.cast", "web.page_view", "survey.csat", "x.our_own", "zzz.qqq")

    answer = await visitor.post([event(name) | {"data": data(touchpoint=name)} for name in names])

    hints = {one["id"]: one.get("hint", "") for one in body_of(answer)["results"]}
    assert "survey.cast is not in the catalogue" in hints["survey.cast"]
    assert "did you mean survey.csat?" in hints["survey.cast"]
    assert "did you mean web.page_viewed?" in hints["web.page_view"]
    assert "TACTUS_CATALOGUE" in hints["zzz.qqq"]
    assert (hints["survey.csat"], hints["x.our_own"]) == ("", "")


async def test_a_request_with_many_undeclared_names_is_told_of_the_first_few(visitor: Visitor) -> None:
    answer = await visitor.post([event(str(n)) | {"data": data(touchpoint=f"web.made_up_{n}")} for n in range(100)])

    results = body_of(answer)["results"]
    assert [one["id"] for one in results if "hint" in one] == [str(n) for n in range(NAMES_MAX)]


async def test_a_refused_event_is_a_dead_letter_with_its_own_bytes(visitor: Visitor) -> None:
    await visitor.post(b'[{"id" : "b", "subject":"c7", "x_y": 1.50}, ' + json.dumps(event()).encode() + b"]")

    (letter,) = visitor.log.of_topic(DLQ)
    headers = dict(letter.headers)
    assert (letter.value, letter.key) == (b'{"id" : "b", "subject":"c7", "x_y": 1.50}', b"c7")
    assert (headers["reason"], headers["source"]) == (b"invalid-event", b"shop")
    assert headers["receivedat"] == b"2026-03-01T12:00:00Z"
    assert headers["detail"]


@pytest.mark.parametrize("subject", ["email:ann", "phone:12345", "ann@mail.example", "customer:600 100 200"])
async def test_a_subject_that_could_be_written_to_or_called_is_no_key(visitor: Visitor, subject: str) -> None:
    await visitor.post({"id": "b", "subject": subject})

    (letter,) = visitor.log.of_topic(DLQ)
    assert letter.key is None
    assert subject.partition(":")[2].encode() not in letter.value or ":" not in subject


async def test_an_address_across_the_cut_of_a_dead_letter_is_masked(visitor: Visitor) -> None:
    await visitor.post(b'"' + b"x " * ((DEAD_BYTES_MAX - 8) // 2) + b" ann.smith@mail.example" + b"x" * 100 + b'"')

    (letter,) = visitor.log.of_topic(DLQ)
    assert b"ann" not in letter.value


async def test_a_body_that_is_no_json_is_a_dead_letter_too(visitor: Visitor) -> None:
    answer = await visitor.post(b"{")

    assert problem(answer) == (400, "malformed-json")
    (letter,) = visitor.log.of_topic(DLQ)
    assert (letter.value, dict(letter.headers)["reason"]) == (b"{", b"malformed-json")


async def test_a_dead_letter_is_cut_at_its_limit_and_says_so(visitor: Visitor) -> None:
    await visitor.post(b'"' + b"x" * 2 * DEAD_BYTES_MAX + b'"')

    (letter,) = visitor.log.of_topic(DLQ)
    assert len(letter.value) == DEAD_BYTES_MAX
    assert dict(letter.headers)["truncated"] == str(2 * DEAD_BYTES_MAX + 2).encode()


async def test_an_event_larger_than_the_log_takes_is_a_dead_letter_and_spares_the_others(visitor: Visitor) -> None:
    visitor.log.limit(EVENTS, 10_000)
    large = event("b") | {"data": data(properties={"a": "x" * 13_000})}

    alone = await visitor.post(large)
    among = await visitor.post([event("a"), large, {"id": "d"}])

    assert problem(alone) == (413, "body-too-large")
    results = body_of(among)["results"]
    assert among.status == 202
    assert [(one["id"], one["status"]) for one in results] == [("a", "accepted"), ("b", "rejected"), ("d", "rejected")]
    assert (results[1]["reason"], results[2]["reason"]) == ("too-large", "invalid-event")
    assert len(visitor.log.of_topic(EVENTS)) == 1
    letters = [json.loads(letter.value)["id"] for letter in visitor.log.of_topic(DLQ)]
    assert sorted(letters) == ["b", "b", "d"]


@pytest.mark.parametrize("body", [b'{"a' + b"x" * 20_000, json.dumps({"id": "b", "x": "x" * 20_000}).encode()])
async def test_a_dead_letter_is_cut_to_what_its_topic_takes(visitor: Visitor, body: bytes) -> None:
    visitor.log.limit(DLQ, 10_000)

    await visitor.post(body)

    (letter,) = visitor.log.of_topic(DLQ)
    assert 5000 < letter.batch_bytes <= 10_000
    assert dict(letter.headers)["truncated"] == str(len(body)).encode()


async def test_a_dead_letter_that_finds_no_room_costs_nobody_an_answer(visitor: Visitor) -> None:
    visitor.log.limit(DLQ, 10)

    assert problem(await visitor.post({"id": "b"})) == (422, "invalid-event")
    assert (await visitor.post([event(), {"id": "b"}])).status == 202


async def test_when_all_are_refused_the_answer_is_422_with_the_same_results(visitor: Visitor) -> None:
    answer = await visitor.post([{"id": "a"}, 1])

    assert problem(answer) == (422, "invalid-event")
    assert [one["status"] for one in body_of(answer)["results"]] == ["rejected", "rejected"]


@pytest.mark.parametrize("media_type", ["application/json", "application/cloudevents-batch+json"])
async def test_an_empty_batch_is_no_fault_of_an_event(visitor: Visitor, media_type: str) -> None:
    answer = await visitor.post([], content_type=media_type)

    assert (answer.status, body_of(answer)) == (202, {"results": []})
    assert visitor.log.records == []


UNREADABLE = {
    "half an emoji": (rb'{"id":"b","data":{"text":"It was gr\ud83d"}}', "malformed-json"),
    "half an emoji in a name": (rb'{"\udc00":1}', "malformed-json"),
    "a number beyond all": (b'{"id":"b","data":{"valence":1e400}}', "out-of-range"),
    "a number that is none": (b'{"id":"b","data":{"valence":NaN}}', "malformed-json"),
    "too deep": (b"[" * 5000 + b"]" * 5000, "too-deep"),
    "too large": (b'{"id":"' + b"b" * 33_000 + b'"}', "too-large"),
    "no UTF-8": (b'{"id":"\xff"}', "malformed-json"),
    "a comma too many": (b'{"id":"b",}', "malformed-json"),
}


@pytest.mark.parametrize("name", UNREADABLE)
async def test_each_event_is_judged_alone_whatever_is_wrong_with_its_neighbour(visitor: Visitor, name: str) -> None:
    unreadable, reason = UNREADABLE[name]
    good = [json.dumps(event(event_id)).encode() for event_id in ("a", "c")]

    answer = await visitor.post(b"[" + b",".join([good[0], unreadable, good[1]]) + b"]")

    results = body_of(answer)["results"]
    assert [(one["index"], one["status"]) for one in results] == [(0, "accepted"), (1, "rejected"), (2, "accepted")]
    assert (results[1]["reason"], results[1]["detail"] != "") == (reason, True)
    assert len(visitor.log.of_topic(EVENTS)) == 2
    (letter,) = visitor.log.of_topic(DLQ)
    assert letter.value == unreadable


async def test_an_event_over_its_limit_is_too_large(visitor: Visitor) -> None:
    large = event() | {"data": data(properties={"a": "x" * 40_000})}

    assert problem(await visitor.post(large)) == (413, "body-too-large")
    assert (await visitor.post([large, event()])).status == 202


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {REVOKED_KEY}",
        f"Bearer {READ_KEY}",
        f"Digest {SERVER_KEY}",
        SERVER_KEY,
        "Basic !!!",
        "Basic " + base64.b64encode(SERVER_KEY.encode()).decode(),
        "Basic " + base64.b64encode(f"{SERVER_KEY}:password".encode()).decode(),
        "Basic " + base64.b64encode(b"\xff\xff:").decode(),
        "Bearer " + "x" * 5000,
    ],
)
async def test_every_key_that_is_not_valid_gets_the_same_answer(visitor: Visitor, authorization: str) -> None:
    nameless = await visitor.post(event(), key=None)

    answer = await visitor.post(event(), authorization=authorization)

    assert problem(answer) == (401, "unauthorized")
    assert answer == nameless
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert visitor.log.records == []


@pytest.mark.parametrize("scheme", ["Bearer {}", "bearer  {}", "Basic {}"])
async def test_a_key_comes_as_bearer_or_as_the_user_of_basic(visitor: Visitor, scheme: str) -> None:
    key = SERVER_KEY if "earer" in scheme else base64.b64encode(f"{SERVER_KEY}:".encode()).decode()

    assert (await visitor.post(event(), authorization=scheme.format(key))).status == 202


async def test_two_keys_are_none(visitor: Visitor) -> None:
    answer = await posted(
        visitor.door,
        ADAPTER,
        Head([("authorization", f"Bearer {SERVER_KEY}"), ("authorization", f"Bearer {BROWSER_KEY}")]),
        b"{}",
    )

    assert answer.status == 401


async def test_a_key_that_is_withdrawn_is_refused_from_then_on(visitor: Visitor) -> None:
    assert (await visitor.post(event())).status == 202

    visitor.sources = Sources()

    assert (await visitor.post(event())).status == 401


async def test_while_the_log_is_away_the_answer_is_503_with_retry_after_and_then_all_is_well(visitor: Visitor) -> None:
    visitor.log.leave()
    bodies: tuple[object, ...] = (event(), b"{", [{}])
    for body in bodies:
        answer = await visitor.post(body)
        assert problem(answer) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0

    visitor.log.come_back()

    assert (await visitor.post(event())).status == 202


async def test_a_log_that_fails_in_the_middle_is_never_called_a_success(visitor: Visitor) -> None:
    visitor.log.leave()
    visitor.log.unready = lambda: None  # type: ignore[method-assign]  # it went away after the door looked

    assert problem(await visitor.post([event(), {"id": "b"}])) == (503, "unavailable")


async def test_bodies_over_the_budget_are_503_and_the_budget_comes_back(visitor: Visitor) -> None:
    hold = visitor.budget.share()
    hold.__enter__().take(IN_FLIGHT_BYTES)
    assert problem(await visitor.post(event())) == (503, "unavailable")

    hold.__exit__(None, None, None)

    assert (await visitor.post(event())).status == 202
    assert visitor.budget.held_bytes == 0


async def test_headers_beyond_their_limits_are_refused(visitor: Visitor) -> None:
    many = {f"x_{number}": "1" for number in range(65)}

    assert problem(await visitor.post(event(), **many)) == (431, "headers-too-large")
    assert problem(await visitor.post(event(), cookie="x" * 17_000)) == (431, "headers-too-large")


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "identity, gzip", "unknown"])
async def test_other_encodings_are_refused(visitor: Visitor, encoding: str) -> None:
    assert problem(await visitor.post(event(), content_encoding=encoding)) == (415, "unsupported-media-type")


SECRET = "sEcReT-7391"


@pytest.mark.parametrize(
    "body", [b'{"' + SECRET.encode(), [{SECRET: 1}], {"id": SECRET + "\n"}, SECRET, {"data": {SECRET: SECRET}}]
)
async def test_no_answer_repeats_the_input(visitor: Visitor, body: object) -> None:
    assert SECRET.encode() not in (await visitor.post(body)).body
