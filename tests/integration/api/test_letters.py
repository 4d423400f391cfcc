"""Dead letters over the API: found, shown, sent again through the door's own judge, discarded, each change kept."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from schemas.problem import PROBLEMS
from schemas.replay import REPLAY, Letter, Letters, Results
from services.api.replaying import STEP_BYTES_MAX
from services.core.sameness import body_hash, event_key
from services.infra.http.problems import Refused
from services.state.dead_letters import DeadLetter
from services.state.events import signed
from tests.support.doors import memory_client, replay_doors
from tests.support.letters import a_letter, letters_in
from tests.support.memory_log import MemoryLog
from tests.support.openapi import Contract
from tests.support.readapi import KEY, LETTERS_KEY, OPERATOR_KEY, read_client
from tests.support.senders import OPERATOR_KEY as DOOR_KEY
from tests.support.senders import data, event

pytestmark = pytest.mark.integration

CONTRACT = Contract("openapi-read.json")
LIST = "/v1/dead-letters"
AGAIN = f"{LIST}/replay"
DISCARD = f"{LIST}/discard"


class MemoryDoor:
    """Ingest's door for letters around a log in memory; it can stop taking any."""

    def __init__(self) -> None:
        self.log = MemoryLog(buffer_bytes_max=16 * 1024 * 1024)
        self.refuses: Refused | None = None
        self.sent: list[tuple[str, int]] = []

    async def send(self, path: str, letters: Sequence[Letter], *, masked: bool) -> Results | Refused:
        self.sent.append((path, len(letters)))
        if self.refuses is not None and path == REPLAY:
            return self.refuses
        async with memory_client(self.log, adapters=replay_doors(), Authorization=f"Bearer {DOOR_KEY}") as client:
            answer = await client.post(path, content=msgspec.json.encode(Letters(letters=list(letters), masked=masked)))
        assert answer.status_code == 200, answer.text
        return msgspec.json.decode(answer.content, type=Results)

    @property
    def ids(self) -> list[str]:
        """Of the events that the log took."""
        return [json.loads(record.value)["id"] for record in self.log.records]


@pytest.fixture
def door() -> MemoryDoor:
    return MemoryDoor()


def good(offset: int, event_id: str | None = None, **headers: str) -> DeadLetter:
    """A letter that the door takes by now."""
    return a_letter(offset, json.dumps(event(event_id or f"e{offset}")).encode(), **headers)


def bad(offset: int, **headers: str) -> DeadLetter:
    return a_letter(offset, b'{"id": "bad"}', **headers)


async def keep(dsn: str, letters: Sequence[DeadLetter], *, origin: str = "ingest") -> None:
    topic = "cx.touchpoints.dlq.v1" if origin == "ingest" else "cx.touchpoints.v1"
    async with letters_in(dsn) as table:
        await table.add((topic, 0), letters, origin=origin)


@asynccontextmanager
async def operator(dsn: str, door: MemoryDoor, key: str = OPERATOR_KEY) -> AsyncIterator[httpx.AsyncClient]:
    async with read_client(dsn, door) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        yield client


def outcomes(answer: httpx.Response) -> list[str]:
    CONTRACT.assert_holds(answer)
    assert answer.status_code == 200, answer.text
    return [one["outcome"] for one in answer.json()["outcomes"]]


async def states(dsn: str) -> list[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return [row["state"] for row in await connection.fetch("SELECT state FROM dead_letter ORDER BY id")]
    finally:
        await connection.close()


async def count(dsn: str, door: MemoryDoor) -> None:
    """Count what is in the log, as far as knowing it again goes."""
    connection = await asyncpg.connect(dsn)
    try:
        for record in door.log.records:
            told = msgspec.json.decode(record.value, type=dict[str, msgspec.Raw])
            key = event_key(*(msgspec.json.decode(told[name], type=str) for name in ("source", "id")))
            hashed = signed(body_hash(bytes(told["data"]), channel_origin=""))
            await connection.execute(
                "INSERT INTO seen_event (key, body_hash, logged_at) VALUES (encode($1, 'hex')::uuid, $2, now())"
                " ON CONFLICT DO NOTHING",
                key,
                hashed,
            )
    finally:
        await connection.close()


def problem(answer: httpx.Response) -> tuple[int, str]:
    CONTRACT.assert_holds(answer)
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, answer.json()["type"].removeprefix("urn:tactus:problem:")


async def test_letters_are_found_by_what_is_known_of_them(postgres_dsn: str, door: MemoryDoor) -> None:
    await keep(
        postgres_dsn,
        [
            bad(0),
            bad(1, reason="too-large", detail="an event has at most 32768 bytes"),
            bad(2, source="store", channel="till", path="/v1/tills/s/t/events"),
            a_letter(3, b"{", source="store-2"),
        ],
    )
    await keep(postgres_dsn, [bad(0, source="shop/web")], origin="aggregator")

    async def found(**asked: str) -> list[int]:
        async with operator(postgres_dsn, door, key=LETTERS_KEY) as client:
            answer = await client.get(LIST, params=asked)
        CONTRACT.assert_holds(answer)
        return [one["id"] for one in answer.json()["letters"]]

    assert await found() == [1, 2, 3, 4, 5]
    assert await found(reason="too-large") == [2]
    assert await found(source="store") == [3]
    assert await found(source="shop") == [1, 2, 5]
    assert await found(channel="till") == [3]
    assert await found(origin="aggregator") == [5]
    assert await found(words="AT MOST") == [2]
    assert await found(until="2026-01-01T00:00:00Z") == []
    assert await found(since="2026-01-01T00:00:00+01:00") == [1, 2, 3, 4, 5]
    assert await found(ids="4,2,99") == [2, 4]
    assert await found(state="replayed") == []


async def test_a_list_goes_on_page_by_page_and_what_comes_meanwhile_is_for_another_time(
    postgres_dsn: str, door: MemoryDoor
) -> None:
    await keep(postgres_dsn, [bad(offset) for offset in range(5)])
    async with operator(postgres_dsn, door) as client:
        first = (await client.get(LIST, params={"limit": "2"})).json()
        await keep(postgres_dsn, [bad(9)])
        second = (await client.get(LIST, params={"limit": "2", "cursor": first["next"]})).json()
        third = (await client.get(LIST, params={"limit": "2", "cursor": second["next"]})).json()

    pages = [[one["id"] for one in page["letters"]] for page in (first, second, third)]
    assert pages == [[1, 2], [3, 4], [5]]
    assert third["next"] is None


async def test_a_letter_is_shown_with_what_it_holds_and_what_was_done(postgres_dsn: str, door: MemoryDoor) -> None:
    await keep(postgres_dsn, [a_letter(7, b'{"id": "b", "subject": "email:[removed]"}', truncated="999999")])
    async with operator(postgres_dsn, door) as client:
        await client.post(AGAIN)
        answer = await client.get(f"{LIST}/1")

    CONTRACT.assert_holds(answer)
    told = answer.json()
    assert told["value"] == '{"id": "b", "subject": "email:[removed]"}'
    assert (told["masked"], told["truncated"], told["state"]) == (True, True, "open")
    assert (told["channel"], told["path"], told["source"]) == ("native", "/v1/events", "shop")
    assert (told["received_at"], told["offset"]) == ("2026-03-01T11:00:00Z", 7)
    (change,) = told["changes"]
    assert (change["by"], change["outcome"]) == ("anna", "rejected")


async def test_what_is_sent_again_is_in_the_log_once_and_closed(postgres_dsn: str, door: MemoryDoor) -> None:
    await keep(postgres_dsn, [good(0), bad(1), good(2)])
    async with operator(postgres_dsn, door) as client:
        tried = await client.get(AGAIN)
        before, in_log = await states(postgres_dsn), door.ids
        done = await client.post(AGAIN)
        again = await client.post(AGAIN, params={"ids": "1,2,3,77"})
        shown = (await client.get(f"{LIST}/3")).json()

    assert (before, in_log) == (["open"] * 3, [])
    assert outcomes(tried) == outcomes(done) == ["accepted", "rejected", "accepted"]
    assert done.json()["outcomes"][1]["reason"] == "invalid-event"
    assert outcomes(again) == ["closed", "rejected", "closed", "unknown"]
    assert door.ids == ["e0", "e2"]
    assert await states(postgres_dsn) == ["replayed", "open", "replayed"]
    assert [(one["outcome"], one["by"], one["detail"]) for one in shown["changes"]] == [
        ("accepted", "anna", "web.page_viewed")
    ]


async def test_letters_of_one_event_are_sent_once(postgres_dsn: str, door: MemoryDoor) -> None:
    other = json.dumps(event("a") | {"data": data(channel="app")}).encode()
    await keep(postgres_dsn, [good(0, "a"), good(1, "a"), a_letter(2, other), good(3, "b")])
    async with operator(postgres_dsn, door) as client:
        done = outcomes(await client.post(AGAIN))

    assert done == ["accepted", "duplicate", "conflict", "accepted"]
    assert door.ids == ["a", "b"]
    assert await states(postgres_dsn) == ["replayed", "replayed", "open", "replayed"]


async def test_what_counts_already_is_not_sent_and_another_body_is_a_conflict(
    postgres_dsn: str, door: MemoryDoor
) -> None:
    other = json.dumps(event("a") | {"data": data(channel="app")}).encode()
    await keep(postgres_dsn, [good(0, "a")])
    async with operator(postgres_dsn, door) as client:
        await client.post(AGAIN)
        await count(postgres_dsn, door)
        await keep(postgres_dsn, [good(1, "a"), a_letter(2, other)])

        done = await client.post(AGAIN)

    assert outcomes(done) == ["duplicate", "conflict"]
    assert "discard it" in done.json()["outcomes"][1]["detail"]
    assert door.ids == ["a"]
    assert await states(postgres_dsn) == ["replayed", "replayed", "open"]


async def test_what_repeats_an_event_that_was_not_taken_stays_open_too(postgres_dsn: str, door: MemoryDoor) -> None:
    large = json.dumps(event("a") | {"data": data(properties={"a": "x" * 13_000})}).encode()
    await keep(postgres_dsn, [a_letter(0, large), a_letter(1, large), good(2)])
    door.log.limit("cx.touchpoints.v1", 10_000)
    async with operator(postgres_dsn, door) as client:
        done = await client.post(AGAIN)

    assert [(one["outcome"], one["reason"]) for one in done.json()["outcomes"]] == [
        ("rejected", "too-large"), ("rejected", "too-large"), ("accepted", ""),
    ]  # fmt: skip
    assert await states(postgres_dsn) == ["open", "open", "replayed"]


async def test_what_no_replay_can_mend_is_said_without_asking_the_door(postgres_dsn: str, door: MemoryDoor) -> None:
    await keep(postgres_dsn, [good(0, truncated="300000"), a_letter(1, None), a_letter(2, b"")])
    await keep(postgres_dsn, [good(0, reason="conflict")], origin="aggregator")
    async with operator(postgres_dsn, door) as client:
        done = await client.post(AGAIN)

    assert [(one["outcome"], one["reason"]) for one in done.json()["outcomes"]] == [
        ("rejected", "truncated"), ("rejected", "empty"), ("rejected", "empty"), ("conflict", "conflict"),
    ]  # fmt: skip
    assert door.sent == []
    assert await states(postgres_dsn) == ["open"] * 4


async def test_a_record_of_the_log_goes_again_as_it_is(postgres_dsn: str, door: MemoryDoor) -> None:
    await keep(postgres_dsn, [good(0)])
    async with operator(postgres_dsn, door) as client:
        await client.post(AGAIN)
        (record,) = door.log.records
        await keep(postgres_dsn, [a_letter(1, record.value, reason="too_many_names")], origin="aggregator")
        done = outcomes(await client.post(AGAIN))

    assert done == ["accepted"]
    assert [one.value for one in door.log.records] == [record.value] * 2


async def test_masked_letters_go_only_when_an_operator_says_so(postgres_dsn: str, door: MemoryDoor) -> None:
    masked = json.dumps(event("a") | {"data": data(text="call [removed]")}).encode()
    await keep(postgres_dsn, [a_letter(0, masked)])
    async with operator(postgres_dsn, door) as client:
        without = (await client.post(AGAIN)).json()["outcomes"]
        with_them = outcomes(await client.post(AGAIN, params={"masked": "true"}))

    assert [(one["outcome"], one["reason"]) for one in without] == [("rejected", "masked")]
    assert with_them == ["accepted"]


@pytest.mark.parametrize(
    ("refuses", "slug"),
    [(Refused("unavailable", "", 4), "unavailable"), (Refused("too-many-requests", "", 9), "too-many-requests")],
)
async def test_a_door_that_asks_to_wait_is_obeyed_and_nothing_is_closed(
    postgres_dsn: str, door: MemoryDoor, refuses: Refused, slug: str
) -> None:
    await keep(postgres_dsn, [good(0), good(1)])
    door.refuses = refuses
    async with operator(postgres_dsn, door) as client:
        answer = await client.post(AGAIN)
        after = await states(postgres_dsn)
        door.refuses = None
        done = outcomes(await client.post(AGAIN))

    assert problem(answer) == (PROBLEMS[slug].status, slug)
    assert answer.headers["Retry-After"] == str(refuses.retry_after_s)
    assert after == ["open", "open"]
    assert done == ["accepted", "accepted"]


async def test_what_was_done_before_the_door_stopped_is_told_and_the_rest_goes_on_from_there(
    postgres_dsn: str, door: MemoryDoor
) -> None:
    padding = {"properties": {"a": "x" * 30_000}}
    letters = [a_letter(n, json.dumps(event(f"e{n}") | {"data": data(**padding)}).encode()) for n in range(30)]
    per_step = STEP_BYTES_MAX // len(letters[0].value or b"")
    await keep(postgres_dsn, letters)

    class StopsAfterOne(MemoryDoor):
        async def send(self, path: str, letters: Sequence[Letter], *, masked: bool) -> Results | Refused:
            if path == REPLAY and any(one == REPLAY for one, _ in self.sent):
                return Refused("unavailable", "", 3)
            return await super().send(path, letters, masked=masked)

    stopping = StopsAfterOne()
    async with operator(postgres_dsn, stopping) as client:
        first = await client.post(AGAIN)
    async with operator(postgres_dsn, door) as client:
        second = await client.post(AGAIN, params={"cursor": first.json()["next"]})

    assert outcomes(first) == ["accepted"] * per_step
    assert first.json()["retry_after_s"] == 3
    assert outcomes(second) == ["accepted"] * (30 - per_step)
    assert second.json()["next"] is None
    assert [*stopping.ids, *door.ids] == [f"e{n}" for n in range(30)]


async def test_letters_are_discarded_and_only_those_that_are_named(postgres_dsn: str, door: MemoryDoor) -> None:
    await keep(postgres_dsn, [bad(0), bad(1, reason="too-old"), bad(2)])
    async with operator(postgres_dsn, door) as client:
        nobody = await client.post(DISCARD)
        everybody = await client.post(DISCARD, params={"state": "open"})
        by_reason = outcomes(await client.post(DISCARD, params={"reason": "too-old"}))
        by_id = outcomes(await client.post(DISCARD, params={"ids": "1,2,9"}))
        replayed = outcomes(await client.post(AGAIN, params={"ids": "2"}))
        shown = (await client.get(f"{LIST}/2")).json()

    assert problem(nobody) == problem(everybody) == (409, "no-letters-named")
    assert (by_reason, by_id, replayed) == (["discarded"], ["discarded", "closed", "unknown"], ["closed"])
    assert await states(postgres_dsn) == ["discarded", "discarded", "open"]
    assert [(one["outcome"], one["by"]) for one in shown["changes"]] == [("discarded", "anna")]


async def test_a_letter_that_is_removed_takes_what_was_done_about_it_along(postgres_dsn: str, door: MemoryDoor) -> None:
    await keep(postgres_dsn, [good(0), good(1)])
    async with operator(postgres_dsn, door) as client:
        await client.post(AGAIN)
        connection = await asyncpg.connect(postgres_dsn)
        await connection.execute("DELETE FROM dead_letter WHERE id = 1")
        left = await connection.fetchval("SELECT count(*) FROM dead_letter_change WHERE letter = 1")
        await connection.close()
        gone = await client.get(f"{LIST}/1")
        done = outcomes(await client.post(AGAIN, params={"ids": "1"}))

    assert left == 0
    assert problem(gone) == (404, "unknown-dead-letter")
    assert done == ["unknown"]


@pytest.mark.parametrize(
    ("method", "path", "key", "slug"),
    [
        ("GET", LIST, KEY, "forbidden"),
        ("GET", f"{LIST}/1", KEY, "forbidden"),
        ("GET", AGAIN, KEY, "forbidden"),
        ("POST", AGAIN, LETTERS_KEY, "forbidden"),
        ("POST", DISCARD, LETTERS_KEY, "forbidden"),
        ("POST", DISCARD, "no-key-at-all", "unauthorized"),
        ("GET", LIST, "no-key-at-all", "unauthorized"),
        ("DELETE", f"{LIST}/1", OPERATOR_KEY, "method-not-allowed"),
        ("GET", DISCARD, OPERATOR_KEY, "method-not-allowed"),
    ],
)
async def test_only_a_key_with_the_scope_looks_or_changes(
    postgres_dsn: str, door: MemoryDoor, method: str, path: str, key: str, slug: str
) -> None:
    async with operator(postgres_dsn, door, key=key) as client:
        answer = await client.request(method, path, params={"reason": "too-old"} if path == DISCARD else None)

    assert problem(answer) == (PROBLEMS[slug].status, slug)
    if slug == "forbidden":
        assert "dead-letters:" in answer.json()["detail"]


@pytest.mark.parametrize(
    "asked",
    [
        {"state": "dead"},
        {"reason": "too old"},
        {"reason": ""},
        {"channel": "a" * 65},
        {"source": "żółw"},
        {"origin": "nowhere"},
        {"since": "yesterday"},
        {"until": "2026-02-30T00:00:00Z"},
        {"words": "a\0b"},
        {"ids": "1,,2"},
        {"ids": "0"},
        {"ids": ",".join(map(str, range(1, 102)))},
        {"ids": "9" * 19},
        {"limit": "0"},
        {"limit": "501"},
        {"cursor": "1"},
        {"cursor": "9" * 19 + "-1"},
        {"masked": "true"},
        {"customer": "anna"},
    ],
    ids=str,
)
async def test_a_parameter_in_no_form_of_its_own_is_refused(
    postgres_dsn: str, door: MemoryDoor, asked: dict[str, Any]
) -> None:
    async with operator(postgres_dsn, door) as client:
        answer = await client.get(LIST, params=asked)

    assert problem(answer) == (400, "bad-parameter")


async def test_a_letter_of_an_unknown_id_is_told_so(postgres_dsn: str, door: MemoryDoor) -> None:
    async with operator(postgres_dsn, door) as client:
        answers = [await client.get(f"{LIST}/{one}") for one in ("1", "0", "9" * 18, "9" * 30)]

    assert [problem(answer) for answer in answers] == [(404, "unknown-dead-letter")] * 4
