"""The processes of the product before guarded servers: they work over TLS, and end with 2 and words when refused."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import asyncpg
import httpx
import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its public names, imported there without a word
    ResourceType,
)

from schemas.topics import EVENTS, GROUP
from services.embedded.free_ports import free_port
from services.state.migrations import migrate
from tests.support.apiprocess import api_process
from tests.support.guarded_kafka import BOTH, WORKER, GuardedKafka
from tests.support.guarded_postgres import CERTIFIED, TlsPostgres
from tests.support.ingestprocess import ingest_process
from tests.support.places import data_directory
from tests.support.readapi import BEARER, HASH_KEY
from tests.support.senders import event, write_sources
from tests.support.stacks import running_stack
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e


class Workers:
    """Starts worker processes, and leaves none behind; what the latest says is in a file."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, *settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
        told = {"PATH": os.environ["PATH"], "TACTUS_AGGREGATOR__METRICS_PORT": str(free_port())}
        for more in settings:
            told |= more
        with self._log.open("wb") as log:
            process = subprocess.Popen([sys.executable, "-m", "services.aggregator"], env=told, stdout=log, stderr=log)
        self._started.append(process)
        return process

    def said(self) -> str:
        return self._log.read_text()

    def end(self) -> None:
        for process in self._started:
            process.kill()
            process.wait(10)


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    made = Workers(tmp_path / "worker.log")
    yield made
    made.end()


@pytest.fixture
def database(postgres_dsn: str) -> Mapping[str, str]:
    """An open one, as processes are told it."""
    return {"TACTUS_POSTGRES__DSN": postgres_dsn}


def test_an_event_goes_all_the_way_over_tls(guarded_kafka: GuardedKafka, workers: Workers, tmp_path: Path) -> None:
    guarded_kafka.allow(BOTH)
    kafka = guarded_kafka.environment("SASL_SSL", sasl_mechanism="SCRAM-SHA-256")
    bootstrap = kafka.pop("TACTUS_KAFKA__BOOTSTRAP")
    with data_directory() as folder:
        server = TlsPostgres(folder)
        server.start()
        asyncio.run(_run(server.dsn, f"CREATE ROLE {CERTIFIED} LOGIN SUPERUSER"))
        asyncio.run(migrate(server.certified_dsn))
        postgres = {"TACTUS_POSTGRES__DSN": server.certified_dsn}
        running = workers.start({"TACTUS_KAFKA__BOOTSTRAP": bootstrap}, kafka, postgres)
        # Each process follows its own file of sources.
        (sender := tmp_path / "sender").mkdir()
        with (
            ingest_process(bootstrap, sender, settings={**kafka, "TACTUS_HASH_KEY": HASH_KEY.decode()}) as ingest,
            api_process(server.certified_dsn, tmp_path) as api,
        ):
            ingest.wait_ready()
            assert ingest.post(event("over-tls")).status_code == 202

            def scored() -> bool:
                assert running.poll() is None, workers.said()
                answer = httpx.get(f"{api.url}/v1/customers/customer:c1", headers=BEARER, timeout=10)
                return answer.status_code == 200

            wait_until(scored, what="the score can be read")
            assert api.stop() == 0
            assert ingest.stop() == 0
        running.terminate()
        assert running.wait(30) == 0
        server.stop()


async def _run(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement)
    await connection.close()


def test_a_worker_without_a_right_on_its_group_ends_with_the_right_s_name(
    guarded_kafka: GuardedKafka, workers: Workers, database: Mapping[str, str]
) -> None:
    guarded_kafka.allow({right: how for right, how in WORKER.items() if right[0] is not ResourceType.GROUP})

    running = workers.start(guarded_kafka.environment("SASL_SSL"), database)

    assert running.wait(60) == 2, workers.said()
    assert f"Kafka refuses this client a right ({GROUP}): it lacks Read on the group" in workers.said()


@pytest.mark.parametrize(
    ("taken", "right"),
    [((ResourceType.GROUP, GROUP), "Read on the group"), ((ResourceType.TOPIC, EVENTS), "Describe on the topics")],
    ids=["group", "topic"],
)
def test_a_right_that_is_taken_from_a_running_worker_ends_it_with_its_name(
    guarded_kafka: GuardedKafka,
    workers: Workers,
    database: Mapping[str, str],
    taken: tuple[ResourceType, str],
    right: str,
) -> None:
    guarded_kafka.allow(WORKER)
    running = workers.start(guarded_kafka.environment("SASL_SSL"), database)
    wait_until(lambda: "partitions_owned" in workers.said(), what="the worker owns its partitions")

    guarded_kafka.revoke(*taken)

    assert running.wait(60) == 2, workers.said()
    assert f"it lacks {right}" in workers.said()


def test_a_wrong_password_at_the_start_ends_every_process_with_2_and_words(
    guarded_kafka: GuardedKafka, workers: Workers, postgres_dsn: str, tmp_path: Path
) -> None:
    head, _, rest = postgres_dsn.partition("@")
    wrong_dsn = f"{head}x@{rest}"
    guarded_kafka.allow(BOTH)
    wrong_kafka = guarded_kafka.environment("SASL_SSL", sasl_password="wrong")
    right_kafka = guarded_kafka.environment("SASL_SSL")
    write_sources(tmp_path / "sources.toml")
    common = {
        "PATH": os.environ["PATH"],
        "TACTUS_SOURCES": str(tmp_path / "sources.toml"),
        "TACTUS_HASH_KEY": HASH_KEY.decode(),
        "TACTUS_INGEST__PORT": "0",
        "TACTUS_INGEST__METRICS_PORT": "0",
        "TACTUS_API__PORT": "0",
        "TACTUS_API__METRICS_PORT": "0",
    }
    for name, told, words in (
        ("api", {"TACTUS_POSTGRES__DSN": wrong_dsn}, "Postgres refuses the password"),
        ("ingest", wrong_kafka, "refuses this name and password"),
    ):
        ended = subprocess.run(
            [sys.executable, "-m", f"services.{name}"],
            env=common | told,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 2, ended.stderr
        assert words in ended.stderr
        assert "Traceback" not in ended.stderr

    for told, words in (
        (right_kafka | {"TACTUS_POSTGRES__DSN": wrong_dsn}, "Postgres refuses the password"),
        (wrong_kafka | {"TACTUS_POSTGRES__DSN": postgres_dsn}, "refuses this name and password"),
    ):
        running = workers.start(told)
        assert running.wait(60) == 2, workers.said()
        assert words in workers.said()


SHELL = {"PGSSLMODE": "require", "PGTARGETSESSIONATTRS": "standby", "PGSSLCERT": "/no/such", "PGGSSLIB": "odd"}


def test_what_the_shell_says_of_other_databases_does_not_reach_us(database: Mapping[str, str]) -> None:
    ended = subprocess.run(
        [Path(sys.executable).with_name("tactus"), "migrate"],
        env={"PATH": os.environ["PATH"], **database, **SHELL},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr


def test_nor_does_it_reach_a_stack_of_our_own() -> None:
    with running_stack(environment=SHELL) as stack:
        assert stack.connection.pids["api"]
