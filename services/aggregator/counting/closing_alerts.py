"""Look once a day at every open alert: what recovers in silence is closed as well."""

from __future__ import annotations

import asyncio
from typing import Final

from services.aggregator.counting.alerting import look, look_at_account
from services.aggregator.counting.lag import Lag
from services.aggregator.counting.models import OwnModels, Weigher
from services.aggregator.counting.observe import alerts_told
from services.aggregator.counting.occasions import Occasion
from services.aggregator.counting.ports import ChunkTransaction, Store
from services.aggregator.counting.reading_stored import read_stored
from services.aggregator.counting.scoring_accounts import lived_of, occasion_of
from services.aggregator.counting.telling_alerts import Step
from services.core.catalogue import Catalogue
from services.core.instants import HOUR_US
from services.core.tallies import LEAF, Tallies
from services.infra.background import Background
from services.infra.clock import Clock
from services.infra.metrics import ALERTS_OPEN

EVERY_S: Final = 60.0
"""How soon after midnight, UTC, alerts are looked at."""

AGAIN_S: Final = 60.0
"""After a round that failed."""

PERSONS: Final = 100
"""In one portion: their rows are locked for some hundredths of a second."""

SHARE: Final = 3.0
"""How many times as long as a portion took it pauses after it: three quarters of the time belong to events."""

DAY_H: Final = 24
SEVERITIES: Final = ("warning", "critical")


class ClosingAlerts:
    """The task that looks at open alerts for as long as the worker lives; several workers share what is left."""

    def __init__(self, store: Store, catalogue: Catalogue, clock: Clock, lag: Lag) -> None:
        self._store = store
        self._clock = clock
        self._lag = lag
        self._background = Background("alerts", self._round, again_s=AGAIN_S)
        self._models = OwnModels(store, catalogue)

    def start(self) -> None:
        """Go on in the background."""
        self._background.start(pause_s=EVERY_S)

    async def stop(self) -> None:
        """Leave off; what nobody has looked at is left to another worker or start."""
        await self._background.stop()

    async def step(self) -> int:
        """Look at one portion of what nobody has looked at since midnight; how many persons these were.

        Looks at nothing while counting is behind: what shows that a score recovered, or fell further, may stand in the
        log. Raises UnavailableError.
        """
        midnight = self._clock.now_us() // HOUR_US // DAY_H * DAY_H
        if not await self._lag.is_small():
            return 0
        async with self._store.transaction() as transaction:
            open_alerts = await transaction.alerts.counts()
            wanted = await transaction.alerts.unlooked(midnight, limit=PERSONS)
            persons = sorted(await transaction.persons.lock(wanted)) if wanted else []
            occasion = await self._read(transaction, persons, midnight) if persons else None
            steps = await look(transaction, occasion) if occasion else []
            looked = len(occasion.persons) if occasion else await self._companies(transaction, midnight, steps)
        for severity in SEVERITIES:
            ALERTS_OPEN.labels(severity=severity).set(open_alerts.get(severity, 0))
        alerts_told(steps)
        if not looked:
            self._models.forget()
        return looked

    async def _round(self) -> float:
        """One portion; how long to pause after it."""
        began_s = asyncio.get_running_loop().time()
        looked = await self.step()
        return SHARE * (asyncio.get_running_loop().time() - began_s) if looked else EVERY_S

    async def _companies(self, transaction: ChunkTransaction, midnight: int, steps: list[Step]) -> int:
        """Look at one account, unless another worker does; how many these were."""
        accounts = await transaction.alerts.unlooked_accounts(midnight, limit=1)
        if not accounts or not await transaction.account_scores.hold():
            return 0
        lived = await lived_of(transaction, accounts[0])
        if lived is None or not lived.contacts:
            await transaction.alerts.pass_over(accounts[0], hour=midnight)
            return 1
        weigher = await self._weigher(transaction, lived.tallies)
        occasion = occasion_of(accounts[0], lived, weigher, at_us=midnight * HOUR_US)
        steps += await look_at_account(transaction, occasion._replace(late=True))
        return 1

    async def _read(self, transaction: ChunkTransaction, persons: list[int], hour: int) -> Occasion:
        stored = await read_stored(transaction, persons)
        weigher = await self._weigher(transaction, stored.tallies)
        return Occasion(*stored, weigher=weigher, at_us=hour * HOUR_US, watched=frozenset(stored.persons))

    async def _weigher(self, transaction: ChunkTransaction, tallies: Tallies) -> Weigher:
        models = self._models.of(transaction)
        in_use = await models.in_use(await transaction.scores.turn())
        return await models.weigher(in_use.active, tallies.rows[:, LEAF])
