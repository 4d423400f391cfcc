"""The embedded servers keep what they were given, whatever ends them."""

from __future__ import annotations

import asyncpg
import pytest

from services.infra.errors import ConfigurationError
from services.local.ports import LOOPBACK
from services.local.postgres import EmbeddedPostgres
from services.local.wire import answers
from tests.support.places import data_directory

pytestmark = pytest.mark.integration


def test_a_started_broker_answers_on_its_port(kafka_bootstrap: str) -> None:
    port = int(kafka_bootstrap.rpartition(":")[2])

    assert answers(LOOPBACK, port)


async def test_each_test_gets_an_empty_migrated_database(postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)

    count = await connection.fetchval("SELECT count(*) FROM touchpoint")
    await connection.close()

    assert count == 0


async def test_durability_cannot_be_switched_off() -> None:
    with data_directory() as folder, pytest.raises(ConfigurationError, match="fsync"):
        EmbeddedPostgres(folder, settings={"fsync": "off"})
