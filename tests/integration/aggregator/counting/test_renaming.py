"""What an earlier version kept in clear becomes what today's door would have made of it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import re
import subprocess
import sys
import unicodedata
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from schemas.topics import DLQ, EVENT_TOPICS
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.counting.renaming import Mended, Renamer
from services.aggregator.processor import Bounds
from services.commands.identity import names_of, renormalise
from services.core.identity import strength
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import SystemClock
from services.infra.errors import ConfigurationError, FencedError
from services.infra.pseudonyms import HASHED_KINDS, pseudonym
from services.infra.settings import PostgresSettings, Settings
from services.ingest.judge import Accepted, arrival
from services.state.database import Database
from services.state.roles import READER
from tests.integration.aggregator.counting.test_persons import recomputed, stored
from tests.support.chunks import chunk
from tests.support.databases import Databases, as_role
from tests.support.said_log import END, PARTITIONS, SaidLog
from tests.support.senders import BACKFILL, HASH_KEY, judge_of_test

pytestmark = pytest.mark.integration

KEY = HASH_KEY.encode()
START = datetime(2026, 6, 1, 12, tzinfo=UTC)
AT_MS = int((START + timedelta(days=1)).timestamp() * 1000)
ZOE = "zo\u00eb"

PEOPLE = [
    ("customer", "ana@example.com"), ("customer", "Ana@Example.com "), ("customer", "bob@example.com"),
    ("customer", ZOE), ("customer", unicodedata.normalize("NFD", ZOE)), ("customer", f"{ZOE}\u200b"), ("customer", "c-1"),
    ("email", "ana@example.com"), ("email", "zoe@example.com"), ("phone", "+48600100200"),
    ("loyalty", "card\u200b-7"), ("loyalty", "card-7"), ("x-crm", "cafe\u0301"), ("x-crm", "caf\u00e9"),
    ("device", "d-1"), ("device", " d-1"), ("anonymous", "v-1"), ("anonymous", "v\u2060-1"), ("anonymous", "v-2"),
]  # fmt: skip
"""Some of them the same by today's spelling, and one a loyalty card without an address, so that nobody's subject changes."""

ALIASES = [value for kind, value in PEOPLE if kind == "customer" and value.startswith("zo")]


def settings_of(dsn: str) -> Settings:
    return Settings(postgres=PostgresSettings(dsn=SecretStr(dsn)), hash_key=SecretStr(HASH_KEY))


@asynccontextmanager
async def worker_on(dsn: str) -> AsyncIterator[Pipeline]:
    store = await Database.open(settings_of(dsn).postgres, lanes=1)
    worker = await Pipeline.on(store, SaidLog(store), load_catalogue(), cache_rows_max=1000, clock=SystemClock())
    try:
        await worker.take_ownership(
            {(topic, part): Bounds(0, END) for topic in (*EVENT_TOPICS, DLQ) for part in range(PARTITIONS)}
        )
        yield worker
    finally:
        await worker.close()


async def count(dsn: str, values: Sequence[bytes]) -> None:
    async with worker_on(dsn) as worker:
        for first in range(0, len(values), 7):
            await worker.process(chunk(values[first : first + 7], first=first, at_ms=AT_MS))


def sent(
    event_id: str,
    *people: tuple[str, str],
    minutes: int = 0,
    touchpoint: str = "order.completed",
    alias: str | None = None,
) -> dict[str, Any]:
    return {
        "id": event_id,
        "time": (START + timedelta(minutes=minutes)).isoformat(),
        "data": {
            "touchpoint": touchpoint if alias is None else "identity.linked",
            **({} if alias is None else {"alias": {"kind": "customer", "value": alias}}),
            "identities": [{"kind": kind, "value": value} for kind, value in people],
            "properties": {"of": people[0][1], "at": 17850.0},
        },
    }


def judged(event: Mapping[str, Any]) -> bytes:
    outcome = judge_of_test().judge(event, source=BACKFILL, received=arrival(AT_MS * 1000))
    assert isinstance(outcome, Accepted), outcome
    return outcome.value


def as_formerly(event: Mapping[str, Any]) -> bytes:
    """The record that an earlier version wrote: ids as they came, and the rest as today."""
    record = json.loads(judged(event))
    people = [(one["kind"], one["value"]) for one in event["data"]["identities"]]
    kept = [
        f"{HASHED_KINDS[kind]}:{pseudonym(KEY, kind, value)}" if kind in HASHED_KINDS else f"{kind}:{value}"
        for kind, value in people
    ]
    kept = sorted(dict.fromkeys(kept), key=strength)
    record["subject"] = kept[0]
    record["data"]["identities"] = [dict(zip(("kind", "value"), one.split(":", 1), strict=True)) for one in kept]
    if "alias" in event["data"]:
        record["data"]["alias"] = event["data"]["alias"]
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


DUMPS = {
    "tallies": "SELECT * FROM tally ORDER BY identity, touchpoint, channel, place, hour",
    "events": "SELECT t.identity, t.body::text, r.body_hash, s.body_hash AS seen FROM touchpoint AS t JOIN touchpoint_row AS r "
    "USING (occurred_at, key) JOIN seen_event AS s USING (key) ORDER BY t.source, t.event_id",
    "links": "SELECT least(a.value, b.value) AS one, greatest(a.value, b.value) AS other, l.source, l.claim, l.level, l.occurred_at, "
    "l.event_id, l.event_key FROM link AS l JOIN identity AS a ON a.id = l.a JOIN identity AS b ON b.id = l.b ORDER BY 1, 2, 3",
    "people": "SELECT i.value, n.value AS person, i.crowd FROM identity AS i JOIN identity AS n ON n.id = i.person ORDER BY 1",
    "scores": "SELECT person_id, score, confidence, se, band, as_of, score_24h, score_7d, score_30d, score_90d "
    "FROM customer_score ORDER BY 1",
    "sums": "SELECT touchpoint, hour, sum(n), sum(q), sum(pos), sum(neg), max(best), max(worst) FROM tally GROUP BY 1, 2 ORDER BY 1, 2",
    "counts": "SELECT topic, part, next, applied, duplicate, conflict, dead, skipped FROM partition_progress ORDER BY 1, 2",
}


async def dumped(dsn: str) -> dict[str, list[tuple[object, ...]]]:
    connection = await asyncpg.connect(dsn)
    try:
        return {name: [tuple(row) for row in await connection.fetch(query)] for name, query in DUMPS.items()}
    finally:
        await connection.close()


@pytest.fixture
async def other_dsn(databases: Databases) -> AsyncIterator[str]:
    name = await databases.create()
    yield databases.server.dsn_of(name)
    await databases.drop(name)


def history(seed: int, *, several_of_a_kind: bool = False) -> list[dict[str, Any]]:
    """Events of people who are named in several spellings; of equally strong ones, the spelling decides who takes an event."""
    rng = random.Random(seed)
    events = []
    for number in range(70):
        people = rng.sample(PEOPLE, k=rng.choice([1, 1, 2, 2, 3, 4]))
        first = dict(reversed([(kind, (kind, value)) for kind, value in people]))
        people = [one for one in people if one == first[one[0]] or (several_of_a_kind and one[0] != "customer")]
        touchpoint = rng.choice(["order.completed", "web.checkout_error", "case.opened", "web.page_viewed"])
        alias = rng.choice(ALIASES) if ("customer", "c-1") in people and rng.random() < 0.3 else None
        events.append(sent(f"e-{number}", *people, minutes=rng.randrange(900), touchpoint=touchpoint, alias=alias))
    return events


@pytest.mark.parametrize("seed", range(4))
async def test_renaming_leaves_what_the_present_door_would_have_made(
    seed: int, postgres_dsn: str, other_dsn: str
) -> None:
    events = history(seed)
    await count(postgres_dsn, [as_formerly(event) for event in events])
    await count(other_dsn, [judged(event) for event in events])

    done = await renormalise(settings_of(postgres_dsn))

    mended, expected = await dumped(postgres_dsn), await dumped(other_dsn)
    for name, rows in expected.items():
        assert mended[name] == rows, name
    assert done.identities > done.joined > 0


@pytest.mark.parametrize("seed", range(4))
async def test_who_took_an_event_keeps_it_though_another_is_the_first_by_the_present_spelling(
    seed: int, postgres_dsn: str, other_dsn: str
) -> None:
    events = history(seed, several_of_a_kind=True)
    await count(postgres_dsn, [as_formerly(event) for event in events])
    await count(other_dsn, [judged(event) for event in events])

    await renormalise(settings_of(postgres_dsn))

    mended, expected = await dumped(postgres_dsn), await dumped(other_dsn)
    for name in ("people", "sums", "counts"):
        assert mended[name] == expected[name], name
    connection = await asyncpg.connect(postgres_dsn)
    try:
        assert await stored(connection) == await recomputed(connection)
    finally:
        await connection.close()


async def test_the_command_says_what_it_mended_and_then_that_nothing_is_left(postgres_dsn: str, tmp_path: Path) -> None:
    await count(postgres_dsn, [as_formerly(event) for event in history(6)])
    environment = {"PATH": "", "TACTUS_POSTGRES__DSN": postgres_dsn, "TACTUS_HASH_KEY": HASH_KEY}
    command = (str(Path(sys.executable).with_name("tactus")), "identity", "renormalise")

    async def renormalised() -> str:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        output, complaints = await process.communicate()
        assert (process.returncode, complaints) == (0, b"")
        return output.decode()

    first, second = await renormalised(), await renormalised()

    assert re.match(r"[1-9]\d* identities have another spelling, [1-9]\d* of them are one with somebody known; ", first)
    assert second == "nothing to do: every identity in clear has its one spelling\n"
    mended = await dumped(postgres_dsn)
    assert mended["people"]
    for name in ("people", "links", "tallies"):
        assert [row for row in mended[name] if "@example" in str(row)] == [], name


async def test_renaming_twice_changes_nothing_more(postgres_dsn: str) -> None:
    await count(postgres_dsn, [as_formerly(event) for event in history(5)])
    await renormalise(settings_of(postgres_dsn))
    once = await dumped(postgres_dsn)

    again = await renormalise(settings_of(postgres_dsn))

    assert again == Mended()
    assert await dumped(postgres_dsn) == once


class EndedError(Exception):
    """Whatever ends the command."""


async def test_renaming_that_was_interrupted_is_finished_by_the_next(postgres_dsn: str, other_dsn: str) -> None:
    events = [as_formerly(event) for event in history(6)]
    await count(postgres_dsn, events)
    await count(other_dsn, events)
    calls = iter(range(20))

    def respell(identity: str) -> Sequence[str] | None:
        if next(calls, None) is None:
            raise EndedError
        return names_of(KEY, identity)

    store = await Database.open(settings_of(postgres_dsn).postgres, lanes=1, application="t")
    try:
        with pytest.raises(EndedError):
            await Renamer(store, load_catalogue(), respell=respell, portion=1).mend()
    finally:
        await store.close()
    half = await dumped(postgres_dsn)
    await renormalise(settings_of(postgres_dsn))
    await renormalise(settings_of(other_dsn))

    assert half != await dumped(postgres_dsn)
    assert await dumped(postgres_dsn) == await dumped(other_dsn)


async def test_a_retry_of_a_renamed_event_is_a_duplicate(postgres_dsn: str) -> None:
    event = sent("e-1", ("customer", "ana@example.com"), ("device", "d-1"))
    await count(postgres_dsn, [as_formerly(event)])
    await renormalise(settings_of(postgres_dsn))

    async with worker_on(postgres_dsn) as worker:
        await worker.process(chunk([judged(event)], first=1, at_ms=AT_MS))

    (row,) = [one for one in (await dumped(postgres_dsn))["counts"] if one[3]]
    assert row[3:6] == (1, 1, 0)


async def test_nothing_in_clear_is_left_but_what_senders_wrote_into_free_fields(postgres_dsn: str) -> None:
    people = [("customer", "ana@example.com"), ("loyalty", "+48 600 100 200"), ("anonymous", "bob@example.com")]
    events = [sent(f"e-{number}", one) for number, one in enumerate(people)]
    for event in events:
        del event["data"]["properties"]
    await count(postgres_dsn, [as_formerly(event) for event in events])

    await renormalise(settings_of(postgres_dsn))

    kept = str(await dumped(postgres_dsn))
    assert [words for words in ("example.com", "600 100") if words in kept] == []


async def test_an_address_that_a_page_gave_its_visitor_names_nobody_else_afterwards(postgres_dsn: str) -> None:
    events = [sent("e-1", ("email", "ana@example.com")), sent("e-2", ("anonymous", "ana@example.com"))]
    await count(postgres_dsn, [as_formerly(event) for event in events])

    await renormalise(settings_of(postgres_dsn))

    hashed = pseudonym(KEY, "email", "ana@example.com")
    people = {value: person for value, person, _ in (await dumped(postgres_dsn))["people"]}
    assert people == {name: name for name in (f"email_hash:{hashed}", f"anonymous:{hashed}")}


async def test_who_is_a_placeholder_by_the_present_rules_is_left_and_counted(postgres_dsn: str) -> None:
    # To a worker it is a name: what nobody sees stands inside of the word.
    await count(postgres_dsn, [as_formerly(sent("e-1", ("customer", "c-1"))).replace(b"c-1", "nu\u200bll".encode())])

    done = await renormalise(settings_of(postgres_dsn))

    assert done == Mended(nameless=1)


async def test_who_was_kept_under_another_hash_is_one_with_the_present_at_the_next_event(postgres_dsn: str) -> None:
    """The hash of an earlier version cannot be made anew; the source's row says that its events name it too."""
    formerly = f"phone_hash:{hmac.new(KEY, b'phone' + bytes(1) + b'600100200', hashlib.sha256).hexdigest()[:32]}"
    present = f"phone_hash:{pseudonym(KEY, 'phone', '+48600100200')}"
    event = sent("e-2", ("phone", "600 100 200"))
    polish = BACKFILL.model_copy(update={"region": "PL", "former_spellings": True})
    outcome = judge_of_test().judge(event, source=polish, received=arrival(AT_MS * 1000))
    assert isinstance(outcome, Accepted)
    old = json.loads(judged(sent("e-1", ("phone", "+48600100200"))).replace(present.encode(), formerly.encode()))
    old["data"]["identities"][0]["value"] = formerly.partition(":")[2]

    await count(postgres_dsn, [json.dumps(old).encode(), outcome.value])

    assert outcome.key.decode() == present
    people = {value: person for value, person, _ in (await dumped(postgres_dsn))["people"]}
    assert people == dict.fromkeys((formerly, present), min(formerly, present))
    assert [row[0] for row in (await dumped(postgres_dsn))["scores"]] == [min(formerly, present)]


async def test_groups_that_become_one_past_the_bound_become_a_crowd(postgres_dsn: str, other_dsn: str) -> None:
    events = [
        sent(f"{half}-{number}", ("device", device), ("anonymous", f"{half}-{number}"))
        for half, device in (("a", "caf\u00e9"), ("b", "cafe\u0301"))
        for number in range(20)
    ]
    await count(postgres_dsn, [as_formerly(event) for event in events])
    await count(other_dsn, [judged(event) for event in events])

    await renormalise(settings_of(postgres_dsn))

    mended, expected = await dumped(postgres_dsn), await dumped(other_dsn)
    assert {crowd for _, _, crowd in expected["people"]} == {2}
    assert [mended[name] for name in ("people", "tallies", "links")] == [
        expected[name] for name in ("people", "tallies", "links")
    ]


async def test_a_role_that_may_not_do_it_is_told_which_right_it_lacks(postgres_dsn: str) -> None:
    await count(postgres_dsn, [as_formerly(sent("e-1", ("customer", f"{ZOE}\u200b")))])

    with pytest.raises(ConfigurationError, match="permission denied"):
        await renormalise(settings_of(as_role(postgres_dsn, READER)))


async def test_while_workers_run_the_command_refuses_with_what_to_do(postgres_dsn: str) -> None:
    async with worker_on(postgres_dsn):
        with pytest.raises(ConfigurationError, match="stop them"):
            await renormalise(settings_of(postgres_dsn))


async def test_a_worker_that_starts_meanwhile_is_fenced_out(postgres_dsn: str) -> None:
    first, later = (as_formerly(sent(name, ("customer", f"{ZOE}\u200b"))) for name in ("e-1", "e-2"))
    async with worker_on(postgres_dsn) as worker:
        await worker.process(chunk([first], at_ms=AT_MS))
        store = await Database.open(settings_of(postgres_dsn).postgres, lanes=1, application="t")

        done = await Renamer(store, load_catalogue(), respell=lambda identity: names_of(KEY, identity)).mend()

        await store.close()
        with pytest.raises(FencedError):
            await worker.process(chunk([later], first=1, at_ms=AT_MS))
    assert done.identities == 1
