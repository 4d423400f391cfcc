"""Fetch the broker's jars by coordinates into the user's cache, each checked against the committed lock."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import tempfile
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Final, NamedTuple

from services.embedded.cache import cache_directory
from services.embedded.steps import Advance
from services.infra.errors import ConfigurationError, UnavailableError

LOCK: Final = Path(__file__).parents[2] / "deploy" / "embedded" / "kafka.lock.toml"

DOWNLOADS_MAX: Final = 8
"""Eight at once fill a usual line; more would look like an attack to the repository."""

TIMEOUT_S: Final = 15
"""Between two packets; a line slower than that is broken, and Ctrl-C need not wait longer."""


class Jar(NamedTuple):
    """One line of the lock."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    @property
    def coordinates(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"


class Source(NamedTuple):
    """Where jars come from: Maven Central, unless `repositories` names others. `stop` gives up a download."""

    offline: bool = False
    repositories: Mapping[str, str] | None = None
    stop: threading.Event | None = None


def read_lock(lock: Path = LOCK) -> list[Jar]:
    """All jars of the lock, in the order of the class path."""
    if not lock.exists():
        raise ConfigurationError(f"{lock} is missing: the embedded broker runs from a checkout of this project")
    with lock.open("rb") as file:
        return [Jar(**entry) for entry in tomllib.load(file)["jar"]]


def ensure_jars(
    directory: Path | None = None, *, lock: Path = LOCK, source: Source | None = None, advance: Advance | None = None
) -> list[Path]:
    """Return the paths of all jars, fetching those that are missing, cut short or altered.

    Raises ConfigurationError offline, with the jar's name and the fix; UnavailableError when a download fails.
    """
    directory = directory or cache_directory() / "jars"
    source = source or Source()
    jars = read_lock(lock)
    directory.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(directory), ThreadPoolExecutor(DOWNLOADS_MAX, thread_name_prefix="jar") as threads:
        paths = []
        for path in threads.map(lambda jar: _ensure(jar, directory, source), jars):
            paths.append(path)
            if advance:
                advance(len(paths), len(jars))
    return paths


def _ensure(jar: Jar, directory: Path, source: Source) -> Path:
    path = directory / jar.name
    fault = _fault(path, jar)
    if fault is None:
        return path
    if source.offline:
        raise ConfigurationError(f"{jar.coordinates} {fault} in {directory}: start once with a network to fetch it")
    return _fetch(jar, path, source)


def _fault(path: Path, jar: Jar) -> str | None:
    if not path.exists():
        return "is missing"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return None if digest == jar.sha256 else "does not match its SHA-256"


def _fetch(jar: Jar, path: Path, source: Source) -> Path:
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - a start that fetches nothing saves 0.3 s

    # jgo writes in place and only warns of a wrong checksum, so it gets a folder of its own;
    # what passes our check is moved under its name in one step.
    logging.getLogger("jgo").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix=f".{jar.artifact}-", dir=path.parent) as folder:
        context = MavenContext(
            resolver=PythonResolver(progress_callback=_stopper(source)),
            repo_cache=Path(folder),
            local_repos=[],
            remote_repos=None if source.repositories is None else dict(source.repositories),
            timeout=TIMEOUT_S,
        )
        try:
            if source.stop is not None and source.stop.is_set():
                raise InterruptedError
            fetched = context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
        except (OSError, RuntimeError) as error:
            reason = f"{jar.coordinates} could not be fetched ({error})"
            raise UnavailableError(f"{reason}: check the network and start again") from error
        fault = _fault(fetched, jar)
        if fault is not None:
            raise UnavailableError(f"{jar.coordinates} as fetched {fault}: start again, or check the proxy")
        fetched.replace(path)
    return path


def _stopper(source: Source) -> Callable[[str, int], AbstractContextManager[Callable[[int], None]]]:
    def received(_size: int) -> None:
        if source.stop is not None and source.stop.is_set():
            raise InterruptedError

    return lambda _name, _size: nullcontext(received)


@contextmanager
def _one_at_a_time(directory: Path) -> Iterator[None]:
    with (directory / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
