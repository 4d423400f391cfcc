"""Look for incidents again and again; of all outbound processes one at a time does, in one short transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from schemas.incident import WORST_MAX, IncidentRecord, IncidentState, IncidentWorst, incident_key
from schemas.instant import write_instant
from schemas.topics import ALERTS
from services.core.incidents import (
    ALONG,
    Cause,
    LoneAlert,
    Storm,
    candidates,
    has_grown,
    is_over,
    joined,
    storms,
    usual_people,
)
from services.core.instants import instant_of
from services.infra.background import Background
from services.infra.clock import Clock
from services.infra.logs import get_logger
from services.infra.metrics import INCIDENT_STEPS, INCIDENTS_OPEN
from services.state.feeds import Letter
from services.state.incidents import Fallen, Kept, OpenIncident
from services.state.outbound import OutboundDatabase, OutboundTransaction

EVERY_S: Final = 2.0
"""Ten people fall within seconds when something breaks; a look takes milliseconds."""

AGAIN_S: Final = 5.0

LOOKED_BACK: Final = timedelta(hours=6)
"""Workers that were away for less than that still tell of an incident when they are back."""

ALERTS_MAX: Final = 20_000
"""Looked at in one round, the oldest: what is left comes in the next."""

CANDIDATES_MAX: Final = 50
"""Whose week before is asked for in one round, those of most people first."""

INCIDENTS_MAX: Final = 200
"""That are not over; more causes at once are one that nobody has named."""

log = get_logger(__name__)


class IncidentWatch:
    """Opens incidents, lets alerts join them, tells how they grow, and resolves them."""

    def __init__(self, database: OutboundDatabase, clock: Clock, *, quiet_s: float) -> None:
        self._database = database
        self._clock = clock
        self._quiet = timedelta(seconds=quiet_s)
        self._rounds = Background("incidents", self.look, again_s=AGAIN_S)

    def start(self) -> None:
        """Begin to look."""
        self._rounds.start(pause_s=EVERY_S)

    async def stop(self) -> None:
        """Leave off."""
        await self._rounds.stop()

    async def look(self) -> float:
        """Look once, unless another process does; how long to wait for the next time."""
        await self._database.open()
        told: list[IncidentRecord] = []
        async with self._database.transaction() as transaction:
            led = await transaction.incidents.lead()
            if led:
                await self._gather(transaction)
                told = await self._tell(transaction)
            counts = await transaction.incidents.count_open()
        INCIDENTS_OPEN.set({along: counts.get(along, 0) for along in ALONG})
        for record in told:
            INCIDENT_STEPS.labels(state=record.state).inc()
            log.info("incident", state=record.state, along=record.along, people=record.people)
        return EVERY_S

    async def _gather(self, transaction: OutboundTransaction) -> None:
        """Put alerts into the incidents that are open, and open new ones for what is left."""
        table = transaction.incidents
        alerts = await table.lone(instant_of(self._clock.now_us()) - LOOKED_BACK, limit=ALERTS_MAX)
        if not alerts:
            return
        open_ = {_cause(one): one for one in await table.unresolved(limit=INCIDENTS_MAX)}
        joining = joined(alerts, open_)
        await table.put({alert: open_[cause].id for alert, cause in joining.items()})
        left = [alert for alert in alerts if alert.id not in joining]
        for storm in await self._storms(transaction, left):
            await table.open(storm)
            await table.put({alert.id: storm.id for alert in storm.alerts})

    async def _storms(self, transaction: OutboundTransaction, alerts: Sequence[LoneAlert]) -> list[Storm]:
        found = sorted(candidates(alerts).items(), key=lambda one: (-one[1][1], one[0]))[:CANDIDATES_MAX]
        usual = {
            cause: usual_people(await transaction.incidents.usual(cause, ends_at)) for cause, (ends_at, _) in found
        }
        return storms(alerts, usual)

    async def _tell(self, transaction: OutboundTransaction) -> list[IncidentRecord]:
        """Say what has happened to incidents: opened, grown or resolved."""
        told = []
        for one in await transaction.incidents.unresolved(limit=INCIDENTS_MAX):
            state = self._step(one)
            if state is None and one.people == one.people_before:
                continue
            worst = await transaction.incidents.worst(one.id, limit=WORST_MAX)
            told += await self._keep(transaction, one, state, worst)
        if told:
            await transaction.feeds.put([_letter(record) for record in told])
        return told

    def _step(self, one: OpenIncident) -> IncidentState | None:
        now = instant_of(self._clock.now_us())
        if not one.told_people:
            return "opened"
        if is_over(
            now=now,
            joined_at=one.joined_at or one.opened_at,
            alerts=one.alerts,
            recovered=one.recovered,
            quiet=self._quiet,
        ):
            return "resolved"
        grown = has_grown(people=one.people, told_people=one.told_people, told_at=one.told_at, now=now)
        return "grown" if grown else None

    async def _keep(
        self, transaction: OutboundTransaction, one: OpenIncident, state: IncidentState | None, worst: Sequence[Fallen]
    ) -> list[IncidentRecord]:
        now = instant_of(self._clock.now_us())
        told_people, told_at = (one.told_people, one.told_at) if state is None else (one.people, now)
        stands = "resolved" if state == "resolved" else "open"
        await transaction.incidents.keep(one.id, Kept(stands, now, one.people, worst, told_people, told_at))
        if state is None:
            return []
        names = await transaction.incidents.names([fallen.alert for fallen in worst])
        shown = [
            IncidentWorst(
                alert=str(fallen.alert),
                customer=names[fallen.alert].customer,
                account=names[fallen.alert].account,
                score_before=fallen.score_before,
                score=fallen.score,
            )
            for fallen in worst
        ]
        record = IncidentRecord.model_validate(
            {
                "incident": str(one.id),
                "along": one.along,
                "value": one.value,
                "state": state,
                "opened_at": write_instant(one.opened_at),
                "changed_at": write_instant(now),
                "people": one.people,
                "usual": one.usual,
                "worst": shown,
            }
        )
        return [record]


def _cause(one: OpenIncident) -> Cause:
    along = next(each for each in ALONG if each == one.along)
    return Cause(along, one.value)


def _letter(record: IncidentRecord) -> Letter:
    return Letter(ALERTS, incident_key(record.along, record.value), record.model_dump_json().encode())
