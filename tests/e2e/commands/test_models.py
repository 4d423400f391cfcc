"""`tactus model …` beside a running stack: what it prints, and that a model takes over whoever is killed on the way."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest

from services.client.connection import Connection, find_connection
from services.commands.telling import INTERRUPTED
from tests.support.settled import settled
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

TACTUS = str(Path(sys.executable).with_name("tactus"))

CUSTOMERS = 1_200
"""Three portions of an activation."""

STRICT = """
model: {name: strict, provenance: {by: a test}}
parameters: {kappa: 1}
weights: {delivery.damaged: 9}
"""

KIND = """
model: {name: kind, provenance: {by: a test}}
weights: {delivery.damaged: 0.5}
"""

GATE = 4711
"""The advisory lock at which the second portion of an activation waits."""

WAIT_AT_GATE = f"""
CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock({GATE}); RETURN NEW; END $$;
CREATE TRIGGER gate BEFORE UPDATE ON activation FOR EACH ROW WHEN (OLD.done > 0 AND NEW.done > OLD.done)
EXECUTE FUNCTION gate()
"""


def model(stack: Connection, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(stack, *words), capture_output=True, text=True, timeout=300, check=False)


def command(stack: Connection, *words: str) -> list[str]:
    return [TACTUS, "model", *words, "--data", str(stack.data)]


def written(folder: Path, text: str) -> str:
    path = folder / "model.yaml"
    path.write_text(text)
    return str(path)


@pytest.fixture(scope="module")
def peopled(stack: Connection) -> Connection:
    """A stack in which something good and something bad has happened to many customers."""
    events = [
        {
            "id": f"{touchpoint}-{number}",
            "data": {
                "touchpoint": touchpoint,
                "channel": "web",
                "identities": [{"kind": "customer", "value": f"c-{number}"}],
            },
        }
        for number in range(CUSTOMERS)
        for touchpoint in ("order.completed", "delivery.damaged")
    ]
    key = {"Authorization": f"Bearer {stack.keys['server']}"}
    for first in range(0, len(events), 500):
        answer = httpx.post(f"{stack.ingest}/v1/events", json=events[first : first + 500], headers=key, timeout=60)
        assert answer.status_code == 202
    asyncio.run(settled(stack))
    return stack


@asynccontextmanager
async def database_of(stack: Connection) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(stack.postgres)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def gate(stack: Connection) -> AsyncIterator[asyncpg.Connection]:
    """Let no activation past its first portion, until `pg_advisory_unlock` or the end."""
    async with database_of(stack) as database:
        await database.execute(WAIT_AT_GATE)
        await database.execute(f"SELECT pg_advisory_lock({GATE})")
        try:
            yield database
        finally:
            await database.execute("SELECT pg_advisory_unlock_all()")
            await database.execute("DROP TRIGGER gate ON activation; DROP FUNCTION gate()")


async def somebody_waits(database: asyncpg.Connection, *, application: str, for_: str) -> bool:
    found: bool = await database.fetchval(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name LIKE $1 AND wait_event_type = 'Lock' AND wait_event = $2)",
        application,
        for_,
    )
    return found


def active(stack: Connection) -> str:
    told = model(stack, "status")
    assert told.returncode == 0, told.stderr
    return told.stdout


async def test_what_weighs_is_listed_and_shown(peopled: Connection, tmp_path: Path) -> None:
    strict = written(tmp_path, STRICT)

    listed, shown, file = model(peopled, "list"), model(peopled, "show", "catalogue"), model(peopled, "show", strict)
    unknown = model(peopled, "show", "0123456789ab")

    assert [one.returncode for one in (listed, shown, file, unknown)] == [0, 0, 0, 1]
    assert sum(line.startswith("active ") for line in listed.stdout.splitlines()) == 1
    assert shown.stdout.startswith("model catalogue, version ")
    assert "it weighs as the catalogue does" in shown.stdout
    assert "model strict, version " in file.stdout
    rows = [line.split() for line in file.stdout.splitlines()]
    assert ["kappa", "1", "3"] in rows
    assert ["weight", "of", "delivery.damaged", "9", "3"] in rows
    assert "0123456789ab is neither a file nor a model's version" in unknown.stderr
    assert "`tactus model list` shows them" in unknown.stderr


async def test_a_model_takes_over_though_every_worker_is_killed_on_the_way(peopled: Connection, tmp_path: Path) -> None:
    strict = written(tmp_path, STRICT)
    before = active(peopled)
    async with gate(peopled) as database:
        begun = model(peopled, "activate", strict, "--no-wait")
        await eventually(
            lambda: somebody_waits(database, application="tactus-aggregator%", for_="advisory"),
            what="a worker writes the second portion",
        )
        meanwhile, read = active(peopled), await versions(database)

        for worker in find_connection(peopled.data).pids["aggregator"]:
            os.kill(worker, signal.SIGKILL)

    async def done() -> bool:
        return "(strict)" in active(peopled).splitlines()[0]

    await eventually(done, what="the model is active")
    assert begun.returncode == 0, begun.stderr
    assert before.splitlines()[0] == meanwhile.splitlines()[0]
    assert f"500 of {CUSTOMERS} persons written" in meanwhile
    assert len(read) == 1
    async with database_of(peopled) as database:
        assert (after := await versions(database)).keys().isdisjoint(read.keys())
    assert [*after.values()] == [CUSTOMERS]
    compared = model(peopled, "compare", "active", strict)
    assert f"0 of {CUSTOMERS} persons change band; scores lie 0.00 points apart" in compared.stdout


async def versions(database: asyncpg.Connection) -> dict[str, int]:
    """How many customers' scores are read by which model."""
    rows = await database.fetch("SELECT model_version, count(*) AS people FROM customer_score GROUP BY 1")
    return {row["model_version"]: row["people"] for row in rows}


async def test_ctrl_c_leaves_an_activation_to_the_workers(peopled: Connection, tmp_path: Path) -> None:
    async with gate(peopled) as database:
        following = await asyncio.create_subprocess_exec(
            *command(peopled, "activate", written(tmp_path, KIND)), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        await eventually(
            lambda: somebody_waits(database, application="tactus-aggregator%", for_="advisory"),
            what="a worker writes the second portion",
        )

        following.send_signal(signal.SIGINT)
        _, said = await following.communicate()

    async def done() -> bool:
        return "(kind)" in active(peopled).splitlines()[0]

    await eventually(done, what="the model is active")
    assert following.returncode == INTERRUPTED
    assert b"it goes on in the background; `tactus model status` shows how far it is" in said
    assert b"Traceback" not in said


async def test_ctrl_c_ends_a_comparison_that_changed_nothing(peopled: Connection, tmp_path: Path) -> None:
    async with database_of(peopled) as database, database_of(peopled) as locker:
        read = await versions(database)
        async with locker.transaction():
            await locker.execute("LOCK TABLE person IN ACCESS EXCLUSIVE MODE")
            comparing = await asyncio.create_subprocess_exec(
                *command(peopled, "compare", "catalogue", written(tmp_path, STRICT)),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            await eventually(
                lambda: somebody_waits(database, application="tactus-model", for_="relation"), what="it reads"
            )

            comparing.send_signal(signal.SIGINT)
            _, said = await comparing.communicate()

        assert comparing.returncode == INTERRUPTED
        assert said.decode().endswith("tactus model compare: interrupted; nothing was changed\n")
        assert await versions(database) == read
