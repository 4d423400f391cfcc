"""What people said of alerts, and how fast: figures for dashboards, taken from the database now and then."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from services.core.instants import instant_of
from services.infra.background import Background
from services.infra.clock import Clock
from services.infra.metrics import ALERT_ACKNOWLEDGE_SECONDS, ALERTS_JUDGED
from services.state.outbound import OutboundDatabase

EVERY_S: Final = 300.0
"""Work of people moves in minutes; the question reads the alerts of four weeks."""

AGAIN_S: Final = 30.0

SPAN: Final = timedelta(days=28)


class AlertFiguresCount:
    """The task that takes them; several processes show the same."""

    def __init__(self, database: OutboundDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._background = Background("alert_figures", self.look, again_s=AGAIN_S)

    def start(self) -> None:
        """Go on in the background."""
        self._background.start(pause_s=0.0)

    async def stop(self) -> None:
        """Leave off."""
        await self._background.stop()

    async def look(self) -> float:
        """Take the figures once; how long to wait for the next time."""
        await self._database.open()
        async with self._database.transaction() as transaction:
            rules = await transaction.alert_figures.by_rule(instant_of(self._clock.now_us()) - SPAN)
        for metric in (ALERTS_JUDGED, ALERT_ACKNOWLEDGE_SECONDS):
            metric.clear()
        for one in rules:
            judged = {"real": one.real, "false": one.false, "known": one.known}
            judged["open"] = one.opened - sum(judged.values())
            for outcome, count in judged.items():
                ALERTS_JUDGED.labels(rule=one.rule, outcome=outcome).set(count)
            if one.acknowledge_s is not None:
                ALERT_ACKNOWLEDGE_SECONDS.labels(rule=one.rule).set(one.acknowledge_s)
        return EVERY_S
