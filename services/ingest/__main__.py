"""Run the ingest process: build its parts, listen, and leave in good order."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine, Sequence
from functools import partial
from time import monotonic
from typing import Final, NamedTuple

import structlog

from schemas.topics import DLQ, EVENT_TOPICS
from services.infra.catalogue.reading import CatalogueFile, load_file
from services.infra.classes.reading import ClassFile, read_classes
from services.infra.clock import SystemClock
from services.infra.followed_file import FollowedFile
from services.infra.http.answer import Application
from services.infra.http.health import Readiness
from services.infra.http.listening import bind
from services.infra.http.operations import serve_operations
from services.infra.http.peers import Peers, networks
from services.infra.http.server import Limits, serve_http
from services.infra.http.strangers import Strangers
from services.infra.kafka import LogProducer, LogWatch, TopicLimits, admitted, encryption, topic_bytes_max
from services.infra.lifecycle import on_signals, run, until
from services.infra.metrics import KAFKA_ACK_SECONDS, SPOOL_AGE_SECONDS, SPOOL_BYTES, SPOOL_DAMAGED
from services.infra.pseudonyms import hash_key
from services.infra.settings import IngestSettings, KafkaSettings, Settings
from services.infra.sources import Sources, load_sources_with_secrets
from services.infra.sources_file import follow_sources
from services.ingest.adapter import Adapter
from services.ingest.app import build_app, open_to_pages
from services.ingest.classing import Classing
from services.ingest.cors import with_cors
from services.ingest.discovery import discovered, names_of
from services.ingest.door import Door
from services.ingest.judge import Judge
from services.ingest.keeping import Keeper
from services.ingest.lag import watch_lag
from services.ingest.metering import Meter
from services.ingest.overload import Overload
from services.ingest.rates import Rates
from services.ingest.replaying import replaying
from services.ingest.spool import Spool

log = structlog.get_logger(__name__)

LIMITS: Final = Limits(backlog=2048, connections_max=4096, requests_max=None, idle_s=30, unread_s=30, finish_s=15)
"""Bytes in flight bound the requests, not their number. An idle connection is kept longer than a batching client's usual
pause of 10 s, shorter than a proxy's usual minute; four thousand of them take 40 MiB. The answer to a full batch, 40
KiB, takes half a minute over the slowest line. Requests end within three times the deadline of an append."""

YOUNG_OBJECTS_MAX: Final = 25_000
"""A batch of 500 events is some ten thousand objects that die with its answer: collecting in the middle of it is waste
(measured: a quarter of a verdict's time with Python's own 700)."""


class _Files(NamedTuple):
    """What an operator changes while the door is open."""

    sources: FollowedFile[Sources]
    classes: FollowedFile[ClassFile]

    def reload(self) -> None:
        for file in self:
            file.reload()

    def follow(self) -> Sequence[Coroutine[None, None, None]]:
        return [file.follow() for file in self]


def _producer(settings: Settings) -> LogProducer:
    encryption(settings.kafka)  # a certificate that is lost is told at once, and not by a producer that cannot begin
    topics = (*EVENT_TOPICS, DLQ)
    return LogProducer(
        settings.kafka,
        topics=topics,
        limits=TopicLimits(partial(topic_bytes_max, settings.kafka, topics)),
        deadline_s=settings.ingest.deadline_s,
        buffer_bytes_max=settings.ingest.in_flight_bytes_max,
        on_ack=KAFKA_ACK_SECONDS.observe,
    )


def _keeper(settings: IngestSettings, producer: LogProducer) -> Keeper:
    if settings.spool is None:
        return Keeper(producer)
    clock = SystemClock()
    spool = Spool(
        settings.spool,
        bytes_max=settings.spool_bytes_max,
        age_s_max=settings.spool_age_s_max,
        now_s=lambda: clock.now_us() / 1_000_000,
        on_set_aside=SPOOL_DAMAGED.inc,
    )
    SPOOL_BYTES.set_function(lambda: spool.held_bytes)
    SPOOL_AGE_SECONDS.set_function(lambda: spool.age_s)
    return Keeper(producer, spool)


def _files(settings: Settings, file: CatalogueFile) -> _Files:
    load = partial(load_sources_with_secrets, touchpoints=file.catalogue.entries)
    return _Files(
        follow_sources(settings.sources, load=load),
        FollowedFile(settings.classes, load=lambda: read_classes(settings.classes), name="classes"),
    )


def _adapters(file: CatalogueFile, files: _Files) -> Sequence[Adapter]:
    """Return the channels, and the doors by which their dead letters come again."""
    channels = discovered()
    names = {channel.name: names_of(channel, file) for channel in channels}
    return [*channels, *replaying(channels, names=names, sources=lambda: files.sources.current)]


def _door(
    settings: Settings, adapters: Sequence[Adapter], file: CatalogueFile, *, keeper: Keeper, files: _Files
) -> Door:
    secret = hash_key(settings.hash_key)
    classing = Classing(lambda: files.classes.current, lambda: files.sources.current, hash_key=secret)
    return Door(
        keeper=keeper,
        judge=Judge(catalogue=file.catalogue, hash_key=secret),
        sources=lambda: files.sources.current,
        classing=classing,
        clock=SystemClock(),
        overload=Overload(in_flight_bytes_max=settings.ingest.in_flight_bytes_max, wait_s=settings.ingest.deadline_s),
        rates=Rates(settings.ingest, now_s=monotonic),
        strangers=Strangers(monotonic),
        meter=Meter(frozenset(entry.channel for entry in file.catalogue.entries.values())),
        names={adapter.name: names_of(adapter, file) for adapter in adapters},
    )


def _application(door: Door, adapters: Sequence[Adapter], *, peers: Peers, unready: Readiness) -> Application:
    def allows(origin: str) -> bool:
        return door.sources().serve_pages_of(origin)

    app = build_app(door, adapters, unready=unready, peers=peers)
    return with_cors(app, allows=allows, is_open=open_to_pages(adapters))


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP reads the files of sources and of classes again."""
    catalogue = load_file(settings.catalogue)
    files = _files(settings, catalogue)
    producer = _producer(settings)
    keeper = _keeper(settings.ingest, producer)
    stopping = asyncio.Event()

    def unready() -> str | None:
        return "stopping" if stopping.is_set() else keeper.unready()

    def stop() -> None:
        log.info("ingest_stopping")
        stopping.set()

    adapters = _adapters(catalogue, files)
    door = _door(settings, adapters, catalogue, keeper=keeper, files=files)
    app = _application(door, adapters, peers=Peers(networks(settings.ingest.trusted_proxies)), unready=unready)
    on_signals(stop=stop, reload=files.reload)
    listener = bind(host=settings.ingest.host, port=settings.ingest.port, backlog=LIMITS.backlog)
    operations = await serve_operations(host=settings.ingest.host, port=settings.ingest.metrics_port, ready=unready)
    producer.open()
    lag = asyncio.create_task(_lag(settings.kafka), name="lag")
    _spare_the_collector()
    log.info("ingest_listening", host=settings.ingest.host, port=listener.getsockname()[1])
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serve_http(app, listener, stop=stopping, limits=LIMITS))
            # A wrong password would else be refused for ever, and nobody be told but by /readyz.
            for work in (admitted(settings.kafka), *files.follow(), keeper.drain()):
                tasks.create_task(until(stopping, work))
    finally:
        lag.cancel()
        await asyncio.wait([lag])
        for part in (keeper, producer, operations):
            await part.close()
    log.info("ingest_stopped")


def _spare_the_collector() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX)


async def _lag(settings: KafkaSettings) -> None:
    watch = LogWatch(settings)
    try:
        await watch_lag(watch)
    finally:
        await watch.close()


def main() -> None:
    """Run the process until a signal says stop."""
    run(serve, name="ingest")


if __name__ == "__main__":
    main()
