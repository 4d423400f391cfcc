"""A real stack as somebody starts it (`tactus up`), and the processes inside it as the operating system sees them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import asyncpg
import httpx
import psutil

from tests.support.waiting import eventually

TACTUS: Final = Path(sys.executable).with_name("tactus")
START_S: Final = 120.0
"""The first start on a machine fetches Kafka; later ones take a few seconds."""
STOP_S: Final = 60.0
RESTART_S: Final = 60.0
POLL_S: Final = 0.05
SESSION_S: Final = "6"
"""The shortest that the broker allows: a killed worker is missed sooner, and the storm has more rounds."""

Pids = dict[str, list[int]]


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie that nobody has reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Worker:
    """An aggregator that the test started itself, beside those that `tactus up` keeps."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> str:
        """Everything it has written so far."""
        return self.log.read_text(errors="replace")

    async def ended(self, *, within_s: float) -> int:
        """Its exit code; fails when it goes on."""

        async def over() -> bool:
            return self.process.poll() is not None

        await eventually(over, timeout_s=within_s, what=f"worker {self.pid} ends")
        return int(self.process.returncode)

    def discard(self) -> None:
        """Make sure that nothing stays behind."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Cluster:
    """One `tactus up --data DIR --workers N` and whatever is started beside it."""

    def __init__(self, data: Path, *, workers: int) -> None:
        self.data = data
        self.workers = workers
        self.joined: list[Worker] = []
        self._worker_dsn = ""
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TACTUS_")},
            "TACTUS_AGGREGATOR__SESSION_TIMEOUT_S": SESSION_S,
        }
        self._up: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        self._up = self._start()
        try:
            await eventually(self._stands, timeout_s=START_S, what="tactus up is ready")
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.joined:
            worker.discard()
        if error is not None:
            self.keep_logs()
        if self._up is None:
            return
        self._up.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(self._up.wait, STOP_S)
        except subprocess.TimeoutExpired:
            self._up.kill()
            self._up.wait()
            raise

    def _start(self) -> subprocess.Popen[bytes]:
        self.data.mkdir(parents=True, exist_ok=True)
        with (self.data / "up.log").open("ab") as log:
            return subprocess.Popen(
                [TACTUS, "up", "--data", self.data, "--workers", str(self.workers)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
            )

    async def _stands(self) -> bool:
        if self._up is not None and self._up.poll() is not None:
            raise RuntimeError(f"tactus up ended with {self._up.returncode}:\n{self.up_said()[-3000:]}")
        return (self.data / "connection.json").exists()

    def spooled(self) -> list[Path]:
        """Files of ingest's that hold what the log does not have yet."""
        return list(self.data.glob("spool/*.spool"))

    def keep_logs(self) -> None:
        """Leave what the processes wrote where somebody can read it after the data is gone."""
        kept = Path(os.environ.get("FAULT_LOGS") or tempfile.mkdtemp(prefix="tactus-fault-logs-"))
        kept.mkdir(parents=True, exist_ok=True)
        for log in (*self.data.glob("*.log"), *self.data.glob("logs/*.log*"), *self.data.glob("ledger.jsonl")):
            shutil.copy(log, kept / log.name)
        sys.stderr.write(f"the logs of the failed run are in {kept}\n")

    def cut_transactions(self) -> int:
        """How many transactions a killed client left open, by Postgres' own account."""
        logs = self.data.glob("**/postgres.log")
        return sum(log.read_text(errors="replace").count("with an open transaction") for log in logs)

    def up_said(self) -> str:
        """What the supervisor has printed so far."""
        return (self.data / "up.log").read_text(errors="replace")

    @property
    def connection(self) -> dict[str, Any]:
        """connection.json as it stands; it is replaced by rename, so it is always whole."""
        read: dict[str, Any] = json.loads((self.data / "connection.json").read_text())
        return read

    @property
    def bootstrap(self) -> str:
        return str(self.connection["kafka"])

    @property
    def dsn(self) -> str:
        return str(self.connection["postgres"])

    def pids(self, role: str) -> list[int]:
        """The living processes of one role, as connection.json names them."""
        return [pid for pid in self.connection["pids"].get(role, []) if alive(pid)]

    async def victim(self, role: str, choose: Callable[[list[int]], int]) -> int:
        """One living process of a role; waits for the supervisor when there is none right now."""

        async def any_alive() -> bool:
            return bool(self.pids(role))

        await eventually(any_alive, timeout_s=RESTART_S, what=f"{role} is restarted")
        return choose(self.pids(role))

    async def healthy(self, roles: Mapping[str, int]) -> None:
        """Wait until so many processes of each role live and ingest says that it is ready."""

        async def complete() -> bool:
            if any(len(self.pids(role)) < count for role, count in roles.items()):
                return False
            try:
                async with httpx.AsyncClient(base_url=self.connection["ingest"], timeout=2.0) as client:
                    return (await client.get("/readyz")).status_code == httpx.codes.OK
            except httpx.HTTPError:
                return False

        await eventually(complete, timeout_s=RESTART_S, what=f"{roles} live and ingest is ready")

    def join(self, *command: str, environment: Mapping[str, str] | None = None) -> Worker:
        """Start one more worker, or a mutant of it."""
        connection = self.connection
        log = self.data / f"joined-{len(self.joined)}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *(command or ("-m", "services.aggregator"))],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={
                    **self.environment,
                    "TACTUS_KAFKA__BOOTSTRAP": connection["kafka"],
                    "TACTUS_POSTGRES__DSN": self._as_a_worker(connection),
                    "TACTUS_AGGREGATOR__METRICS_PORT": "0",
                    **(environment or {}),
                },
            )
        worker = Worker(process, log)
        self.joined.append(worker)
        return worker

    def _as_a_worker(self, connection: Mapping[str, Any]) -> str:
        """Where the stack's own workers log in: sessions of one role only may end each other's."""
        for pid in connection["pids"].get("aggregator", ()):
            with suppress(psutil.NoSuchProcess):
                self._worker_dsn = psutil.Process(pid).environ()["TACTUS_POSTGRES__DSN"]
                break
        return self._worker_dsn or str(connection["postgres"])

    async def tactus(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command as an operator of this stack would."""
        environment = self.environment | {"TACTUS_KAFKA__BOOTSTRAP": self.bootstrap}

        def run() -> subprocess.CompletedProcess[str]:
            command = [str(TACTUS), *words]
            return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

        return await asyncio.to_thread(run)

    async def query(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """Ask the store once, over a connection of its own."""
        store = await asyncpg.connect(self.dsn, timeout=5, command_timeout=10)
        try:
            rows: list[asyncpg.Record] = await store.fetch(sql, *arguments)
            return rows
        finally:
            await store.close()
