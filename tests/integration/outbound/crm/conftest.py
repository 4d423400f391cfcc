from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.crm import Played


@pytest.fixture
async def played(postgres_dsn: str) -> AsyncIterator[Played]:
    one = Played(postgres_dsn)
    yield one
    await one.close()
