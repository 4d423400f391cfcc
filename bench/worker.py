"""One worker end to end against three peers: the same events, core, SQL and settings, in one run."""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import asyncpg
import psutil
from aiokafka.partitioner import murmur2
from confluent_kafka import Producer

from bench.load import events
from bench.report import publish, working_directory
from schemas.topics import EVENTS
from services.embedded.kafka import EmbeddedKafka
from services.embedded.postgres import EmbeddedPostgres
from services.infra.kafka import apply_topics
from services.infra.settings import KafkaSettings
from services.state.migrations import migrate

CONTENDERS: Final[Mapping[str, str]] = {
    "tactus": "services.aggregator",
    "aiokafka": "bench.with_aiokafka",
    "quix": "bench.with_quix",
    "take": "bench.with_take",
}

POSTGRES: Final = {"shared_buffers": "2GB", "max_wal_size": "8GB", "checkpoint_timeout": "15min"}
"""As for a machine of its own; fsync, full_page_writes and synchronous_commit stay on."""

CHUNK_EVENTS: Final = 6000
POLL_S: Final = 0.05
PATIENCE_S: Final = 900.0
"""The slowest peer takes about two minutes for a million events on two idle cores."""

DIGEST: Final = """
SELECT md5(string_agg(line, '|' ORDER BY line)) FROM (
    SELECT md5(string_agg(t::text, '|' ORDER BY touchpoint, channel, place, hour)) AS line
    FROM tally AS t GROUP BY identity
) AS customers
"""


@dataclass(frozen=True)
class Result:
    """What one contender did, from its first commit to its last."""

    events_per_s: float
    worker_cpu_us: float
    postgres_cpu_us: float
    rss_mib: float
    tallies: str


def say(text: str) -> None:
    """Progress goes to stderr; stdout is the result."""
    sys.stderr.write(f"{text}\n")


def load_topic(bootstrap: str, *, count: int) -> None:
    """Write the events, each to the partition that ingest's producer would choose."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 50,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 200_000,
        }
    )
    partitions = KafkaSettings().partitions
    for key, value in events(count, now=datetime.now(UTC)):
        part = (murmur2(key) & 0x7FFFFFFF) % partitions
        while True:
            try:
                producer.produce(EVENTS, value, key, part)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    if producer.flush(60):
        raise RuntimeError("the broker did not take all events within a minute")


@contextmanager
def process(name: str, *, dsn: str, bootstrap: str, directory: Path) -> Iterator[psutil.Process]:
    """A contender's process, ended at the end."""
    environment = {
        **os.environ,
        "TACTUS_KAFKA__BOOTSTRAP": bootstrap,
        "TACTUS_POSTGRES__DSN": dsn,
        "TACTUS_AGGREGATOR__METRICS_PORT": "0",
        "TACTUS_AGGREGATOR__CHUNK_EVENTS_MAX": str(CHUNK_EVENTS),
        "TACTUS_LOG_LEVEL": "warning",
        "BENCH_DIRECTORY": str(directory),
        "PYTHONWARNINGS": "ignore",
    }
    log = directory / f"{name}.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", CONTENDERS[name]], env=environment, stdout=output, stderr=output
        )
    try:
        yield psutil.Process(child.pid)
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


class Meter:
    """Reads progress from Postgres and processor time from the processes."""

    def __init__(self, connection: asyncpg.Connection, *, postmaster: int) -> None:
        self._connection = connection
        self._postmaster = psutil.Process(postmaster)
        self._spent: dict[int, float] = {}

    async def done(self) -> int:
        """Records that committed chunks have passed."""
        return int(
            await self._connection.fetchval("SELECT coalesce(sum(next - start), 0)::bigint FROM partition_progress")
        )

    async def last_commit(self) -> float:
        """When the last of them committed, seconds since 1970."""
        return float(
            await self._connection.fetchval("SELECT extract(epoch FROM max(moved_at)) FROM partition_progress")
        )

    def postgres_cpu_s(self) -> float:
        """Processor time of all server processes, those that have ended included as last seen."""
        for one in [self._postmaster, *self._postmaster.children()]:
            try:
                times = one.cpu_times()
            except psutil.NoSuchProcess:
                continue
            self._spent[one.pid] = times.user + times.system
        return sum(self._spent.values())


async def measure(name: str, *, server: EmbeddedPostgres, bootstrap: str, count: int, directory: Path) -> Result:
    """Run one contender on a fresh database until every event is committed."""
    admin = await asyncpg.connect(server.dsn)
    database = f"bench_{name}"
    await admin.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
    await admin.execute(f"CREATE DATABASE {database}")
    dsn = server.dsn_of(database)
    await migrate(dsn)
    await admin.execute("CHECKPOINT")
    connection = await asyncpg.connect(dsn)
    meter = Meter(connection, postmaster=server.pid)
    with process(name, dsn=dsn, bootstrap=bootstrap, directory=directory) as worker:
        result = await watch(worker, meter, count=count, log=directory / f"{name}.log")
    digest = await connection.fetchval(DIGEST)
    await connection.close()
    await admin.execute(f"DROP DATABASE {database} WITH (FORCE)")
    await admin.close()
    return Result(**result, tallies=digest)


def tail(log: Path) -> str:
    """The end of what a contender wrote."""
    return log.read_text(encoding="utf-8", errors="replace")[-3000:]


async def watch(worker: psutil.Process, meter: Meter, *, count: int, log: Path) -> dict[str, float]:
    """Measure from the first commit seen to the last; before it, a process only starts up and joins its group."""
    started = time.monotonic()
    while not (first := await meter.done()):
        if time.monotonic() - started > PATIENCE_S / 10 or not worker.is_running() or worker.status() == "zombie":
            raise RuntimeError(f"the contender did not start:\n{tail(log)}")
        await asyncio.sleep(POLL_S)
    began, worker_before, postgres_before = (time.time(), worker.cpu_times(), meter.postgres_cpu_s())
    rss, now = 0, first
    while now < count:
        if time.monotonic() - started > PATIENCE_S or worker.status() == "zombie":
            raise RuntimeError(f"the contender stopped at {now} of {count}:\n{tail(log)}")
        await asyncio.sleep(POLL_S)
        # Sampled on the way: a contender that closes its connections at the end takes its backends' counts along.
        meter.postgres_cpu_s()
        rss = max(rss, worker.memory_info().rss)
        now = await meter.done()
    worker_after, measured = worker.cpu_times(), count - first
    spent = worker_after.user + worker_after.system - worker_before.user - worker_before.system
    return {
        "events_per_s": measured / (await meter.last_commit() - began),
        "worker_cpu_us": spent / measured * 1e6,
        "postgres_cpu_us": (meter.postgres_cpu_s() - postgres_before) / measured * 1e6,
        "rss_mib": rss / 2**20,
    }


async def run(count: int, names: list[str], directory: Path) -> dict[str, Result]:
    """Start the servers, write the events once, and let every contender count them."""
    broker, server = (EmbeddedKafka(directory / "kafka"), EmbeddedPostgres(directory / "postgres", settings=POSTGRES))
    broker.start()
    server.start()
    try:
        await apply_topics(KafkaSettings(bootstrap=broker.bootstrap))
        say(f"writing {count:,} events")
        await asyncio.to_thread(load_topic, broker.bootstrap, count=count)
        results = {}
        for name in names:
            say(f"{name} …")
            results[name] = await measure(
                name, server=server, bootstrap=broker.bootstrap, count=count, directory=directory
            )
            one = results[name]
            say(
                f"{name}: {one.events_per_s:,.0f} events/s, {one.worker_cpu_us:.1f} µs worker + "
                f"{one.postgres_cpu_us:.1f} µs Postgres an event, {one.rss_mib:.0f} MiB"
            )
        return results
    finally:
        server.stop()
        broker.stop()


def summary(results: Mapping[str, Result], *, count: int) -> dict[str, object]:
    """Our figures, and ours over each peer's."""
    ours = results["tactus"]
    return {
        "events_per_s": round(ours.events_per_s),
        "ratios": {
            name: round(ours.events_per_s / one.events_per_s, 3) for name, one in results.items() if name != "tactus"
        },
        "rss_mib": round(ours.rss_mib),
        "cpu_us_per_event": round(ours.worker_cpu_us + ours.postgres_cpu_us, 2),
        "equal_tallies": len({one.tallies for one in results.values()}) == 1,
        "events": count,
        "chunk_events_max": CHUNK_EVENTS,
        "contenders": {name: asdict(one) for name, one in results.items()},
    }


def main() -> int:
    """0 when all contenders hold equal tallies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="*", choices=[*CONTENDERS], default=[*CONTENDERS])
    arguments = parser.parse_args()
    names = ["tactus", *(name for name in arguments.only if name != "tactus")]
    with working_directory() as folder:
        results = asyncio.run(run(arguments.events, names, folder))
    figures = summary(results, count=arguments.events)
    publish(figures, path=arguments.json)
    return 0 if figures["equal_tallies"] else 1


if __name__ == "__main__":
    sys.exit(main())
