"""`tactus doctor` beside a running stack: silent when all is well, and each fault named with its fix."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest

from services.client.connection import Connection
from services.commands.doctor import examine
from services.commands.examine import Finding, Level, Stack
from services.embedded.free_ports import free_port
from services.infra.settings import Settings
from tests.support.databases import Databases
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e


def doctor(data: Path) -> subprocess.CompletedProcess[str]:
    return tactus("doctor", "--data", str(data))


def tactus(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = (str(Path(sys.executable).with_name("tactus")), *arguments)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def examined(stack: Connection) -> Stack:
    return Stack.local(stack, Settings())


def errors(findings: list[Finding]) -> dict[str, str]:
    return {finding.subject: f"{finding.text}: {finding.fix}" for finding in findings if finding.level is Level.ERROR}


@asynccontextmanager
async def edited(stack: Connection, edit: str, *, undo: str) -> AsyncIterator[None]:
    connection = await asyncpg.connect(stack.postgres)
    try:
        await connection.execute(edit)
        yield
        await connection.execute(undo)
    finally:
        await connection.close()


def test_a_sound_stack_gets_a_clean_bill(stack: Connection) -> None:
    done = doctor(stack.data)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "error" not in done.stdout
    assert done.stdout.startswith(f"looking at the stack of {stack.data}: Kafka {stack.kafka}, Postgres 127.0.0.1:")
    for subject in ("ingest", "API", "Kafka", "topics", "Postgres", "migrations", "clock", "chores", "disk"):
        assert subject in done.stdout
    assert "in log 0 = applied 0, duplicate 0, conflict 0, dead 0, erased 0" in " ".join(done.stdout.split())


async def test_an_edited_count_is_found(stack: Connection) -> None:
    async with edited(
        stack,
        "UPDATE partition_progress SET applied = applied + 1 WHERE topic = 'cx.touchpoints.v1' AND part = 3",
        undo="UPDATE partition_progress SET applied = applied - 1 WHERE topic = 'cx.touchpoints.v1' AND part = 3",
    ):
        done = doctor(stack.data)

    assert done.returncode == 1
    assert "cx.touchpoints.v1/3: 0 records passed, 1 accounted for, difference -1" in " ".join(done.stdout.split())
    assert "docs/runbooks/ConservationBroken.md" in done.stdout


async def test_loss_that_nobody_accepted_is_found(stack: Connection) -> None:
    async with edited(
        stack,
        "UPDATE partition_progress SET lost = 5 WHERE topic = 'cx.touchpoints.v1' AND part = 2",
        undo="UPDATE partition_progress SET lost = 0 WHERE topic = 'cx.touchpoints.v1' AND part = 2",
    ):
        found = errors(await examine(examined(stack)))

    assert found["loss"].startswith("cx.touchpoints.v1/2: retention removed 5 records")


async def test_topics_other_than_the_settings_say_are_found(stack: Connection) -> None:
    described = examined(stack)
    kafka = described.kafka.model_copy(update={"partitions": 9})

    found = errors(await examine(replace(described, kafka=kafka)))

    assert "has 8 partitions, the settings say 9" in found["topics"]
    assert "TACTUS_KAFKA__PARTITIONS=8" in found["topics"]


async def test_a_database_without_the_schema_is_found(stack: Connection, databases: Databases) -> None:
    empty = databases.server.dsn_of("postgres")

    found = errors(await examine(replace(examined(stack), postgres=empty)))

    assert "0001_spine.sql" in found["migrations"]
    assert "tactus migrate" in found["migrations"]
    assert "progress" in found


async def test_commits_that_a_power_cut_loses_are_found(stack: Connection, postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    await connection.close()

    found = errors(await examine(replace(examined(stack), postgres=postgres_dsn)))

    assert found["Postgres"].startswith("synchronous_commit is off")
    assert "never been read" in found["progress"]


async def test_parts_that_are_away_are_found(stack: Connection) -> None:
    described = examined(stack)
    nobody = free_port()
    kafka = described.kafka.model_copy(update={"bootstrap": f"127.0.0.1:{nobody}"})
    away = replace(
        described,
        kafka=kafka,
        postgres=f"postgresql://tactus@127.0.0.1:{nobody}/tactus",
        doors=(("ingest", f"http://127.0.0.1:{nobody}"),),
        sources=stack.data / "missing.toml",
    )

    found = errors(await examine(away))

    assert {"ingest", "Kafka", "topics", "Postgres", "migrations", "clock", "sources", "progress"} <= found.keys()
    assert "tactus up" in found["ingest"]


async def test_a_sources_file_open_to_others_is_a_warning(stack: Connection, tmp_path: Path) -> None:
    copy = tmp_path / "sources.toml"
    copy.write_text((stack.data / "sources.toml").read_text())
    copy.chmod(0o644)

    findings = await examine(replace(examined(stack), sources=copy))

    (finding,) = [found for found in findings if found.subject == "sources"]
    assert (finding.level, finding.fix) == (Level.WARNING, f"chmod 600 {copy}")


def test_touchpoints_that_nobody_declared_and_open_dead_letters_are_told(stack: Connection) -> None:
    with httpx.Client(base_url=stack.ingest, headers={"Authorization": f"Bearer {stack.keys['server']}"}) as http:
        off_scale = {"touchpoint": "survey.csat", "identities": [{"kind": "customer", "value": "c"}]}
        http.post("/v1/events", json={"data": {**off_scale, "rating": {"scale": "csat5", "value": 9}}})
    sent = tactus("send", "--touchpoint", "survey.cast", "--customer", "c-1", "--data", str(stack.data))

    def told() -> str | None:
        done = doctor(stack.data)
        words = " ".join(done.stdout.split())
        return words if "survey.cast" in words and "1 open of ingest" in words else None

    words = wait_until(told, what="the doctor has seen both")

    assert sent.returncode == 0, sent.stderr
    assert "did you mean survey.csat?" in sent.stderr
    assert "did you mean survey.csat?" in words
    assert "DeadLettersAppearing" in words
    assert f"tactus dlq list --data {stack.data}" in words


def test_a_tills_missing_numbers_and_its_wrong_clock_are_found_until_they_are_mended(stack: Connection) -> None:
    till = {"Authorization": f"Bearer {stack.keys['till']}"}
    with httpx.Client(base_url=f"{stack.ingest}/v1/tills/042/3", headers=till) as http:

        def uploads(*numbers: int, clock: datetime) -> None:
            times = {"day": f"{datetime.now(UTC):%Y-%m-%d}", "time": clock.isoformat()}
            lines = "\n".join(json.dumps({"seq": number, **times}) for number in numbers)
            assert http.post("/events", content=lines).status_code == 202

        uploads(1, 2, clock=datetime.now(UTC) + timedelta(minutes=10))
        uploads(6, clock=datetime.now(UTC))

        def told(*words: str) -> str | None:
            said = " ".join(doctor(stack.data).stdout.split())
            return said if all(word in said for word in words) else None

        wait_until(lambda: told("till store/042/3", "3 never came: 3–5", "min ahead"), what="the doctor tells the gap")
        uploads(3, 4, 5, clock=datetime.now(UTC))
        mended = wait_until(lambda: told("no number is missing"), what="the doctor tells that it is filled")

    assert "never came" not in mended


def test_a_directory_without_a_stack_is_refused_with_the_command(tmp_path: Path) -> None:
    data = tmp_path / ("wider-than-a-terminal-" * 5)
    data.mkdir()

    done = doctor(data)

    assert done.returncode == 2
    assert f"tactus up --data {data}" in done.stdout
