"""What the tests of notifications share: alerts as workers write them, and a notifier."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.support.alerted import Alerts
from tests.support.notifying import Notifying


@pytest.fixture
async def alerts(postgres_dsn: str) -> AsyncIterator[Alerts]:
    connection = await asyncpg.connect(postgres_dsn)
    yield Alerts(connection)
    await connection.close()


@pytest.fixture
async def notifying(postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Notifying]:
    made = Notifying(postgres_dsn, tmp_path)
    yield made
    await made.close()
