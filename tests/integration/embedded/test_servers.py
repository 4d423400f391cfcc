"""The embedded servers keep what they were given, whatever ends them."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import asyncpg
import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from services.embedded.free_ports import LOOPBACK, free_port
from services.embedded.kafka import EmbeddedKafka
from services.embedded.postgres import ORPHANS_S, EmbeddedPostgres
from services.embedded.processes import processes_in
from services.embedded.wire import answers
from services.infra.errors import ConfigurationError, UnavailableError
from tests.support.places import data_directory
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
    assert answers(LOOPBACK, kafka.port)
    assert psutil.Process(kafka.pid).name() == "java"


@pytest.mark.parametrize("name", ["dirą", "a b=c#!d:e", "日本😀"])
def test_a_broker_starts_in_a_directory_of_any_name(name: str, tmp_path: Path) -> None:
    broker = EmbeddedKafka(tmp_path / name)
    broker.start()
    try:
        assert broker.is_ready()
        assert (tmp_path / name / "log" / "meta.properties").exists()
    finally:
        broker.stop()


def test_a_comma_in_a_path_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="name another data directory"):
        EmbeddedKafka(tmp_path / "a,b").prepare()


def test_nobody_at_a_port_is_no_answer() -> None:
    port = free_port()

    assert not answers(LOOPBACK, port)


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
        assert not answers(LOOPBACK, broker.port)


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
        assert processes_in(server.directory, "postgres")
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
        assert processes_in(server.directory, "postgres") == []


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


async def test_closed_folders_stay_closed() -> None:
    with closed_folder() as folder, ended(EmbeddedPostgres(folder)) as server:
        server.start()

        alive = await run(server.dsn, "SELECT 1")

        assert alive == 1
        folders = (folder.parent, folder)
        modes = [stat.S_IMODE(path.stat().st_mode) for path in folders]
        assert modes == [0o700, 0o700]
        assert (folder in server.directory.parents) == (os.geteuid() != 0)


def test_tables_moved_elsewhere_go_when_their_data_directory_has_gone() -> None:
    with closed_folder() as folder, ended(EmbeddedPostgres(folder)) as server:
        server.start()
        directory = server.directory
    assert directory.exists() == (os.geteuid() == 0)

    with closed_folder() as folder, ended(EmbeddedPostgres(folder)) as other:
        other.start()
        assert other.directory != directory

    assert not directory.exists()


def test_tables_whose_data_directory_is_on_a_disk_that_is_not_mounted_stay() -> None:
    with closed_folder() as folder, ended(EmbeddedPostgres(folder)) as server:
        server.start()
        directory = server.directory
    origin = directory.with_suffix(".origin")
    moved = os.geteuid() == 0
    if moved:
        path, device = origin.read_text().splitlines()
        origin.write_text(f"{path}\n{int(device) + 1}\n")

    with closed_folder() as folder, ended(EmbeddedPostgres(folder)) as other:
        other.start()

    assert directory.exists() == origin.exists() == moved
    if moved:
        shutil.rmtree(directory)
        origin.unlink()


@contextmanager
def closed_folder() -> Iterator[Path]:
    """A folder inside one that other users may not enter, as a home directory is."""
    with tempfile.TemporaryDirectory() as closed:
        folder = Path(closed) / "data"
        folder.mkdir(mode=0o700)
        yield folder


def test_a_server_that_cannot_start_says_where_to_look() -> None:
    with data_directory() as folder, ended(EmbeddedPostgres(folder, settings={"shared_buffers": "nonsense"})) as server:
        server.prepare()
        server.launch()

        with pytest.raises(UnavailableError, match=r"postgres\.log ends:(.|\n)*nonsense"):
            server.wait_ready()

        wait_until(lambda: server.poll() is not None, what="the server has ended")
        server.stop()
