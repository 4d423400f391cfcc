"""Take a census of whoever is stored, as a worker does."""

from __future__ import annotations

from datetime import datetime

from pydantic import SecretStr

from services.aggregator.counting.census_taking import CensusTaking, Step
from services.core.catalogue import Catalogue
from services.infra.settings import PostgresSettings
from services.state.database import Database
from services.state.roles import WORKER
from tests.support.clocks import StandingClock
from tests.support.databases import as_role


async def take_census(dsn: str, catalogue: Catalogue, *, at: datetime) -> None:
    """Let the catalogue's model weigh if none does, and take a census at a moment."""
    store = await Database.open(PostgresSettings(dsn=SecretStr(as_role(dsn, WORKER))), lanes=1)
    try:
        await store.models.claim(await store.models.keep(catalogue.weighing))
        taking = CensusTaking(store, catalogue, StandingClock(at))
        for _step in range(100):
            if await taking.step(rest_s=0, rest_times=0) is Step.DONE:
                return
        raise AssertionError("the census does not end")
    finally:
        await store.close()
