"""`tactus up`: one command, everything ready; one Ctrl-C, everything gone."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
from collections.abc import Iterator

import asyncpg
import httpx
import psutil
import pytest
from confluent_kafka.admin import AdminClient

from services.client.connection import FILE
from services.embedded.stack import LocalStack
from tests.support.places import data_directory
from tests.support.situations import needs_root
from tests.support.stacks import RunningStack, alive, listens, ports_of, processes_in, running_stack
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def running() -> Iterator[RunningStack]:
    with running_stack() as stack:
        yield stack


async def test_what_is_published_answers(running: RunningStack) -> None:
    connection = running.connection

    async with httpx.AsyncClient() as http:
        doors = [await http.get(f"{url}/readyz") for url in (connection.ingest, connection.api)]
        read = {"Authorization": f"Bearer {connection.keys['read']}"}
        nobody = await http.get(f"{connection.api}/v1/customers/customer:nobody", headers=read)
        metrics = [await http.get(url) for urls in connection.metrics.values() for url in urls]
    database = await asyncpg.connect(connection.postgres)
    durable = await database.fetchval("SELECT current_setting('fsync') || current_setting('synchronous_commit')")
    await database.close()

    assert [door.status_code for door in doors] == [200, 200]
    assert nobody.status_code == 404
    assert [page.status_code for page in metrics] == [200, 200, 200, 200]
    assert durable == "onon"
    assert AdminClient({"bootstrap.servers": connection.kafka}).list_topics(timeout=30).brokers


def test_the_published_keys_are_for_the_owner_only(running: RunningStack) -> None:
    private = [running.data / name for name in (FILE, "keys.json", "sources.toml", "postgres.password")]

    assert [stat.S_IMODE(path.stat().st_mode) for path in private] == [0o600] * 4


def test_the_published_pids_are_the_programs_themselves(running: RunningStack) -> None:
    pids = running.connection.pids

    names = {name: psutil.Process(pid).name() for name, (pid,) in pids.items()}

    assert names["kafka"] == "java"
    assert names["postgres"] == "postgres"
    assert all(psutil.Process(pid).ppid() == running.process.pid for (pid,) in pids.values())


def test_a_second_up_on_the_same_directory_is_refused(running: RunningStack) -> None:
    before = running.connection

    second = RunningStack(running.data)
    code = second.process.wait(60)

    assert code == 2
    assert f"process {running.process.pid} runs a stack in {running.data}" in running.said()
    assert running.connection == before


@pytest.mark.parametrize("name", ["aggregator", "ingest", "api", "postgres", "kafka"])
def test_a_killed_child_comes_back_on_its_port(running: RunningStack, name: str) -> None:
    before = running.connection

    psutil.Process(before.pids[name][0]).kill()

    after = wait_until(
        lambda: found if (found := running.connection).pids[name] != before.pids[name] else None,
        what=f"{name} has another pid",
    )
    wait_until(lambda: all(map(listens, ports_of(before))), what=f"{name} listens where it did")
    wait_until(lambda: _ready(running), what=f"everything is ready after {name} was killed")
    assert {**after.model_dump(), "pids": 0} == {**before.model_dump(), "pids": 0}
    assert stat.S_IMODE((running.data / FILE).stat().st_mode) == 0o600
    assert f"{name} ended (signal 9): starting it again" in running.said()


def _ready(running: RunningStack) -> bool:
    doors = [url.removesuffix("/metrics") for urls in running.connection.metrics.values() for url in urls]
    try:
        return all(httpx.get(f"{door}/readyz").status_code == 200 for door in doors)
    except httpx.TransportError:
        return False


def test_ctrl_c_leaves_no_process_no_socket_no_connection() -> None:
    with data_directory() as data:
        stack = RunningStack(data)
        connection = stack.wait_ready()
        children = stack.processes()

        code = stack.stop(signal.SIGINT)

        assert code == 0, stack.said()
        assert alive(children) == []
        assert [port for port in ports_of(connection) if listens(port)] == []
        assert not (data / FILE).exists()
        assert not list(data.glob(".*.json.*"))


def test_children_die_with_a_killed_up_and_the_next_up_starts() -> None:
    with data_directory() as data:
        first = RunningStack(data)
        keys = first.wait_ready().keys
        children = first.processes()

        first.kill()
        wait_until(lambda: not alive(children), what="the children are gone")
        second = RunningStack(data)
        again = second.wait_ready()
        code = second.stop()

    assert again.keys == keys
    assert code == 0


def test_a_child_that_refuses_its_configuration_ends_up_with_its_words() -> None:
    with data_directory() as data:
        stack = RunningStack(data, environment={"TACTUS_CATALOGUE": "/nowhere/catalogue.yaml"})

        code = stack.process.wait(120)

        assert code == 2
        assert "refuses its configuration" in stack.said()
        assert "/nowhere/catalogue.yaml" in stack.said()
        assert processes_in(data) == []


def test_a_busy_usual_port_is_replaced_and_named() -> None:
    with data_directory() as data, socket.socket() as busy:
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if not listens(8080):
            busy.bind(("127.0.0.1", 8080))
            busy.listen()
        stack = RunningStack(data, named=False)
        connection = stack.wait_ready()
        stack.stop()

        assert not connection.ingest.endswith(":8080")
        assert f"port 8080 is in use: ingest takes {connection.ingest.rpartition(':')[2]}" in stack.said()


def test_a_shell_and_a_path_of_any_kind_will_do() -> None:
    shell = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PGSSLMODE": "require", "PGTARGETSESSIONATTRS": "standby"}
    with data_directory() as folder:
        data = folder / "mein Ordner żółć, (1)"
        data.mkdir()
        stack = RunningStack(data, environment=shell)
        connection = stack.wait_ready()

        wait_until(lambda: _ready(stack), what="everything is ready")
        code = stack.stop()

        assert (connection.data, code) == (data, 0)
        assert "Ready. Ctrl-C stops everything." in stack.said()
        assert "mein Ordner ????" in stack.said()


@needs_root
def test_a_stack_of_another_user_is_refused_in_one_line() -> None:
    with data_directory() as data:
        (data / "up.lock").touch()
        os.chown(data / "up.lock", 12345, 12345)
        stack = RunningStack(data)

        code = stack.process.wait(60)

        assert code == 2
        assert f"{data} holds the stack of user 12345: run as that user" in stack.said()


async def test_a_program_may_hold_the_stack_itself() -> None:
    with data_directory() as data:
        async with LocalStack(data, workers=2) as connection:
            published = json.loads((data / FILE).read_text())
            seen = {process.pid for process in processes_in(data)}

        assert published["pids"] == connection.pids
        assert len(connection.pids["aggregator"]) == 2
        assert {pid for pids in connection.pids.values() for pid in pids} <= seen
        assert processes_in(data) == []
