"""The outbound process: follows scores and alerts, and tells them to whoever is to know."""

from __future__ import annotations

import asyncio

from services.infra.clock import SystemClock
from services.infra.http.operations import serve_operations
from services.infra.lifecycle import on_signals, run, until
from services.infra.logs import get_logger
from services.infra.settings import Settings
from services.outbound.alert_figures import AlertFiguresCount
from services.outbound.crm_systems import open_crm
from services.outbound.feed.topics import TopicFeed
from services.outbound.incidents.watching import IncidentWatch
from services.outbound.notify.composing import notifier_of
from services.outbound.people import PeopleCount
from services.outbound.readiness import Readiness
from services.outbound.webhooks.process import open_webhooks
from services.state.outbound import OutboundDatabase

log = get_logger(__name__)


async def serve(settings: Settings) -> None:
    """Serve until a signal says stop."""
    stop = asyncio.Event()
    database = OutboundDatabase(settings.postgres, application="tactus-outbound")
    crm = open_crm(settings, database, SystemClock())
    notifier = notifier_of(database, settings)

    def reload() -> None:
        crm.systems.file.reload()
        notifier.reload()

    on_signals(stop=stop.set, reload=reload)
    readiness = Readiness(database)
    rooms = (
        TopicFeed(database, settings),
        PeopleCount(database),
        AlertFiguresCount(database, SystemClock()),
        IncidentWatch(database, SystemClock(), quiet_s=settings.outbound.incident_quiet_s),
        open_webhooks(database, settings.webhooks),
        notifier,
    )
    operations = await serve_operations(
        host=settings.outbound.host, port=settings.outbound.metrics_port, ready=readiness.unready
    )
    log.info("outbound_started", metrics_port=operations.port)
    for room in rooms:
        room.start()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(until(stop, readiness.run()))
        tasks.create_task(until(stop, crm.systems.follow()))
    await crm.close()
    for room in rooms:
        await room.stop()
    for part in (operations, database):
        await part.close()
    log.info("outbound_stopped")


def main() -> None:
    """Run the process until a signal says stop."""
    run(serve, name="outbound")


if __name__ == "__main__":
    main()
