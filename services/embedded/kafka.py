"""Run one real Apache Kafka broker as a child process, from locked jars and a Java runtime that pip installs."""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Final

from services.embedded.free_ports import LOOPBACK, free_port
from services.embedded.jars import Source, ensure_jars
from services.embedded.jvm import PROPERTIES, Training, broker_command, checkpoint, make_room_for_natives, training
from services.embedded.processes import ENVIRONMENT, Program, finish, kill_group, last_lines, spawn
from services.embedded.steps import Advance
from services.infra.errors import UnavailableError

READY_S: Final = 60.0
"""A start takes one to three seconds; a machine twenty times slower still passes."""

STOP_S: Final = 30.0
"""A clean stop takes one second."""

LEARN_S: Final = 120.0
"""Writing the start-up cache takes about six seconds of one core; on a machine with ten other things to do, a minute."""

POLL_S: Final = 0.05

ANSWER_S: Final = 2.0
"""The question whether it is ready is answered from memory."""

QUESTION: Final = 7
"""The number of our question, which its answer bears."""

METADATA: Final = struct.pack(">ihhih6si", 20, 3, 1, QUESTION, 6, b"tactus", 0)
"""The question in Kafka's own protocol: length, metadata, version 1, its number, who asks, of no topics."""

CONFIGURATION: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs=log
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
num.network.threads=2
num.io.threads=2
background.threads=2
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=8388608
"""
"""One node, loopback only, no topics by accident, no pause before a consumer group's first round.

Its directory is named from where it runs: no letter that the path above may have needs an escape, or has none.

A killed broker may register again only when its former session has run out, so that time is short.
"""


class EmbeddedKafka:
    """A broker with its own data directory; `pid` is the Java machine itself.

    One replica: it survives kill -9, since the kernel holds what it wrote, and not a power cut.
    """

    def __init__(
        self, data: Path, *, port: int = 0, heap_mib: int = 384, log: Path | None = None, source: Source | None = None
    ) -> None:
        self.data = data.resolve()
        self.port = port or free_port()
        self.log = log or self.data / "kafka.log"
        self._controller = free_port()
        self._heap_mib = heap_mib
        self._source = source
        self.jars: list[Path] = []
        self._training: Training | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def command(self) -> tuple[str, ...]:
        """What runs, for whoever must recognise it later."""
        training_file = self._training.partial if self._training else None
        return broker_command(self.jars, self._heap_mib, training_file)

    @property
    def learns(self) -> bool:
        """Say whether the next clean stop writes the start-up cache."""
        return self._training is not None

    def start(self) -> None:
        """Prepare, launch and wait until an API call is answered."""
        self.prepare()
        self.launch()
        self.wait_ready()

    def prepare(self, advance: Advance | None = None) -> None:
        """Fetch what is missing and write the configuration; starts nothing."""
        self.jars = ensure_jars(source=self._source, advance=advance)
        make_room_for_natives()
        directory = self.data / "log"
        directory.mkdir(parents=True, exist_ok=True)
        (self.data / PROPERTIES).write_text(CONFIGURATION.format(port=self.port, controller=self._controller))
        if not (directory / "meta.properties").exists():
            self._format(directory)

    def launch(self) -> None:
        """Start the broker. Call from a thread that outlives it (see processes.spawn)."""
        self._training = self._training or training(self.jars)
        self._process = spawn(
            Program(self.command, ENVIRONMENT, directory=self.data), log=self.log, death=signal.SIGTERM
        )

    def wait_ready(self, timeout_s: float = READY_S) -> None:
        """Return when the broker lists itself. Raises UnavailableError with the end of its log."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.poll() is None:
            if self.is_ready():
                return
            time.sleep(POLL_S)
        raise UnavailableError(f"Kafka did not start on {self.bootstrap}; {self.log} ends:\n{last_lines(self.log)}")

    def is_ready(self) -> bool:
        """Say whether it answers at this moment."""
        return _counts_itself_in(self.port)

    def poll(self) -> int | None:
        """Return the exit code when the broker has ended, else None."""
        return self._running().poll()

    def stop(self) -> None:
        """End cleanly: SIGTERM, wait, then SIGKILL. The first clean stop writes the start-up cache."""
        if self._process is None:
            return
        patience_s = LEARN_S if self.learns else STOP_S
        finish(self._process, first=signal.SIGTERM, patience_s=patience_s)
        if self._training is not None:
            self._training.keep()
            self._training = None
        self._process = None

    def kill(self) -> None:
        """End like a crash."""
        kill_group(self._running())

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise UnavailableError("the embedded Kafka has not been launched")
        return self._process

    def _format(self, directory: Path) -> None:
        # What StorageTool writes: the feature levels, the same for all, and the names, new for each broker.
        (directory / "bootstrap.checkpoint").write_bytes(checkpoint(self.jars))
        names = f"version=1\nnode.id=1\ncluster.id={_name()}\ndirectory.id={_name()}\n"
        partial = directory / "meta.properties.partial"
        partial.write_text(names)
        partial.rename(directory / "meta.properties")


def _counts_itself_in(port: int) -> bool:
    """Ask the broker, in its own protocol, whom it counts in its cluster."""
    try:
        with socket.create_connection((LOOPBACK, port), ANSWER_S) as connection, connection.makefile("rb") as answer:
            connection.sendall(METADATA)
            _length, number, brokers = struct.unpack(">3i", answer.read(12))
            return bool(number == QUESTION and brokers >= 1)
    except (OSError, struct.error):
        return False


def _name() -> str:
    return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
