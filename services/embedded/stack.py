"""Run the whole product on this machine: Kafka, Postgres and the services, supervised, in one data directory."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final

from pydantic import SecretStr
from rich.console import Console

from services.client.addresses import reached_at
from services.client.connection import Connection, remove_connection
from services.client.keys import OPERATOR, SOURCES, Keys, ensure_keys
from services.embedded.jars import Source
from services.embedded.kafka import EmbeddedKafka
from services.embedded.orphans import end_orphans, forget, remember
from services.embedded.port_plan import WORKERS_MAX, Ports, choose_ports
from services.embedded.postgres import EmbeddedPostgres
from services.embedded.service import Service
from services.embedded.steps import Steps
from services.embedded.supervisor import Supervised
from services.infra.errors import ConfigurationError
from services.infra.kafka import apply_topics
from services.infra.settings import KafkaSettings, Settings, read_settings
from services.state import roles
from services.state.migrations import migrate

LOCK: Final = "up.lock"
WORKER: Final = "aggregator"
API: Final = "api"
OUTBOUND: Final = "outbound"
SPOOL: Final = "spool"

ROLE_OF: Final = {WORKER: roles.WORKER, API: roles.READER, OUTBOUND: roles.OUTBOUND}
"""Whom the database takes a service for; ingest needs no database."""


class LocalStack:
    """`async with LocalStack(data, workers=1) as connection`: everything is ready inside, nothing is left after.

    A child that dies is started again; one that cannot run ends the block with a TactusError that says why.
    `unless_set` are variables of the services that the environment may say otherwise.
    Enter it on the main thread: the children die with the thread that started them.
    """

    def __init__(
        self,
        data: Path,
        *,
        workers: int = 1,
        usual_ports: bool = False,
        console: Console | None = None,
        unless_set: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        if not 0 <= workers <= WORKERS_MAX:
            raise ConfigurationError(f"--workers is {workers}: choose 0 to {WORKERS_MAX}")
        self.data = data.absolute()
        self.kafka: EmbeddedKafka
        self.postgres: EmbeddedPostgres
        self._workers = workers
        self._usual_ports = usual_ports
        self._unless_set = unless_set
        self._steps = Steps(console or Console(quiet=True))
        self._children: list[Supervised] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._connection: Connection | None = None
        # Another at each start: only children of this one know it.
        self._passwords = {role: secrets.token_urlsafe(24) for role in roles.ROLES}
        self._stop_downloads = threading.Event()
        self._running = self._run()

    async def __aenter__(self) -> Connection:
        return await self._running.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._running.__aexit__(kind, error, trace)

    def kill(self) -> None:
        """End every child at once, for somebody who does not want to wait."""
        for supervised in self._children:
            with suppress(Exception):
                supervised.child.kill()

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[Connection]:
        settings = read_settings()
        if self._workers > settings.kafka.partitions:
            raise ConfigurationError(
                f"--workers is {self._workers}, but the topics have {settings.kafka.partitions} partitions and more "
                "workers than that have nothing to do: choose fewer"
            )
        _make_directory(self.data)
        with _only_one(self.data):
            await self._clear()
            try:
                async with asyncio.TaskGroup() as group:
                    try:
                        with self._steps:
                            connection = await self._start(group, settings)
                        yield connection
                    finally:
                        await self._stop()
            except BaseExceptionGroup as errors:
                raise _first(errors) from None

    async def _clear(self) -> None:
        remove_connection(self.data)
        for name in await asyncio.to_thread(end_orphans, self.data):
            self._steps.say(f"{name} was left running by a former start: ended it")

    async def _start(self, group: asyncio.TaskGroup, settings: Settings) -> Connection:
        keys = ensure_keys(self.data)
        for remark in keys.remarks:
            self._steps.say(remark)
        ports = choose_ports(settings, workers=self._workers, usual=self._usual_ports, say=self._steps.say)
        source = Source(stop=self._stop_downloads)
        logs = self.data / "logs"
        self.kafka = EmbeddedKafka(self.data / "kafka", port=ports.kafka, log=logs / "kafka.log", source=source)
        self.postgres = EmbeddedPostgres(self.data, port=ports.postgres, log=logs / "postgres.log")
        services = self._services(settings, keys, ports)
        await self._prepare()
        # Ingest takes its time to load, and waits for the log by itself. The others are let into the database when it
        # has its tables.
        doors = [service for service in services if service.name not in ROLE_OF]
        early = [self._supervise(group, service.name, service) for service in doors]
        async with asyncio.TaskGroup() as servers:
            servers.create_task(self._start_kafka(group, settings))
            servers.create_task(self._start_postgres(group))
        with self._steps.step("Starting the services"):
            late = [self._supervise(group, service.name, service) for service in services if service not in doors]
            for child in (*early, *late):
                await child.ready()
        self._connection = self._describe(settings, keys, ports)
        self._connection.write()
        return self._connection

    async def _prepare(self) -> None:
        async def kafka() -> None:
            with self._steps.step("Checking Kafka's jars") as advance:
                await asyncio.to_thread(self.kafka.prepare, advance)

        async def postgres() -> None:
            with self._steps.step("Preparing Postgres' files"):
                await asyncio.to_thread(self.postgres.prepare)

        async with asyncio.TaskGroup() as servers:
            servers.create_task(kafka())
            servers.create_task(postgres())

    async def _start_kafka(self, group: asyncio.TaskGroup, settings: Settings) -> None:
        with self._steps.step("Starting Kafka"):
            await self._supervise(group, "kafka", self.kafka).ready()
        own = settings.kafka.model_dump(exclude={"bootstrap"})
        with self._steps.step("Applying the topics"):
            applied = await apply_topics(KafkaSettings(bootstrap=self.kafka.bootstrap, **own))
        for line in applied.differences:
            self._steps.say(line)

    async def _start_postgres(self, group: asyncio.TaskGroup) -> None:
        with self._steps.step("Starting Postgres"):
            await self._supervise(group, "postgres", self.postgres).ready()
        with self._steps.step("Migrating the database"):
            await migrate(self.postgres.dsn)
            await roles.let_in(self.postgres.dsn, self._passwords)

    def _services(self, settings: Settings, keys: Keys, ports: Ports) -> list[Service]:
        common = self._environment(settings, keys, ports)
        ingest, api, worker = (reached_at(part.host) for part in (settings.ingest, settings.api, settings.aggregator))
        outbound = reached_at(settings.outbound.host)

        def service(name: str, log: str, doors: tuple[tuple[str, int], ...], own: Mapping[str, int]) -> Service:
            environment = {**common, **{f"TACTUS_{key}": str(port) for key, port in own.items()}}
            if role := ROLE_OF.get(name):
                environment["TACTUS_POSTGRES__DSN"] = self.postgres.dsn_as(role, self._passwords[role])
            path = self.data / "logs" / f"{log}.log"
            return Service(name=name, module=f"services.{name}", log=path, environment=environment, doors=doors)

        return [
            *(
                service("aggregator", f"aggregator-{n}", ((worker, port),), {"AGGREGATOR__METRICS_PORT": port})
                for n, port in enumerate(ports.workers_metrics)
            ),
            service(
                *("ingest", "ingest", ((ingest, ports.ingest), (ingest, ports.ingest_metrics))),
                {"INGEST__PORT": ports.ingest, "INGEST__METRICS_PORT": ports.ingest_metrics},
            ),
            service(
                *("api", "api", ((api, ports.api), (api, ports.api_metrics))),
                {"API__PORT": ports.api, "API__METRICS_PORT": ports.api_metrics},
            ),
            service(
                *("outbound", "outbound", ((outbound, ports.outbound_metrics),)),
                {"OUTBOUND__METRICS_PORT": ports.outbound_metrics},
            ),
        ]

    def _environment(self, settings: Settings, keys: Keys, ports: Ports) -> dict[str, str]:
        environment = {**self._unless_set, **os.environ}  # noqa: TID251 - the services inherit what the operator set
        environment["TACTUS_KAFKA__BOOTSTRAP"] = self.kafka.bootstrap
        environment.pop("TACTUS_POSTGRES__DSN", None)
        environment.setdefault("TACTUS_INGEST__SPOOL", str(self.data / SPOOL))
        # For trying: receivers run beside it, and have no certificates.
        environment.setdefault("TACTUS_WEBHOOKS__HTTP", "true")
        environment.setdefault("TACTUS_WEBHOOKS__NETWORKS", "127.0.0.0/8,::1/128")
        environment["TACTUS_SOURCES"] = str(settings.sources or self.data / SOURCES)
        environment["TACTUS_API__INGEST"] = f"http://{reached_at(settings.ingest.host)}:{ports.ingest}"
        if not settings.sources and OPERATOR in keys.public:
            environment["TACTUS_API__OPERATOR_KEY"] = keys.public[OPERATOR]
        environment["TACTUS_HASH_KEY"] = (settings.hash_key or SecretStr(keys.hash_key)).get_secret_value()
        return environment

    def _supervise(
        self, group: asyncio.TaskGroup, name: str, child: EmbeddedKafka | EmbeddedPostgres | Service
    ) -> Supervised:
        supervised = Supervised(name, child, tell=self._tell, say=self._steps.say, exits=isinstance(child, Service))
        self._children.append(supervised)
        self._tasks.append(group.create_task(supervised.keep(), name=name))
        return supervised

    def _tell(self) -> None:
        remember(self.data, [found for child in self._children if (found := child.record) is not None])
        if self._connection is not None:
            self._connection = self._connection.model_copy(update={"pids": self._pids()})
            self._connection.write()

    def _pids(self) -> dict[str, list[int]]:
        pids: dict[str, list[int]] = {}
        for supervised in self._children:
            pids.setdefault(supervised.name, []).append(supervised.child.pid)
        return pids

    def _describe(self, settings: Settings, keys: Keys, ports: Ports) -> Connection:
        ingest, api, worker = (reached_at(part.host) for part in (settings.ingest, settings.api, settings.aggregator))
        return Connection(
            ingest=f"http://{ingest}:{ports.ingest}",
            api=f"http://{api}:{ports.api}",
            kafka=self.kafka.bootstrap,
            postgres=self.postgres.dsn,
            keys={} if settings.sources else keys.public,
            pids=self._pids(),
            metrics={
                "ingest": [f"http://{ingest}:{ports.ingest_metrics}/metrics"],
                "aggregator": [f"http://{worker}:{port}/metrics" for port in ports.workers_metrics],
                "api": [f"http://{api}:{ports.api_metrics}/metrics"],
                "outbound": [f"http://{reached_at(settings.outbound.host)}:{ports.outbound_metrics}/metrics"],
            },
            data=self.data,
        )

    async def _stop(self) -> None:
        # First the supervision, or it would start again what is being stopped; then the services, which need the
        # log and the database to end well; those two last.
        self._stop_downloads.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        servers = [child for child in self._children if child.name in {"kafka", "postgres"}]
        services = [child for child in self._children if child not in servers]
        if self._children and self.kafka.learns:
            self._steps.say("Kafka writes its start-up cache, once: some seconds")
        for group in (services, servers):
            await asyncio.gather(*(asyncio.to_thread(child.child.stop) for child in group))
        forget(self.data)
        remove_connection(self.data)


def _make_directory(data: Path) -> None:
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{data} cannot be the data directory ({error.strerror}): name another with --data"
        ) from error
    if not os.access(data, os.W_OK | os.X_OK):
        raise ConfigurationError(f"{data} cannot be written: run as its owner, or name another with --data")
    lock = data / LOCK
    if lock.exists() and (owner := lock.stat().st_uid) != os.geteuid():
        raise ConfigurationError(
            f"{data} holds the stack of user {owner}: run as that user, or name another directory with --data"
        )
    for name in ("kafka", "logs"):
        folder = data / name
        folder.mkdir(exist_ok=True)
        folder.chmod(0o700)


@contextmanager
def _only_one(data: Path) -> Iterator[None]:
    with (data / LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            owner = file.read().strip() or "?"
            raise ConfigurationError(
                f"process {owner} runs a stack in {data}: stop it (`kill {owner}`), or choose another --data directory"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
        file.truncate(0)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
