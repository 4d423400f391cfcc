"""How long webhooks wait while one of the endpoints is a black hole, beside how long they wait without one."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import msgspec
from pydantic import SecretStr

from bench.report import publish, working_directory
from schemas.instant import write_instant
from schemas.topics import ALERTS
from services.embedded.free_ports import LOOPBACK
from services.embedded.postgres import EmbeddedPostgres
from services.infra.settings import PostgresSettings, WebhookSettings
from services.outbound.webhooks.process import open_webhooks
from services.state.migrations import migrate
from services.state.outbound import OutboundDatabase
from services.state.pool import Statements
from services.state.webhooks import EndpointChange, WebhookTables

ENDPOINTS: Final = 100
ALERTS_EACH: Final = 40
"""Of a run."""

RATE: Final = 4.0
"""Alerts a second: 400 deliveries a second, a third of what one core sends."""

RUNS: Final = 3
"""Of each kind, in turn."""

RATIO_GOAL: Final = 1.10
ARRIVED_S: Final = 60.0
LOOK_S: Final = 0.1
FEEDS: Final = 2
SECRET: Final = "whsec_" + "eHh4" * 8


class Receivers:
    """One server with a path for each endpoint; it notes when each alert came to each."""

    def __init__(self) -> None:
        self.came: dict[tuple[str, str], float] = {}
        self.port = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one message."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        body = msgspec.json.decode(await reader.readexactly(length))
        self.came.setdefault((head.split(" ")[1], body["data"]["rule"]), time.perf_counter())
        writer.write(b"HTTP/1.1 204 Taken\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take everything and never answer."""
    while await reader.read(65_536):
        pass
    writer.close()


async def beside_a_black_hole(
    dsn: str, *, endpoints: int = ENDPOINTS, alerts: int = ALERTS_EACH, rate: float = RATE, runs: int = RUNS
) -> dict[str, object]:
    """Measure waits from the commit of an alert to its arrival, with and without a black hole among the endpoints.

    The runs alternate, so that whatever else the machine does falls on both; the ratio is of the medians of their p95.
    """
    receivers = Receivers()
    kind = await asyncio.start_server(receivers.take, LOOPBACK, 0, backlog=1024)
    hole = await asyncio.start_server(swallow, LOOPBACK, 0, backlog=1024)
    receivers.port = kind.sockets[0].getsockname()[1]
    urls = [f"http://{LOOPBACK}:{receivers.port}/{number}" for number in range(endpoints)]
    black = f"http://{LOOPBACK}:{hole.sockets[0].getsockname()[1]}/hole"
    p95s: dict[bool, list[float]] = {False: [], True: []}
    async with sending(dsn), connected(dsn) as owner:
        made = [await make(owner, url) for url in urls]
        await settled(owner)
        for run in range(2 * runs):
            holed = run % 2 == 1
            await point(owner, made[0], black if holed else urls[0])
            waits = await one_run(owner, receivers, run=run, alerts=alerts, rate=rate, endpoints=endpoints)
            p95s[holed].append(quantiles(waits, n=20)[-1])
    for server in (kind, hole):
        server.close()
    without, with_ = (median(p95s[holed]) for holed in (False, True))
    return {
        "endpoints": endpoints,
        "deliveries_each_run": alerts * (endpoints - 1),
        "p95_ms_without": 1000 * without,
        "p95_ms_with_a_black_hole": 1000 * with_,
        "ratio": with_ / without,
        "ratio_goal": RATIO_GOAL,
    }


async def one_run(
    owner: asyncpg.Connection, receivers: Receivers, *, run: int, alerts: int, rate: float, endpoints: int
) -> list[float]:
    """Raise alerts at a rate; how long each took to come to each of the endpoints but the first."""
    raised: dict[str, float] = {}
    began = time.perf_counter()
    for number in range(alerts):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        rule = f"{run}-{number}"
        at = write_instant(datetime.now(UTC))
        record = {"rule": rule, "state": "opened", "severity": "critical", "changed_at": at}
        await owner.execute(
            "INSERT INTO outbox (topic, key, value) VALUES ($1, 'customer:bench', $2)",
            ALERTS,
            msgspec.json.encode(record),
        )
        raised[rule] = time.perf_counter()
    wanted = [(f"/{place}", rule) for place in range(1, endpoints) for rule in raised]

    async def arrived() -> bool:
        return all(one in receivers.came for one in wanted)

    await eventually(arrived)
    return [receivers.came[path, rule] - raised[rule] for path, rule in wanted]


@asynccontextmanager
async def sending(dsn: str) -> AsyncIterator[None]:
    """What spreads and sends, as outbound runs it."""
    database = OutboundDatabase(PostgresSettings(dsn=SecretStr(dsn)), application="tactus-bench")
    webhooks = open_webhooks(database, WebhookSettings(http=True, networks="127.0.0.0/8"))
    webhooks.start()
    try:
        yield
    finally:
        await webhooks.stop()
        await database.close()


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the owner's."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def make(owner: asyncpg.Connection, url: str) -> UUID:
    """Make an endpoint that hears everything."""
    endpoint = uuid4()
    now = datetime.now(UTC)
    await WebhookTables(Statements(owner)).make(endpoint, EndpointChange(url, "", [], [], []), secret=SECRET, at=now)
    return endpoint


async def point(owner: asyncpg.Connection, endpoint: UUID, url: str) -> None:
    """Let an endpoint be another one, of which nothing is known yet, and nothing waits for it."""
    await WebhookTables(Statements(owner)).change(endpoint, EndpointChange(url, state="enabled"))
    await owner.execute("DELETE FROM webhook_delivery WHERE endpoint = $1", endpoint)


async def settled(owner: asyncpg.Connection) -> None:
    """Wait until the feeds are led: what comes from there on is told."""

    async def led() -> bool:
        return int(await owner.fetchval("SELECT count(*) FROM feed_position WHERE feed LIKE 'webhooks.%'")) == FEEDS

    await eventually(led)


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition; raises TimeoutError."""
    async with asyncio.timeout(ARRIVED_S):
        while True:
            if await condition():
                return
            await asyncio.sleep(LOOK_S)


def main() -> None:
    """Measure on a database of its own, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=int, default=ENDPOINTS)
    parser.add_argument("--alerts", type=int, default=ALERTS_EACH)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    with working_directory() as folder:
        server = EmbeddedPostgres(folder / "postgres-data")
        server.start()
        try:
            figures = asyncio.run(_measured(server.dsn, told))
        finally:
            server.stop()
    publish(figures, path=told.json)


async def _measured(dsn: str, told: argparse.Namespace) -> dict[str, object]:
    await migrate(dsn)
    return await beside_a_black_hole(dsn, endpoints=told.endpoints, alerts=told.alerts, rate=told.rate, runs=told.runs)


if __name__ == "__main__":
    main()
