"""The embedded servers keep what they were given, whatever ends them."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import asyncpg
import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from services.embedded.free_ports import LOOPBACK
from services.embedded.kafka import EmbeddedKafka
from services.embedded.postgres import ORPHANS_S, EmbeddedPostgres
from services.infra.errors import ConfigurationError, UnavailableError
from tests.support.places import data_directory
from tests.support.situations import needs_root
from tests.support.stacks import alive
from tests.support.waiting import eventually, wait_until

pytestmark = pytest.mark.integration


Server = TypeVar("Server", EmbeddedKafka, EmbeddedPostgres)


@contextmanager
def ended(server: Server) -> Iterator[Server]:
    """Stop the server whatever becomes of the test."""
    try:
        yield server
    finally:
        server.stop()


async def run(dsn: str, *statements: str) -> object:
    """Run statements over one connection; the answer is the last one's first value."""
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()


def test_a_started_broker_counts_itself_in(kafka: EmbeddedKafka) -> None:
    assert kafka.is_ready()
    assert psutil.Process(kafka.pid).name() == "java"


@pytest.mark.parametrize("name", ["dirą", "a b=c#!d:e,f", "日本😀"])
def test_a_broker_starts_in_a_directory_of_any_name(name: str, tmp_path: Path) -> None:
    broker = EmbeddedKafka(tmp_path / name)
    broker.start()
    try:
        assert broker.is_ready()
        assert (tmp_path / name / "log" / "meta.properties").exists()
    finally:
        broker.stop()


@pytest.mark.parametrize("words", [b"", b"HTTP/1.1 400 Bad Request", b"\0\0\0\x0c\0\0\0\7\xff\xff\xff\xff"])
def test_a_stranger_at_its_port_is_no_broker(words: bytes, tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as stranger:
        broker = EmbeddedKafka(tmp_path, port=stranger.getsockname()[1])

        with ThreadPoolExecutor(1) as threads:
            asked = threads.submit(broker.is_ready)
            connection, _ = stranger.accept()
            connection.sendall(words)
            connection.close()

        assert not asked.result()
    assert not broker.is_ready()


def test_records_outlive_a_killed_broker_on_the_same_port() -> None:
    with data_directory() as folder, ended(EmbeddedKafka(folder)) as broker:
        broker.start()
        address, pid = broker.bootstrap, broker.pid
        _append(address, [b"first", b"second"])

        broker.kill()
        broker.start()

        assert (broker.bootstrap, broker.pid != pid) == (address, True)
        assert _read(address, 2) == [b"first", b"second"]
        broker.stop()
        assert not broker.is_ready()


def _append(bootstrap: str, values: list[bytes]) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(30)
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    for value in values:
        producer.produce("kept", value)
    assert producer.flush(30) == 0


def _read(bootstrap: str, count: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False})
    consumer.assign([TopicPartition("kept", 0, 0)])
    records = consumer.consume(count, timeout=30)
    consumer.close()
    return [record.value() for record in records]


def test_a_broker_that_cannot_start_says_where_to_look() -> None:
    with data_directory() as folder, ended(EmbeddedKafka(folder)) as broker:
        broker.prepare()
        with (folder / "server.properties").open("a") as file:
            file.write("process.roles=nonsense\n")
        broker.launch()

        with pytest.raises(UnavailableError, match=r"kafka\.log ends:(.|\n)*nonsense"):
            broker.wait_ready()


async def test_each_test_gets_an_empty_migrated_database(postgres_dsn: str) -> None:
    assert await run(postgres_dsn, "SELECT count(*) FROM touchpoint") == 0


async def test_a_connection_without_the_password_is_refused(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://tactus:guess@{LOOPBACK}:{postgres.port}/tactus")


@pytest.mark.parametrize("name", ["fsync", "synchronous_commit", "full_page_writes"])
def test_durability_cannot_be_switched_off(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=name):
        EmbeddedPostgres(tmp_path, settings={name: "off"})


async def test_settings_reach_the_server() -> None:
    with data_directory() as folder, ended(EmbeddedPostgres(folder, settings={"shared_buffers": "16MB"})) as server:
        server.start()

        buffers = await run(server.dsn, "SELECT current_setting('shared_buffers') || current_setting('fsync')")

        server.stop()
    assert buffers == "16MBon"


async def test_commits_outlive_a_killed_postmaster_and_its_busy_backend() -> None:
    with data_directory() as folder, ended(EmbeddedPostgres(folder)) as server:
        server.start()
        pid, dsn = server.pid, server.dsn
        await run(dsn, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)", "SELECT 1")
        busy = await asyncpg.connect(dsn)
        backend = psutil.Process(busy.get_server_pid())
        # A loop inside one statement does not look whether the postmaster lives.
        endless = asyncio.create_task(busy.execute("SELECT count(*) FROM generate_series(1, 100000000000)"))
        await eventually(lambda: _is_busy(backend), what="the backend computes")

        server.kill()
        assert server.processes()
        began = time.monotonic()
        await asyncio.to_thread(server.prepare)
        server.launch()
        server.wait_ready()

        assert time.monotonic() - began >= ORPHANS_S
        assert alive([backend]) == []
        assert (server.dsn, server.pid != pid) == (dsn, True)
        assert await run(dsn, "SELECT n FROM kept") == 7
        with pytest.raises((asyncpg.PostgresError, OSError, asyncpg.InterfaceError)):
            await endless
        busy.terminate()
        server.stop()
        assert server.processes() == []


async def _is_busy(process: psutil.Process) -> bool:
    return process.cpu_times().user > 0.05


async def test_a_creation_that_was_cut_short_is_made_anew() -> None:
    with data_directory() as folder, ended(EmbeddedPostgres(folder)) as server:
        partial = server.directory.with_name("postgres.partial")
        partial.mkdir()
        (partial / "PG_VERSION").write_text("18")

        server.start()

        assert await run(server.dsn, "SELECT 1") == 1
        server.stop()


def test_its_socket_is_beside_the_tables_however_long_their_path(monkeypatch: pytest.MonkeyPatch) -> None:
    with data_directory() as folder, ended(EmbeddedPostgres(folder / ("long" * 25) / "a, b")) as server:
        server.start()

        monkeypatch.chdir(server.directory)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f".s.PGSQL.{server.port}")
        monkeypatch.undo()


async def test_what_a_shell_has_set_for_other_servers_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    with data_directory() as folder, ended(EmbeddedPostgres(folder)) as server:
        server.start()

        durable = await run(server.dsn, "SELECT current_setting('fsync') || current_setting('timezone')")

    assert durable == "onUTC"


ELSEWHERE = {
    "PGDATA": "/nowhere",
    "PGHOST": "db.example",
    "PGPORT": "1",
    "PGUSER": "somebody",
    "PGPASSWORD": "guess",
    "PGDATABASE": "none",
    "PGOPTIONS": "-c fsync=off",
    "PGSSLMODE": "verify-full",
    "PGSSLCERT": "/nowhere/client.crt",
    "PGTARGETSESSIONATTRS": "standby",
    "PGGSSLIB": "none",
    "PGSERVICE": "elsewhere",
    "PGTZ": "Asia/Tokyo",
    "TZ": "Asia/Tokyo",
    "LC_ALL": "xx_XX",
}


def test_tables_that_an_earlier_version_keeps_elsewhere_are_told_of() -> None:
    with data_directory() as folder:
        (folder / "postgres.moved").write_text("/var/lib/elsewhere/postgres-1\n")

        with pytest.raises(ConfigurationError, match=r"in /var/lib/elsewhere/postgres-1: put that folder"):
            EmbeddedPostgres(folder).prepare()

        assert not (folder / "postgres").exists()


@needs_root
def test_roots_postgres_runs_as_the_owner_of_the_tables() -> None:
    with data_directory() as folder, ended(EmbeddedPostgres(folder)) as server:
        server.prepare()
        for path in (server.directory, *server.directory.rglob("*")):
            os.chown(path, 12345, 12345)

        server.start()

        assert psutil.Process(server.pid).uids().real == 12345


@needs_root
def test_tables_of_root_are_refused_with_the_fix() -> None:
    with data_directory() as folder:
        (folder / "postgres").mkdir()

        with pytest.raises(ConfigurationError, match=rf"chown -R (postgres|nobody) {folder}/postgres"):
            EmbeddedPostgres(folder).prepare()


def test_a_server_that_cannot_start_says_where_to_look() -> None:
    with data_directory() as folder, ended(EmbeddedPostgres(folder, settings={"shared_buffers": "nonsense"})) as server:
        server.prepare()
        server.launch()

        with pytest.raises(UnavailableError, match=r"postgres\.log ends:(.|\n)*nonsense"):
            server.wait_ready()

        wait_until(lambda: server.poll() is not None, what="the server has ended")
        server.stop()
