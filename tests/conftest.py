"""Fixtures of the real parts: one Kafka and one Postgres a session, one database a test."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from services.client.connection import Connection
from services.embedded.kafka import EmbeddedKafka
from services.embedded.postgres import EmbeddedPostgres
from services.infra.kafka import apply_topics
from services.infra.settings import KafkaSettings
from tests.support.databases import Databases
from tests.support.guarded_kafka import GuardedKafka
from tests.support.places import data_directory
from tests.support.stacks import running_stack


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs of the tests, also when a shell that runs the suite in its background ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def kafka() -> Iterator[EmbeddedKafka]:
    with data_directory() as folder:
        broker = EmbeddedKafka(folder)
        broker.start()
        yield broker
        broker.stop()


@pytest.fixture(scope="session")
def kafka_bootstrap(kafka: EmbeddedKafka) -> str:
    """A running broker without topics; a test uses topics and groups of its own names."""
    return kafka.bootstrap


@pytest.fixture(scope="session")
def guarded_kafka() -> Iterator[GuardedKafka]:
    """A broker with the topics; who comes by another door than the open one has no right until a test gives it."""
    with data_directory() as folder:
        broker = GuardedKafka(folder)
        broker.start()
        broker.add_user()
        asyncio.run(apply_topics(KafkaSettings(bootstrap=broker.bootstrap)))
        yield broker
        broker.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    with data_directory() as folder:
        server = EmbeddedPostgres(folder)
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def databases(postgres: EmbeddedPostgres) -> Databases:
    made = Databases(postgres)
    asyncio.run(made.prepare())
    return made


@pytest.fixture
async def postgres_dsn(databases: Databases) -> AsyncIterator[str]:
    """A database of this test's own: migrated, empty, dropped afterwards."""
    name = await databases.create()
    yield databases.server.dsn_of(name)
    await databases.drop(name)


@pytest.fixture(scope="module")
def stack() -> Iterator[Connection]:
    """A whole running stack with one worker, shared by the tests of a module."""
    with running_stack() as running:
        yield running.connection
