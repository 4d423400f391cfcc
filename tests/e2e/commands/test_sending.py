"""`tactus send` and `tactus replay`: every event is stored once, however often and however brokenly it is sent."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from services.client.connection import Connection
from tests.support.counts import chosen_scale
from tests.support.settled import settled, stored
from tests.support.waiting import eventually, wait_until
from tests.support.watching import watching

pytestmark = pytest.mark.e2e

REAL = Path(__file__).parents[4] / "shared" / "data" / "support_incident_events.ndjson.gz"
"""A real service desk's events, where somebody has put them beside the checkout."""

TYPES = {
    "ticket_opened": {"priority": "2 - High", "channel": "phone", "category": "Category 7"},
    "ticket_reassigned": {"count": 1},
    "ticket_waiting_on_customer": {},
    "sla_breached": {"hours_open": 71.5},
    "ticket_reopened": {"count": 1},
    "ticket_resolved": {"hours_open": 30.25},
    "ticket_closed": {"closed_code": "code 6"},
}


FIRST = datetime(2016, 2, 29, 1, 16, tzinfo=UTC)


def tickets(count: int, *, customers: int, start: datetime = FIRST) -> Iterator[dict[str, Any]]:
    """Events of the shape and the types of the real file."""
    rng = random.Random(count)
    for number in range(count):
        type_ = rng.choice(list(TYPES))
        yield {
            "event_id": f"{rng.getrandbits(128):032x}",
            "occurred_at": (start + timedelta(minutes=7 * number)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "customer_id": f"caller-{rng.randrange(customers)}",
            "type": type_,
            "ticket_id": f"INC{number // 5:07d}",
            "attributes": TYPES[type_],
        }


def written(path: Path, events: Iterable[Mapping[str, Any]]) -> Path:
    path.write_bytes(gzip.compress("".join(json.dumps(event) + "\n" for event in events).encode()))
    return path


def replay(file: Path, connection: Connection, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(file, connection, *options), capture_output=True, text=True, timeout=300, check=False)


def command(file: Path, connection: Connection, *options: str) -> tuple[str, ...]:
    tactus = Path(sys.executable).with_name("tactus")
    return (str(tactus), "replay", str(file), "--data", str(connection.data), *options)


async def tallies(connection: Connection) -> list[asyncpg.Record]:
    """The whole tally view, and every score."""
    database = await asyncpg.connect(connection.postgres)
    try:
        rows = await database.fetch("SELECT * FROM tally ORDER BY identity, touchpoint, channel, place, hour")
        scores = await database.fetch("SELECT person_id, score, confidence FROM customer_score ORDER BY person_id")
    finally:
        await database.close()
    return rows + scores


def test_counts_end_the_output(stack: Connection, tmp_path: Path) -> None:
    file = written(tmp_path / "support_incident_events.ndjson.gz", tickets(40, customers=5))

    done = replay(file, stack)

    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"sent 40, accepted 40, rejected 0, \d+ events/s", done.stdout.splitlines()[-1])


def service_desk(path: Path) -> tuple[Path, list[dict[str, Any]]]:
    """A real service desk's events where they are, as many of them as the counts ask for; else made up ones."""
    if not REAL.exists():
        events = [*tickets(5000, customers=300)]
        return written(path, events), events
    with gzip.open(REAL) as lines:
        events = [json.loads(line) for line in lines]
    part = events[: round(len(events) * chosen_scale())]
    return written(path, part), part


async def test_every_event_of_a_service_desk_is_stored_once_under_its_caller(stack: Connection, tmp_path: Path) -> None:
    file, events = service_desk(tmp_path / REAL.name)

    first = replay(file, stack, "--speed", "max", "--source", "desk")
    in_log = await settled(stack)
    rows = await stored(stack, "shop/desk")
    before = await tallies(stack)
    second = replay(file, stack, "--speed", "max", "--source", "desk")
    twice = await settled(stack)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert f"accepted {len(events)}, rejected 0" in first.stdout
    assert Counter(row["event_id"] for row in rows) == Counter(event["event_id"] for event in events)
    assert Counter(row["identity"] for row in rows) == Counter(f"customer:{event['customer_id']}" for event in events)
    assert {row["touchpoint"] for row in rows} >= {
        "case.opened",
        "case.resolved",
        "call.transferred",
        "x.ticket_waiting_on_customer",
    }
    newest = max(row["occurred_at"] for row in rows)
    assert timedelta(0) <= datetime.now(UTC) - newest < timedelta(hours=2)
    assert twice == in_log + len(events)
    assert await tallies(stack) == before
    assert len(await stored(stack, "shop/desk")) == len(events)


async def test_a_replay_that_was_interrupted_goes_on_where_it_was(stack: Connection, tmp_path: Path) -> None:
    # A hundred days between the halves are minutes at this speed: it cannot be over before it is interrupted.
    events = [*tickets(1500, customers=50), *tickets(1501, customers=50, start=FIRST + timedelta(days=100))]
    file = written(tmp_path / "broken_off.ndjson.gz", events)
    options = ("--map", str(maps() / "support_incident_events.yaml"))
    slow = await asyncio.create_subprocess_exec(
        *command(file, stack, "--speed", "60000", *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    # Far more than what is asserted below: an event is stored before its verdict has come back and is counted.
    await stored_at_least(500, stack, "shop/replay/broken_off")
    slow.send_signal(signal.SIGINT)
    said, told = (output.decode() for output in await slow.communicate())

    rest = replay(file, stack, *options)
    await settled(stack)

    assert slow.returncode == 130, told
    assert "the same command goes on from here" in told
    assert 50 <= int(re.findall(r"accepted (\d+)", said)[-1]) <= 1500
    assert rest.returncode == 0, rest.stderr
    rows = await stored(stack, "shop/replay/broken_off")
    assert Counter(row["event_id"] for row in rows) == Counter(event["event_id"] for event in events)


async def test_as_is_keeps_the_times_of_long_ago(stack: Connection, tmp_path: Path) -> None:
    events = list(tickets(30, customers=3))
    file = written(tmp_path / "support_incident_events.ndjson.gz", events)

    done = replay(file, stack, "--as-is", "--source", "long-ago")
    await settled(stack)

    assert done.returncode == 0, done.stderr
    rows = await stored(stack, "backfill/long-ago")
    times = {row["event_id"]: row["occurred_at"] for row in rows}
    assert times == {event["event_id"]: datetime.fromisoformat(event["occurred_at"]) for event in events}


async def test_lines_that_cannot_be_events_are_told_and_cost_no_other(stack: Connection, tmp_path: Path) -> None:
    good = list(tickets(20, customers=3))
    nobody = {**good[0], "event_id": "nobody", "customer_id": None}
    unheard = {**good[1], "event_id": "unheard", "type": "Ticket cloned"}
    negative = {**good[2], "event_id": "negative", "type": "ticket_resolved", "attributes": {"hours_open": -1}}
    file = tmp_path / "support_incident_events.ndjson"
    lines = [json.dumps(event) for event in (*good, nobody, unheard, negative)]
    file.write_text("\n".join([*lines, "{broken", ""]))

    done = replay(file, stack, "--source", "mixed")
    await settled(stack)

    assert done.returncode == 1
    assert "rejected 1: names nobody: it has no customer_id (first: line 21)" in done.stdout
    assert "rejected 1: is not a JSON object (first: line 24)" in done.stdout
    assert re.search(r"rejected 1: .*wait_seconds.* \(first: event negative\)", done.stdout)
    assert "sent 22, accepted 21, rejected 3" in done.stdout
    rows = {row["event_id"]: row["touchpoint"] for row in await stored(stack, "shop/mixed")}
    assert rows.keys() == {event["event_id"] for event in good} | {"unheard"}
    assert rows["unheard"] == "x.ticket_cloned"


def test_a_file_without_a_map_says_how_to_write_one(stack: Connection, tmp_path: Path) -> None:
    file = written(tmp_path / "unheard_of.ndjson.gz", tickets(1, customers=1))

    done = replay(file, stack)

    assert done.returncode == 1
    assert "--map" in done.stderr


def send(connection: Connection, *options: str) -> subprocess.CompletedProcess[str]:
    tactus = Path(sys.executable).with_name("tactus")
    return subprocess.run(
        (str(tactus), "send", *options, "--data", str(connection.data)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_one_event_is_sent_from_arguments_and_from_the_example(stack: Connection) -> None:
    described = ("--touchpoint", "call.answered", "--customer", "c-7")

    call = send(stack, *described, "--property", "wait_seconds=420")
    example = send(stack, "--example")
    await settled(stack)

    assert (call.returncode, example.returncode) == (0, 0), call.stderr + example.stderr
    assert re.fullmatch(r"accepted \S+: durable in the log\n", call.stdout)
    rows = {(row["identity"], row["touchpoint"]) for row in await stored(stack, "shop/command-line")}
    assert rows >= {("customer:c-7", "call.answered"), ("customer:c-1001", "survey.csat")}


async def test_a_stack_that_only_settings_name_is_reached(stack: Connection, tmp_path: Path) -> None:
    file = written(tmp_path / "support_incident_events.ndjson.gz", tickets(9, customers=2))
    ingest, api = httpx.URL(stack.ingest), httpx.URL(stack.api)
    named = {
        "TACTUS_INGEST__PORT": str(ingest.port),
        "TACTUS_API__PORT": str(api.port),
        "TACTUS_WRITE_KEY": stack.keys["server"],
        "TACTUS_READ_KEY": stack.keys["read"],
    }

    def tactus(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (str(Path(sys.executable).with_name("tactus")), *arguments),
            env=os.environ | named,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    sent = tactus("send", "--touchpoint", "case.opened", "--customer", "c-elsewhere")
    replays = [tactus("replay", str(file), "--source", "elsewhere") for _ in "12"]
    await settled(stack)
    explained = tactus("explain", "c-elsewhere")

    runs = (sent, *replays, explained)
    assert [run.returncode for run in runs] == [0] * 4, [run.stderr for run in runs]
    assert len(await stored(stack, "shop/elsewhere")) == 9
    assert explained.stdout.startswith("customer:c-elsewhere\n")
    assert explained.stdout.endswith(" = 43.1\n")


def test_a_refused_event_is_told_why(stack: Connection) -> None:
    described = ("--touchpoint", "survey.csat", "--customer", "c-7")

    done = send(stack, *described, "--rating", "csat5=9")

    assert done.returncode == 1
    assert re.match(r"rejected \S+: .*rating", done.stdout)


def test_a_first_event_is_seen_as_it_comes_and_so_is_what_is_rejected_and_why(stack: Connection) -> None:
    visitor = {"touchpoint": "web.page_viewed", "identities": [{"kind": "anonymous", "value": "v-of-the-watch"}]}
    with (
        watching(stack.data, "web") as watch,
        httpx.Client(base_url=stack.ingest, headers={"Authorization": f"Bearer {stack.keys['browser']}"}) as page,
    ):
        assert watch.sees("waiting for the first event of web")

        page.post("/v1/events", json={"id": "w-1", "data": visitor})
        first = watch.sees("first event of web received")
        send(stack, "--touchpoint", "call.answered", "--customer", "c-of-another-source")
        page.post("/v1/events", json=[{"id": "w-2", "data": {**visitor, "touchpoint": "order.delivered"}}])
        page.post("/v1/events", json={"id": "w-3", "data": {**visitor, "touchpoint": "web.page_veiwed"}})
        rejected = watch.sees("rejected")
        unknown = watch.sees("web.page_veiwed")
        code = watch.interrupt()

    assert code == 0
    assert first.rstrip().endswith("web.page_viewed, of a customer known by anonymous: accepted")
    assert "data.touchpoint: this key may not send it" in rejected
    assert "did you mean web.page_viewed?" in unknown
    assert "first event of web received" not in unknown
    assert "v-of-the-watch" not in watch.said()
    assert "shop" not in watch.said()


async def test_sources_are_listed_also_for_a_stack_that_only_settings_name(stack: Connection, tmp_path: Path) -> None:
    described = ("--touchpoint", "survey.cast", "--customer", "c-8")
    assert send(stack, *described).returncode == 0
    named = {
        "TACTUS_KAFKA__BOOTSTRAP": stack.kafka,
        "TACTUS_POSTGRES__DSN": stack.postgres,
        "TACTUS_SOURCES": str(stack.data / "sources.toml"),
    }

    def listed(*options: str, **run: Any) -> str | None:  # noqa: ANN401 - what a process takes
        command = (str(Path(sys.executable).with_name("tactus")), "sources", "list", *options)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **run)
        assert done.returncode == 0, done.stderr
        return done.stdout if "survey.cast came" in done.stdout else None

    def both() -> list[str]:
        found = listed("--data", str(stack.data)), listed(env=os.environ | named, cwd=tmp_path)
        return [one for one in found if one is not None] if all(found) else []

    for said in wait_until(both, what="the workers have folded what they noted"):
        rows = {line.split()[0]: line.split() for line in said.splitlines() if line}
        assert rows["source"][:6] == ["source", "kind", "state", "first", "last", "24"]
        assert rows["shop"][1:3] == ["server", "ok"]
        assert rows["store"][1:3] == ["till", "never"]
        assert re.search(r"shop: survey.cast came (once|\d+ times): did you mean survey.csat\?", said)


def test_a_source_that_nobody_configured_cannot_be_watched(stack: Connection) -> None:
    with watching(stack.data, "webb") as watch:
        assert "no source is called webb: did you mean web?" in watch.sees("no source")


def maps() -> Path:
    return Path(__file__).parents[3] / "services" / "commands" / "maps"


async def stored_at_least(least: int, connection: Connection, source: str) -> None:
    async def enough() -> bool:
        return len(await stored(connection, source)) >= least

    await eventually(enough, what=f"{least} events of {source} are stored")
