"""What `tactus doctor` looks at: doors, log, topics, sources, disk."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import stat
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Final, Self

import httpx

from services.client.addresses import reached_at
from services.client.connection import DEFAULT_DATA, FILE, Connection, find_connection
from services.client.keys import SOURCES
from services.infra.errors import ConfigurationError, TactusError
from services.infra.kafka import check_topics, log_ends
from services.infra.settings import KafkaSettings, Settings, read_settings
from services.infra.sources import load_sources

ANSWER_S: Final = 5.0
"""A door that needs longer for /readyz is as good as shut."""

DISK_FREE_MIN: Final = 1 << 30
DISK_FREE_LOW: Final = 5 << 30
"""Kafka and Postgres stop in ugly ways on a full disk; at 1,000 events a second 5 GiB last about an hour."""


class Level(StrEnum):
    """How bad a finding is. An error sets the exit code."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `fix` says what to do unless all is well."""

    level: Level
    subject: str
    text: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Where everything is."""

    kafka: KafkaSettings
    postgres: str
    doors: tuple[tuple[str, str], ...]
    sources: Path | None
    catalogue: Path | None
    data: Path
    logs: str
    option: str
    """What a command needs to find this stack, with a space before it."""
    origin: str

    @property
    def words(self) -> str:
        """Which one it is, without its password."""
        postgres = self.postgres.rpartition("@")[2].partition("?")[0]
        return f"{self.origin}: Kafka {self.kafka.bootstrap}, Postgres {postgres}"

    @classmethod
    def local(cls, connection: Connection, settings: Settings) -> Self:
        """Describe a stack that `tactus up` runs."""
        metrics = [
            (f"{name}'s metrics", url.removesuffix("/metrics"))
            for name, urls in connection.metrics.items()
            for url in urls
        ]
        return cls(
            kafka=settings.kafka.embedded_at(connection.kafka),
            postgres=connection.postgres,
            doors=(("ingest", connection.ingest), ("API", connection.api), *metrics),
            sources=settings.sources or connection.data / SOURCES,
            catalogue=settings.catalogue,
            data=connection.data,
            logs=str(connection.data / "logs"),
            option=f" --data {shlex.quote(str(connection.data))}",
            origin=f"the stack of {connection.data}",
        )

    @classmethod
    def configured(cls, settings: Settings) -> Self:
        """Describe a stack of services that were started singly, from the same settings."""
        doors = (
            ("ingest", settings.ingest.host, settings.ingest.port),
            ("API", settings.api.host, settings.api.port),
            ("aggregator's metrics", settings.aggregator.host, settings.aggregator.metrics_port),
        )
        return cls(
            kafka=settings.kafka,
            postgres=settings.postgres.dsn.get_secret_value(),
            doors=tuple((name, f"http://{reached_at(host)}:{port}") for name, host, port in doors),
            sources=settings.sources,
            catalogue=settings.catalogue,
            data=Path.cwd(),
            logs="what the service prints",
            option="",
            origin="the stack that the settings name",
        )


def stack_to_examine(data: Path | None) -> Stack:
    """Take the stack of a data directory, else the one that the settings name."""
    settings = read_settings()
    if data is not None or (DEFAULT_DATA / FILE).exists():
        return Stack.local(find_connection(data), settings)
    return Stack.configured(settings)


Check = Callable[[Stack], Awaitable[list[Finding]]]


async def doors(stack: Stack) -> list[Finding]:
    """Ask every door whether it is ready."""
    async with httpx.AsyncClient(timeout=ANSWER_S, trust_env=False) as http:
        return list(await asyncio.gather(*(_door(http, name, url, stack.logs) for name, url in stack.doors)))


async def _door(http: httpx.AsyncClient, name: str, url: str, logs: str) -> Finding:
    try:
        answer = await http.get(f"{url}/readyz")
    except httpx.TransportError as error:
        said = f"{url} does not answer ({type(error).__name__})"
        return Finding(Level.ERROR, name, said, f"start it (`tactus up`), or see why it ended: {logs}")
    if answer.status_code == HTTPStatus.OK:
        return Finding(Level.OK, name, f"{url} is ready")
    return Finding(Level.ERROR, name, f"{url} is not ready: {answer.text.strip()[:200]}", f"see {logs}")


async def log(stack: Stack) -> list[Finding]:
    """Ask the brokers for their topics."""
    try:
        await log_ends(stack.kafka, ())
    except TactusError as error:
        cause, _, fix = str(error).partition("; ")
        return [Finding(Level.ERROR, "Kafka", cause, f"{fix}; logs: {stack.logs}")]
    return [Finding(Level.OK, "Kafka", f"{stack.kafka.bootstrap} answers")]


async def topics(stack: Stack) -> list[Finding]:
    """Compare the topics with what they should be."""
    differences = await check_topics(stack.kafka)
    if not differences:
        return [Finding(Level.OK, "topics", "all exist, with their partitions and settings")]
    return [
        Finding(Level.ERROR, "topics", text, fix)
        for text, _, fix in (difference.partition("; ") for difference in differences)
    ]


async def sources(stack: Stack) -> list[Finding]:
    """Read the sources file as the services do."""
    if stack.sources is None:
        return [Finding(Level.ERROR, "sources", "TACTUS_SOURCES is not set", "set it to the sources file")]
    try:
        load_sources(stack.sources)
    except ConfigurationError as error:
        return [Finding(Level.ERROR, "sources", str(error), "correct the file, then send ingest and the API SIGHUP")]
    if stack.sources.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        fix = f"chmod 600 {stack.sources}"
        return [Finding(Level.WARNING, "sources", f"{stack.sources} is open to other users", fix)]
    return [Finding(Level.OK, "sources", f"{stack.sources} is valid")]


async def disk(stack: Stack) -> list[Finding]:
    """Look at the room that is left for the data directory."""
    return [judge_disk(shutil.disk_usage(stack.data).free, stack.data)]


def judge_disk(free: int, data: Path) -> Finding:
    """Say whether so many free bytes are enough."""
    text = f"{free / (1 << 30):.1f} GiB free for {data}"
    fix = "free some, or move the data directory to a larger disk"
    if free < DISK_FREE_MIN:
        return Finding(Level.ERROR, "disk", text, fix)
    if free < DISK_FREE_LOW:
        return Finding(Level.WARNING, "disk", text, fix)
    return Finding(Level.OK, "disk", text)
