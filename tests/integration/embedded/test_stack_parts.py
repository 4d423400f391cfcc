"""Keys, ports and leftovers of a local stack."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.client.connection import Connection, find_connection, remove_connection
from services.embedded.free_ports import RANGE, free_port, is_free
from services.embedded.orphans import FILE, end_orphans, record, remember
from services.embedded.port_plan import choose_ports
from services.embedded.processes import LOG_BYTES_MAX, last_lines, rotate, trim
from services.infra.errors import ConfigurationError
from services.infra.settings import IngestSettings, KafkaSettings, Settings

pytestmark = pytest.mark.integration


def test_a_connection_is_found_until_it_is_removed(tmp_path: Path) -> None:
    connection = Connection(
        ingest="http://127.0.0.1:1",
        api="http://127.0.0.1:2",
        kafka="127.0.0.1:3",
        postgres="postgresql://127.0.0.1:4/tactus",
        keys={"server": "k"},
        pids={"ingest": [5]},
        metrics={},
        data=tmp_path,
    )
    connection.write()

    found = find_connection(tmp_path)
    remove_connection(tmp_path)

    assert found == connection
    with pytest.raises(ConfigurationError, match=f"tactus up --data {tmp_path}"):
        find_connection(tmp_path)


@contextmanager
def busy_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_ports_that_nobody_set_are_free_and_all_different() -> None:
    ports = choose_ports(Settings(), workers=3, usual=False, say=print)

    chosen = [*ports[:-1], *ports.workers_metrics]
    assert len(set(chosen)) == len(chosen) == 10
    assert all(port in RANGE and is_free(port) for port in chosen)


def test_a_usual_port_that_is_busy_is_replaced_and_named() -> None:
    said: list[str] = []
    with busy_port() as port:
        usual = IngestSettings.model_construct(_fields_set=set(), port=port, metrics_port=free_port())
        settings = Settings.model_construct(**{**dict(Settings()), "ingest": usual})

        ports = choose_ports(settings, workers=0, usual=True, say=said.append)

    assert ports.ingest != port
    assert f"port {port} is in use: ingest takes {ports.ingest}" in said


def test_a_port_that_was_set_is_taken_or_refused_with_the_fix() -> None:
    wanted = free_port()

    taken = choose_ports(Settings(ingest=IngestSettings(port=wanted)), workers=0, usual=False, say=print)

    assert taken.ingest == wanted
    with busy_port() as port, pytest.raises(ConfigurationError, match=f"port {port}, set for ingest, is in use"):
        choose_ports(Settings(ingest=IngestSettings(port=port)), workers=0, usual=True, say=print)


def test_a_broker_elsewhere_cannot_be_started_here() -> None:
    settings = Settings(kafka=KafkaSettings(bootstrap="kafka.example:9092"))

    with pytest.raises(ConfigurationError, match="TACTUS_KAFKA__BOOTSTRAP names kafka"):
        choose_ports(settings, workers=0, usual=False, say=print)


@contextmanager
def sleeper() -> Iterator[tuple[subprocess.Popen[bytes], tuple[str, ...]]]:
    command = (sys.executable, "-c", "import time; time.sleep(600)")
    process = subprocess.Popen(command)
    try:
        yield process, command
    finally:
        process.kill()
        process.wait()


def test_what_a_killed_up_left_running_is_ended(tmp_path: Path) -> None:
    with sleeper() as (process, command):
        described = record("ingest", process.pid, command)
        assert described is not None
        remember(tmp_path, [described])

        ended = end_orphans(tmp_path)

        assert ended == ["ingest"]
        assert process.poll() is not None
        assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("difference", ["command", "started"])
def test_a_stranger_with_a_remembered_pid_is_left_alone(tmp_path: Path, difference: str) -> None:
    with sleeper() as (process, command):
        described = record("ingest", process.pid, command)
        assert described is not None
        strangers = {
            "command": described._replace(command=(*command, "other")),
            "started": described._replace(started=described.started - 10),
        }
        remember(tmp_path, [strangers[difference]])

        ended = end_orphans(tmp_path)

        assert ended == []
        assert process.poll() is None


def test_unreadable_memories_end_nothing(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps([{"pid": 1}]))

    assert end_orphans(tmp_path) == []


def test_logs_are_bounded_before_and_during_a_run(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    log.write_bytes(b"a" * (LOG_BYTES_MAX + 1))
    rotate(log)
    with log.open("ab", buffering=0) as writer:
        writer.write(b"b" * (LOG_BYTES_MAX + 1))
        trim(log)
        writer.write(b"last\n")

    assert log.read_bytes() == b"last\n"
    assert (tmp_path / "child.log.1").stat().st_size == LOG_BYTES_MAX + 1


def test_the_end_of_a_log_shows_the_words_not_the_stack(tmp_path: Path) -> None:
    log = tmp_path / "java.log"
    log.write_text("ERROR no such role\n" + "\tat kafka.Kafka.main(Kafka.scala)\n" * 40)

    assert last_lines(log) == "ERROR no such role"
    assert last_lines(tmp_path / "none.log") == ""
