"""Answer about alerts and incidents: which there are, and all that is known of one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from schemas.alertsapi import CHANGES_MAX
from services.api.alert_answers import alert_answer, alerts_answer, incidents_answer, work_tag
from services.api.alert_requests import MeantAlerts, alert_id, meant_alerts, meant_incidents
from services.api.customers import NO_STORE, SCOPE, Parts
from services.api.requests import Asked, bad, cursor_of
from services.core.instants import instant_of
from services.infra.errors import UnavailableError
from services.infra.http.answer import Answer
from services.infra.http.problems import Refused, refusal
from services.state.alert_work import AlertWorkTable, WorkedAlert
from services.state.events import Place

UNKNOWN: Final = Refused("unknown-alert")

Answerer = Callable[[Asked], Awaitable[Answer | Refused]]


class Alerts:
    """Answers about alerts, to whoever may read scores."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def list(self, asked: Asked) -> Answer:
        """Answer `GET /v1/alerts`."""
        return await self._answer(asked, self._list)

    async def show(self, asked: Asked) -> Answer:
        """Answer `GET /v1/alerts/{alert}`."""
        return await self._answer(asked, self._show)

    async def incidents(self, asked: Asked) -> Answer:
        """Answer `GET /v1/incidents`."""
        return await self._answer(asked, self._incidents)

    async def _answer(self, asked: Asked, answerer: Answerer) -> Answer:
        reader = self._parts.entrance.reader(asked, SCOPE)
        if isinstance(reader, Refused):
            return refusal(reader).with_headers(NO_STORE)
        try:
            found = await answerer(asked)
        except UnavailableError as error:
            return refusal(Refused("unavailable"))._replace(because=str(error)).with_headers(NO_STORE)
        return (refusal(found) if isinstance(found, Refused) else found).with_headers(NO_STORE)

    async def _list(self, asked: Asked) -> Answer | Refused:
        now = instant_of(self._parts.clock.now_us())
        meant = meant_alerts(asked, now=now, hash_key=self._parts.hash_key)
        if isinstance(meant, Refused):
            return meant
        async with self._parts.database.work() as work:
            found = await _page(work.alerts, meant)
        page, more = found[: meant.limit], len(found) > meant.limit
        next_cursor = cursor_of(Place(page[-1].opened_at, page[-1].id)) if more else None
        return Answer(200, alerts_answer(page, next_cursor=next_cursor).model_dump_json().encode())

    async def _show(self, asked: Asked) -> Answer | Refused:
        if asked.query:
            return bad("A parameter is not known here.")
        named = alert_id(asked.identity)
        if named is None:
            return UNKNOWN
        async with self._parts.database.work() as work:
            alert = await work.alerts.found(named)
            changes = [] if alert is None else await work.alerts.changes(named, limit=CHANGES_MAX)
        if alert is None:
            return UNKNOWN
        body = alert_answer(alert, changes).model_dump_json().encode()
        return Answer(200, body, headers={"ETag": work_tag(alert.work)})

    async def _incidents(self, asked: Asked) -> Answer | Refused:
        meant = meant_incidents(asked)
        if isinstance(meant, Refused):
            return meant
        async with self._parts.database.work() as work:
            found = await work.incidents.listed(meant.state, before=meant.before, limit=meant.limit + 1)
            page, more = found[: meant.limit], len(found) > meant.limit
            names = await work.incidents.names([fallen.alert for one in page for fallen in one.worst])
        next_cursor = cursor_of(Place(page[-1].opened_at, page[-1].id)) if more else None
        return Answer(200, incidents_answer(page, names, next_cursor=next_cursor).model_dump_json().encode())


async def _page(alerts: AlertWorkTable, meant: MeantAlerts) -> list[WorkedAlert]:
    """Return the alerts that are meant and one more, if there is one."""
    wanted = meant.filter
    if meant.customer is not None:
        wanted = wanted._replace(persons=await alerts.identities(meant.customer))
    return await alerts.listed(wanted, before=meant.before, limit=meant.limit + 1)
