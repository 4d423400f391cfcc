"""What operators see of a connector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from services.core.instants import instant_of
from services.infra import metrics
from services.infra.clock import Clock
from services.outbound.crm.meter import Meter
from services.state.crm import RecordState
from services.state.outbound import OutboundDatabase

EVERY_US: Final = 15_000_000
"""A scrape comes every 15 s; counting a million records takes a tenth of a second."""

SHOWN: Final = (
    metrics.CRM_OLDEST_AGE_SECONDS,
    metrics.CRM_TROUBLED_SECONDS,
    metrics.CRM_CALLS_LEFT,
    metrics.CRM_SECRET_AGE_SECONDS,
    metrics.CRM_STANDING,
)


class Measures:
    """Shows one connector's records, calls and right to ask."""

    def __init__(
        self,
        name: str,
        database: OutboundDatabase,
        meter: Meter,
        clock: Clock,
        *,
        secret_age_s: Callable[[], float | None],
    ) -> None:
        self._name = name
        self._database = database
        self._meter = meter
        self._clock = clock
        self._secret_age_s = secret_age_s
        self._taken_at_us = 0

    def count(self, *, taken: int, not_told: Sequence[RecordState]) -> None:
        """Count what a system said of records."""
        metrics.CRM_RECORDS.labels(adapter=self._name, outcome="sent").inc(taken)
        for state in not_told:
            metrics.CRM_RECORDS.labels(adapter=self._name, outcome=state).inc()

    def trouble(self, kind: str) -> None:
        """Count a call that came to nothing."""
        metrics.CRM_TROUBLES.labels(adapter=self._name, state=kind).inc()

    def forget(self) -> None:
        """Show nothing of what another process measures by now."""
        self._taken_at_us = 0
        for gauge in SHOWN:
            gauge.remove_by_labels({"adapter": self._name})

    async def take(self) -> None:
        """Measure, now and then. Raises UnavailableError while the database is away."""
        now_us = self._clock.now_us()
        if now_us - self._taken_at_us < EVERY_US:
            return
        self._taken_at_us = now_us
        now = instant_of(now_us)
        async with self._database.transaction() as transaction:
            counts = await transaction.crm.counts(self._name, now=now)
            standing = await transaction.crm.connector(self._name)
        waiting = [one.waits_since for one in counts if one.waits_since is not None]
        oldest_s = (now - min(waiting)).total_seconds() if waiting else 0.0
        troubled = standing.trouble_since if standing else None
        metrics.CRM_OLDEST_AGE_SECONDS.labels(adapter=self._name).set(max(0.0, oldest_s))
        metrics.CRM_TROUBLED_SECONDS.labels(adapter=self._name).set(
            0.0 if troubled is None else max(0.0, (now - troubled).total_seconds())
        )
        metrics.CRM_CALLS_LEFT.labels(adapter=self._name).set(await self._meter.left_today())
        for one in counts:
            metrics.CRM_STANDING.labels(adapter=self._name, state=one.state).set(one.records)
        age_s = self._secret_age_s()
        if age_s is not None:
            metrics.CRM_SECRET_AGE_SECONDS.labels(adapter=self._name).set(age_s)
