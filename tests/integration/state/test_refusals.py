"""What keeps us from Postgres, or from its tables, by its name and with its fix."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest
from pydantic import SecretStr

from services.infra.catalogue.reading import load_catalogue
from services.infra.errors import ConfigurationError, TactusError, UnavailableError
from services.infra.settings import PostgresSettings
from services.state.database import Database, ReadDatabase
from services.state.migrations import migrate, pending
from services.state.pool import answers, open_pool
from tests.support.certificates import Authority
from tests.support.guarded_postgres import CERTIFIED, GuardedPostgres, TlsPostgres
from tests.support.places import data_directory
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

SECRET = "a-password-of-the-tests"


ROLES = (
    f"CREATE ROLE poor LOGIN PASSWORD '{SECRET}'",
    f"CREATE ROLE barred LOGIN PASSWORD '{SECRET}'",
    f"CREATE ROLE single LOGIN PASSWORD '{SECRET}' CONNECTION LIMIT 0",
    "CREATE DATABASE closed",
    "REVOKE CONNECT ON DATABASE closed FROM public",
)


@pytest.fixture(scope="module")
def guarded() -> Iterator[GuardedPostgres]:
    with data_directory() as folder:
        server = GuardedPostgres(folder)
        server.start()
        asyncio.run(_run(server.dsn, *ROLES))
        yield server
        server.stop()


@pytest.fixture(scope="module")
def encrypted() -> Iterator[TlsPostgres]:
    with data_directory() as folder:
        server = TlsPostgres(folder)
        server.start()
        asyncio.run(_run(server.dsn, f"CREATE ROLE {CERTIFIED} LOGIN SUPERUSER"))
        yield server
        server.stop()


@pytest.fixture(autouse=True)
async def settled() -> AsyncIterator[None]:
    """Let what was refused hang up: asyncpg does not wait for it, and a loop that closes meanwhile complains."""
    yield
    selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]  # no public name tells what is open

    async def closed() -> bool:
        return len(selector.get_map()) <= 1  # the loop's own

    await eventually(closed, what="every connection is closed")


async def _run(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


class Case(NamedTuple):
    role: str
    cause: str
    fix: str
    password: str = SECRET
    database: str = "tactus"
    more: str = ""


MEND = {
    "wrong password": Case("poor", "refuses the password", "TACTUS_POSTGRES__DSN", password="wrong"),
    "no password": Case("poor", "refuses the password", "TACTUS_POSTGRES__DSN", password=""),
    "unknown role": Case("nobody", "refuses the password", "TACTUS_POSTGRES__DSN"),
    "barred by pg_hba": Case("barred", "does not let this role in", "pg_hba.conf"),
    "no database": Case("poor", "no such database", "CREATE DATABASE", database="lost"),
    "no right to connect": Case("poor", "lacks a right", "GRANT CONNECT", database="closed"),
    "lost file": Case(
        "poor", "sslrootcert=/no/such.pem cannot be read", "restore the file", more="sslrootcert=/no/such.pem"
    ),
    "lost password file": Case(
        "poor", "passfile=/no/such cannot be read", "restore the file", more="passfile=/no/such"
    ),
    "no such mode": Case("poor", "TACTUS_POSTGRES__DSN cannot be used", "correct the URL", more="sslmode=strict"),
    "no such parameter": Case("poor", "refuses the connection", "correct the parameters", more="colour=red"),
}


@pytest.mark.parametrize("case", MEND.values(), ids=MEND.keys())
async def test_what_an_operator_must_mend_is_named(guarded: GuardedPostgres, case: Case) -> None:
    dsn = guarded.dsn_as(case.role, case.password, database=case.database, more=case.more)

    with pytest.raises(ConfigurationError) as raised:
        await open_pool(PostgresSettings(dsn=SecretStr(dsn)), application="test")

    cause, _, fix = str(raised.value).partition("; ")
    assert case.cause in cause
    assert case.fix in fix
    assert SECRET not in str(raised.value)
    with pytest.raises(UnavailableError, match=re.escape(case.cause)):
        await answers(dsn, application="test")  # the watchdog of a running worker waits


WAIT = {
    "refused": ("postgresql://tactus@127.0.0.1:1/tactus", "nothing listens", "start it"),
    "refused by name": ("postgresql://tactus@localhost:1/tactus", "nothing listens", "start it"),
    "no socket": ("postgresql://tactus@/tactus?host=/no/such", "nothing listens", "start it"),
    "unknown host": ("postgresql://tactus@no-such-host.invalid/tactus", "nobody knows the name", "correct"),
}


@pytest.mark.parametrize(("dsn", "cause", "fix"), WAIT.values(), ids=WAIT.keys())
async def test_what_waiting_may_mend_is_named(dsn: str, cause: str, fix: str) -> None:
    with pytest.raises(UnavailableError) as raised:
        await open_pool(PostgresSettings(dsn=SecretStr(dsn)), application="test")

    text, _, advice = str(raised.value).partition("; ")
    assert cause in text
    assert fix in advice


async def test_no_connection_left_is_named(guarded: GuardedPostgres) -> None:
    with pytest.raises(UnavailableError, match=r"no connection left .*max_connections"):
        await open_pool(PostgresSettings(dsn=SecretStr(guarded.dsn_as("single", SECRET))), application="test")


async def test_a_server_that_starts_is_told_from_one_that_is_away(databases_of_a_server_that_stops: str) -> None:
    with pytest.raises(UnavailableError, match=r"takes no connections yet .*wait"):
        await answers(databases_of_a_server_that_stops, application="test")


@pytest.fixture
async def databases_of_a_server_that_stops() -> AsyncIterator[str]:
    """Shutting down for as long as a client stays: it answers as one does that starts."""
    with data_directory() as folder:
        server = GuardedPostgres(folder)
        await asyncio.to_thread(server.start)
        staying = await asyncpg.connect(server.dsn)
        os.kill(server.pid, signal.SIGTERM)
        yield server.dsn
        await staying.close()
        await asyncio.to_thread(server.stop)


async def test_a_silent_server_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dsn = f"postgresql://tactus@127.0.0.1:{silent.getsockname()[1]}/tactus?sslmode=disable"
        async with asyncio.timeout(8):
            with pytest.raises(UnavailableError, match=r"does not answer in time"):
                await answers(dsn, application="test")


async def test_a_server_without_tls_is_told_from_one_that_is_away(postgres_dsn: str) -> None:
    with pytest.raises(ConfigurationError, match=r"speaks no TLS"):
        await migrate(f"{postgres_dsn.partition('?')[0]}?sslmode=require")


async def test_a_certificate_on_each_side_is_enough(encrypted: TlsPostgres) -> None:
    by_name = encrypted.certified_dsn.replace("127.0.0.1", "localhost")
    for dsn in (encrypted.certified_dsn, by_name):
        await migrate(dsn)
        pool = await open_pool(PostgresSettings(dsn=SecretStr(dsn)), application="test")
        row = await pool.fetchrow("SELECT ssl, current_user FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        await pool.close()
        assert row is not None
        assert tuple(row) == (True, CERTIFIED)


ENCRYPTED = {
    "unknown authority": (
        "sslmode=verify-full&sslrootcert={stranger}",
        "certificate that is not trusted",
        "sslrootcert",
    ),
    "authority of nobody": ("sslmode=verify-full&sslrootcert={words}", "TLS with Postgres fails", "sslrootcert"),
    "no certificate": ("sslmode=require", "does not let this role in", "pg_hba.conf"),
    "another's certificate": ("sslmode=require&sslcert={other}&sslkey={other_key}", "does not let this role", "role"),
    "no encryption": ("sslmode=disable", "does not let this role in", "pg_hba.conf"),
}


@pytest.mark.parametrize(("more", "cause", "fix"), ENCRYPTED.values(), ids=ENCRYPTED.keys())
async def test_what_is_wrong_with_a_certificate_is_named(
    encrypted: TlsPostgres, tmp_path: Path, more: str, cause: str, fix: str
) -> None:
    stranger = Authority(tmp_path, name="stranger")
    words = tmp_path / "words.pem"
    words.write_text("no certificate")
    theirs = encrypted.authority.certify("somebody")
    files = {"stranger": stranger.ca, "words": words, "other": theirs.cert, "other_key": theirs.key}
    dsn = encrypted.dsn_as(CERTIFIED, SECRET, more=more.format(**files))

    with pytest.raises(ConfigurationError) as raised:
        await migrate(dsn)

    text, _, advice = str(raised.value).partition("; ")
    assert cause in text
    assert fix in advice


async def test_a_certificate_of_ours_that_the_server_does_not_trust_is_hinted_at(
    encrypted: TlsPostgres, tmp_path: Path
) -> None:
    mine = Authority(tmp_path, name="stranger").certify(CERTIFIED)
    dsn = encrypted.dsn_as(CERTIFIED, more=f"sslmode=require&sslcert={mine.cert}&sslkey={mine.key}")

    # The server hangs up, and asyncpg loses what it said: it may as well be stopping.
    with pytest.raises(UnavailableError, match=r"hangs up.*its log says why.*certificate of ours"):
        await migrate(dsn)


async def test_a_right_on_the_schema_that_is_missing_is_named(guarded: GuardedPostgres) -> None:
    with pytest.raises(ConfigurationError, match=r"permission denied for schema public.*GRANT ALL ON SCHEMA public"):
        await migrate(guarded.dsn_as("poor", SECRET))


async def test_a_right_on_the_tables_that_is_missing_is_named(guarded: GuardedPostgres) -> None:
    await migrate(guarded.dsn)
    poor = guarded.dsn_as("poor", SECRET)

    with pytest.raises(ConfigurationError, match=r"permission denied for table .*one role"):
        await pending(poor)
    reader = ReadDatabase(PostgresSettings(dsn=SecretStr(poor)), application="test")
    await reader.open()
    with pytest.raises(UnavailableError, match=r"permission denied for .*one role"):
        async with reader.snapshot() as snapshot:
            await snapshot.progress.states()
    await reader.close()
    worker = await Database.open(PostgresSettings(dsn=SecretStr(poor)), lanes=1)
    with pytest.raises(ConfigurationError, match=r"permission denied for .*one role"):
        await worker.models.keep(load_catalogue().weighing)
    await worker.close()


async def test_a_password_that_changes_while_we_run_is_waited_for(guarded: GuardedPostgres) -> None:
    await _run(guarded.dsn, f"CREATE ROLE fickle LOGIN PASSWORD '{SECRET}'")
    reader = ReadDatabase(PostgresSettings(dsn=SecretStr(guarded.dsn_as("fickle", SECRET))), application="test")
    await reader.open()
    await _run(
        guarded.dsn,
        "ALTER ROLE fickle PASSWORD 'another'",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'fickle'",
    )

    async def reason() -> str:
        with contextlib.suppress(TactusError):
            async with reader.snapshot() as snapshot:
                await snapshot.progress.states()
        try:
            async with reader.snapshot() as snapshot:
                await snapshot.progress.states()
        except UnavailableError as error:
            return str(error)
        return ""

    assert "refuses the password" in await reason()
    await _run(guarded.dsn, f"ALTER ROLE fickle PASSWORD '{SECRET}'")
    assert "permission denied" in await reason()  # let in again, to tables that are not its own
    await reader.close()


@pytest.mark.parametrize("encoding", ["LATIN2", "SQL_ASCII"])
async def test_a_database_that_cannot_hold_every_text_is_refused(guarded: GuardedPostgres, encoding: str) -> None:
    name = f"old_{encoding.lower()}"
    await _run(
        guarded.dsn, f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0"
    )
    dsn = guarded.dsn_of(name)

    with pytest.raises(ConfigurationError, match=rf"{name} is {encoding}.*ENCODING 'UTF8' TEMPLATE template0"):
        await migrate(dsn)

    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0
    await connection.close()
