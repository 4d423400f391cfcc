"""What services/state takes for granted of asyncpg beyond what its documentation promises.

When an upgrade breaks one of these, read what became of it before touching the pin.
"""

from __future__ import annotations

import inspect
import socket
from importlib.metadata import version

import asyncpg
import pytest
from asyncpg import connect_utils

from services.state.sessions import HouseConnection

pytestmark = pytest.mark.integration


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("asyncpg") == "0.32.0"


def test_a_connection_is_made_with_its_protocol_and_then_its_transport() -> None:
    names = list(inspect.signature(asyncpg.Connection.__init__).parameters)

    assert names[:3] == ["self", "protocol", "transport"]
    assert "connection_class(pr, tr, " in inspect.getsource(connect_utils)


async def test_the_reset_between_two_owners_gives_the_limits_back(postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn, connection_class=HouseConnection)
    await connection.limit({"lock_timeout": "7s"})
    await connection.execute("SET lock_timeout = 0")

    await connection.reset()

    assert await connection.fetchval("SHOW lock_timeout") == "7s"
    await connection.close()


async def test_the_kernel_is_told_to_watch_the_way(postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn, connection_class=HouseConnection)
    plug = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]  # the stubs lack it

    assert plug.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
    assert plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
    await connection.close()


async def test_the_server_s_process_is_told_as_it_is_without_a_pooler(postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)

    assert await connection.fetchval("SELECT pg_backend_pid()") == connection.get_server_pid()
    await connection.close()
