"""Run the ingest process: build its parts, listen, and leave in good order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Final

import structlog
import uvicorn
import uvloop

from services.infra.catalogue import load_catalogue
from services.infra.clock import SystemClock
from services.infra.errors import ConfigurationError
from services.infra.kafka import LogProducer, LogWatch
from services.infra.logs import configure_logs
from services.infra.metrics import KAFKA_ACK_SECONDS
from services.infra.operations import serve_operations
from services.infra.protocol import DeadlineProtocol
from services.infra.pseudonyms import hash_key
from services.infra.settings import Settings
from services.infra.sources import SourcesFile
from services.infra.topics import DLQ, EVENT_TOPICS
from services.ingest.accept import Judge
from services.ingest.app import build_app
from services.ingest.door import Door
from services.ingest.lag import watch_lag
from services.ingest.limits import Budget
from services.ingest.metering import Meter
from services.ingest.ports import EventLog

log = structlog.get_logger(__name__)

EXIT_CONFIGURATION: Final = 2
"""What a supervisor takes as: an operator must act."""

KEEP_ALIVE_S: Final = 30
"""Longer than a batching client's usual pause of 10 s, shorter than a proxy's usual minute."""

DRAIN_S: Final = 15
"""Three times the deadline of an append: requests under way end within it."""

YOUNG_OBJECTS_MAX: Final = 25_000
"""A batch of 500 events is some ten thousand objects that die with its answer: collecting in the middle of it is waste
(measured: a quarter of a verdict's time with Python's own 700)."""

CONNECTIONS_WAITING_MAX: Final = 2048
"""What the kernel queues while the loop is busy."""


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers, which would end the process by the signal instead of by 0."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        log.info("ingest_listening", host=host, port=port)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _producer(settings: Settings) -> LogProducer:
    return LogProducer(
        settings.kafka,
        topics=(*EVENT_TOPICS, DLQ),
        deadline_s=settings.ingest.deadline_s,
        buffer_bytes_max=settings.ingest.in_flight_bytes_max,
        on_ack=KAFKA_ACK_SECONDS.observe,
    )


def _door(settings: Settings, *, event_log: EventLog, sources: SourcesFile) -> Door:
    catalogue = load_catalogue(settings.catalogue)
    return Door(
        event_log=event_log,
        judge=Judge(catalogue=catalogue, hash_key=hash_key(settings.hash_key)),
        sources=lambda: sources.current,
        clock=SystemClock(),
        budget=Budget(settings.ingest.in_flight_bytes_max),
        meter=Meter(frozenset(entry.channel for entry in catalogue.entries.values())),
    )


def _server(
    settings: Settings, door: Door, *, unready: Callable[[], str | None]
) -> _Server:
    return _Server(
        uvicorn.Config(
            build_app(door, unready=unready),
            host=settings.ingest.host,
            port=settings.ingest.port,
            http=DeadlineProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=CONNECTIONS_WAITING_MAX,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=DRAIN_S,
        )
    )


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP reads the sources file again."""
    sources = SourcesFile(settings.sources)
    producer = _producer(settings)
    stopping = asyncio.Event()

    def unready() -> str | None:
        return "stopping" if stopping.is_set() else producer.unready()

    def stop() -> None:
        log.info("ingest_stopping")
        stopping.set()
        server.should_exit = True

    server = _server(
        settings, _door(settings, event_log=producer, sources=sources), unready=unready
    )
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop)
    loop.add_signal_handler(signal.SIGINT, stop)
    loop.add_signal_handler(signal.SIGHUP, sources.reload)
    operations = await serve_operations(
        host=settings.ingest.host, port=settings.ingest.metrics_port, ready=unready
    )
    producer.open()
    lag = asyncio.create_task(_lag(settings.kafka.bootstrap), name="lag")
    _spare_the_collector()
    try:
        await server.serve()
    finally:
        lag.cancel()
        await asyncio.wait([lag])
        await producer.close()
        await operations.close()
    log.info("ingest_stopped")


def _spare_the_collector() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX)


async def _lag(bootstrap: str) -> None:
    watch = LogWatch(bootstrap)
    try:
        await watch_lag(watch)
    finally:
        await watch.close()


def main() -> None:
    """Read the settings and run; a wrong setting ends the process with its fix."""
    settings = Settings()
    configure_logs(settings.log_level)
    try:
        uvloop.run(serve(settings))
    except ConfigurationError as error:
        log.error("ingest_misconfigured", reason=str(error))  # noqa: TRY400 - the message is the fix
        sys.exit(EXIT_CONFIGURATION)


if __name__ == "__main__":
    main()
