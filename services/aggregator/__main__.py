"""Starts one stream worker: `python -m services.aggregator`."""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from schemas.topics import GROUP
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.processor import Processor
from services.aggregator.stream.app import TOPICS, AggregatorApp, create_app
from services.aggregator.stream.chunks import positions
from services.aggregator.stream.watchdog import Ends, Look, Outside, start_watchdog
from services.infra.errors import ConfigurationError, FencedError, UnavailableError
from services.infra.http.operations import serve_operations
from services.infra.kafka import FORBIDDEN, LogWatch, check_group, forbidden, log_ends
from services.infra.logs import configure_logs, get_logger
from services.infra.metrics import FENCED
from services.infra.settings import Settings, read_settings
from services.state.pool import answers

log = get_logger(__name__)

EXIT_FAILED: Final = 1
EXIT_CONFIGURATION: Final = 2
EXIT_FENCED: Final = 3

GC_THRESHOLDS: Final = (200_000, 50, 1000)
"""A chunk makes thousands of objects and keeps few, beside caches that live long: with the default of 700 the
collector walks the caches again and again. This alone made scoring 1.5 times as fast."""

STOP_S: Final = 20.0
"""Settling chunks, committing and leaving the group take about two seconds; whoever started this process gives
it 30."""

START_PAUSE_S: Final = 1.0
"""Between attempts to reach Kafka and Postgres before work begins."""

T = TypeVar("T")


async def patiently(attempt: Callable[[], Awaitable[T]]) -> T:
    """Try until what is needed is there: a worker that starts before its database must not crash in a loop."""
    while True:
        try:
            return await attempt()
        except UnavailableError as error:
            log.warning("waiting_to_start", because=str(error))
            await asyncio.sleep(START_PAUSE_S)


@asynccontextmanager
async def open_pipeline(settings: Settings) -> AsyncIterator[Processor]:
    """The pipeline on Postgres, once the log has all topics and the database answers."""
    ends = await patiently(lambda: log_ends(settings.kafka, TOPICS))
    await patiently(lambda: check_group(settings.kafka, GROUP))
    missing = sorted(set(TOPICS) - {topic for topic, _ in ends})
    if missing:
        raise ConfigurationError(f"the log has no topic {', '.join(missing)}; run `tactus topics apply`")
    pipeline = await patiently(lambda: Pipeline.open(settings))
    try:
        yield pipeline
    finally:
        await pipeline.close()


def look_at(app: AggregatorApp, starting: asyncio.Task[None]) -> Look:
    """What the watchdog sees; called from its thread, reads only."""
    return Look(app.moved, app.rebalancing or not starting.done(), positions(app))


def outside_of(settings: Settings) -> Outside:
    """The log and the database, over connections of the watchdog's own."""

    async def ends() -> Ends:
        watch = LogWatch(settings.kafka)
        try:
            return await watch.ends(TOPICS)
        finally:
            await watch.close()

    async def database() -> None:
        await answers(settings.postgres.dsn.get_secret_value(), application="tactus-watchdog")

    return Outside(ends, database)


async def serve(settings: Settings, app: AggregatorApp, outside: Outside) -> int:
    """Run the app until told to stop or something fails; the exit code says which."""
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    operations = await serve_operations(
        host=settings.aggregator.host, port=settings.aggregator.metrics_port, ready=app.unready
    )
    starting = asyncio.create_task(app.start())
    look = functools.partial(look_at, app, starting)
    start_watchdog(look, outside, within_s=settings.aggregator.watchdog_s)
    log.info("worker_started", metrics_port=operations.port)
    reason = await _until_end(app, starting, told)
    code = _exit_code(reason)
    await _stop(app, starting, code)
    await operations.close()
    log.info("worker_stopped", exit_code=code)
    return code


async def _until_end(app: AggregatorApp, starting: asyncio.Task[None], told: asyncio.Event) -> BaseException | None:
    """Wait for a word from outside, a failure of ours or a crash of Faust's, whichever comes first."""
    ends = {asyncio.create_task(one) for one in (told.wait(), app.failed.wait(), app.wait_until_stopped())}
    await asyncio.wait({*ends, starting}, return_when=asyncio.FIRST_COMPLETED)
    if starting.done() and not starting.exception():
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for task in ends:
        task.cancel()
    unstarted = starting.exception() if starting.done() else None
    return app.failure or unstarted or app.crash_reason


def _exit_code(reason: BaseException | None) -> int:
    if isinstance(reason, FORBIDDEN):  # taken away while we ran; at the start it has a name already
        reason = forbidden(reason)
    match reason:
        case None:
            return os.EX_OK
        case ConfigurationError():
            sys.stderr.write(f"{reason}\n")
            return EXIT_CONFIGURATION
        case FencedError():
            FENCED.inc()
            log.warning("fenced", because=str(reason))
            return EXIT_FENCED
        case _:
            log.error("worker_failed", exc_info=reason)
            return EXIT_FAILED


async def _stop(app: AggregatorApp, starting: asyncio.Task[None], code: int) -> None:
    """Settle, commit and leave the group; a stop that hangs or fails ends the process where it stands.

    That is safe at any time: what is not committed to Postgres is read again by the next owner.
    """
    starting.cancel()
    stopping = asyncio.create_task(app.stop())
    await asyncio.wait({starting, stopping}, timeout=STOP_S)
    if not stopping.done() or stopping.cancelled() or stopping.exception():
        log.error("stop_failed", done=stopping.done())
        os._exit(code or EXIT_FAILED)


async def run(settings: Settings) -> int:
    """Put the worker together, inside the loop that runs it."""
    app = create_app(settings, functools.partial(open_pipeline, settings))
    return await serve(settings, app, outside_of(settings))


def main() -> None:
    try:
        settings = read_settings()
        configure_logs(settings.log_level)
        gc.set_threshold(*GC_THRESHOLDS)
        code = asyncio.run(run(settings))
    except ConfigurationError as error:
        code = _exit_code(error)
    sys.exit(code)


if __name__ == "__main__":
    main()
