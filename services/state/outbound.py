"""The database of the outbound process: transactions over what it follows and what it remembers of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import asyncpg

from services.infra.errors import ConfigurationError, UnavailableError
from services.infra.settings import PostgresSettings
from services.state.alert_figures import AlertFigures
from services.state.alerts import AlertTable
from services.state.crm import CrmTable
from services.state.feeds import FeedTable
from services.state.following import FollowingTable
from services.state.incidents import IncidentTable
from services.state.notifications import NotificationTable
from services.state.pool import LEND_S, Statements, lent, open_pool, present
from services.state.present import PresentTable
from services.state.scores import ScoreTable
from services.state.webhook_deliveries import DeliveryTables

CLOSE_S: Final = 2.0
"""For what is in the middle of something; then connections end where they are."""


class OutboundTransaction(NamedTuple):
    """The tables as one transaction of the outbound process changes them."""

    generation: str
    """Of the database: a position in another one means nothing here."""
    feeds: FeedTable
    alerts: AlertTable
    scores: ScoreTable
    crm: CrmTable
    present: PresentTable
    following: FollowingTable
    webhooks: DeliveryTables
    incidents: IncidentTable
    notifications: NotificationTable
    alert_figures: AlertFigures


class OutboundDatabase:
    """What the outbound process needs of the database, or the fact that it is away."""

    def __init__(self, settings: PostgresSettings, *, application: str) -> None:
        self._settings = settings
        self._application = application
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Connect; raises UnavailableError while the server is away, ConfigurationError when it refuses us."""
        async with self._opening:
            if self._pool is None:
                self._pool = await open_pool(
                    self._settings, application=self._application, prepare=lambda one: one.learn_generation()
                )

    async def close(self) -> None:
        """Close the connections, at once when they do not close in time."""
        if self._pool is None:
            return
        try:
            await asyncio.wait_for(self._pool.close(), CLOSE_S)
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[OutboundTransaction]:
        """A transaction that commits at the end of the block and rolls back on any exception.

        Raises UnavailableError for whatever another try can mend, also at the commit: then it may have taken place.
        """
        if self._pool is None:
            raise UnavailableError("Postgres has not answered yet")
        try:
            with present():
                async with lent(self._pool, within_s=LEND_S) as connection, connection.transaction():
                    say = Statements(connection)
                    yield OutboundTransaction(
                        connection.generation,
                        FeedTable(say),
                        AlertTable(say),
                        ScoreTable(say),
                        CrmTable(say),
                        PresentTable(say),
                        FollowingTable(say),
                        DeliveryTables(say),
                        IncidentTable(say),
                        NotificationTable(say),
                        AlertFigures(say),
                    )
        except ConfigurationError as error:
            raise UnavailableError(str(error)) from error
