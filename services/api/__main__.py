"""The read API as a process."""

from __future__ import annotations

import asyncio
import gc
import sys
from time import monotonic
from typing import Final

from services.api.app import create_app
from services.api.customers import Customers, Parts
from services.api.entrance import Entrance
from services.api.ingest_door import open_door
from services.api.letters import Letters
from services.api.reader_rates import ReaderRates
from services.api.refusals import Refusals
from services.api.replaying import Replayer
from services.api.source_watch import SourceWatch
from services.api.waiting import Waiting
from services.api.watch import Watch
from services.api.webhooks import Parts as WebhookParts
from services.api.webhooks import Webhooks
from services.infra.catalogue.reading import LANGUAGES, labels, load_catalogue
from services.infra.clock import SystemClock
from services.infra.egress.gate import Gate
from services.infra.egress.resolving import SystemResolver
from services.infra.http.listening import bind
from services.infra.http.operations import serve_operations
from services.infra.http.peers import Peers, networks
from services.infra.http.server import Limits, serve_http
from services.infra.http.strangers import Strangers
from services.infra.lifecycle import on_signals, run, until
from services.infra.logs import get_logger
from services.infra.pseudonyms import hash_key
from services.infra.settings import Settings
from services.infra.sources import load_sources
from services.infra.sources_file import follow_sources
from services.state.database import ReadDatabase
from services.state.weighed import Models

log = get_logger(__name__)

LIMITS: Final = Limits(backlog=1024, connections_max=4096, requests_max=1000, idle_s=75, unread_s=30, finish_s=10)
"""Requests at once are bounded, because each may hold a person's tallies. An idle connection outlives the usual 60 s of a
proxy, which so closes first; four thousand of them take 40 MiB. The largest page, 150 KiB, takes half a minute over
the slowest line. Requests end within twice the longest deadline of one."""

SWITCH_S: Final = 0.0005
"""How long a thread that computes a large answer may keep the loop from its next step. Python's own five milliseconds,
waited for at each of a request's twenty steps, would be a tenth of a second; more switches cost the thread one per cent."""

GC_THRESHOLDS: Final = (100_000, 20, 100)
"""A large answer makes half a million objects and keeps none: with the default of 700 the collector walks them again and
again, and everybody waits up to a tenth of a second for it. With these the longest wait beside one is under 25 ms."""


async def serve(settings: Settings) -> None:
    """Serve until a signal says stop."""
    sources = follow_sources(settings.sources, load=load_sources)
    stop = asyncio.Event()
    on_signals(stop=stop.set, reload=sources.reload)
    database = ReadDatabase(settings.postgres, application="tactus-api")
    watch, waiting = Watch(database), Waiting(database)
    entrance = Entrance(
        lambda: sources.current,
        rates=ReaderRates(requests_per_s_max=settings.api.reader_requests_per_s_max, now_s=monotonic),
        strangers=Strangers(monotonic),
    )
    door = open_door(settings.api)
    source_watch = SourceWatch(database, lambda: sources.current, SystemClock())
    customers = Customers(
        Parts(
            database=database,
            models=Models(load_catalogue(settings.catalogue)),
            labels={language: labels(language, override=settings.catalogue) for language in LANGUAGES},
            entrance=entrance,
            hash_key=hash_key(settings.hash_key),
            clock=SystemClock(),
            silent=source_watch.silent,
        )
    )
    listener = bind(host=settings.api.host, port=settings.api.port, backlog=LIMITS.backlog)
    operations = await serve_operations(host=settings.api.host, port=settings.api.metrics_port, ready=watch.unready)
    log.info("api_listening", host=settings.api.host, port=listener.getsockname()[1])
    refusals = Refusals(monotonic)
    app = create_app(
        customers,
        Letters(database, entrance, Replayer(database, door)),
        waiting,
        Webhooks(WebhookParts(database, entrance, Gate.of(settings.webhooks, SystemResolver()), SystemClock())),
        unready=watch.unready,
        refusals=refusals,
        peers=Peers(networks(settings.api.trusted_proxies)),
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(until(stop, watch.run()))
        tasks.create_task(until(stop, source_watch.run()))
        tasks.create_task(until(stop, waiting.run()))
        tasks.create_task(until(stop, sources.follow()))
        tasks.create_task(serve_http(app, listener, stop=stop, limits=LIMITS, refused=refusals.note))
    for part in (operations, door, database):
        await part.close()
    log.info("api_stopped")


def main() -> None:
    """Run the process until a signal says stop."""
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(*GC_THRESHOLDS)
    run(serve, name="api")


if __name__ == "__main__":
    main()
