"""Jars are what the lock says, or they are not there."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.embedded.jars import LOCK, Source, ensure_jars, read_lock
from services.embedded.jvm import MAIN, STORAGE_TOOL
from services.embedded.kafka import EmbeddedKafka
from services.infra.errors import ConfigurationError, UnavailableError
from tests.support.jarserver import JARS, Repository, jar_server, write_lock

pytestmark = pytest.mark.integration


@pytest.fixture
def repository() -> Iterator[Repository]:
    with jar_server() as served:
        yield served


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return write_lock(tmp_path / "kafka.lock.toml")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "jars"


def online(repository: Repository) -> Source:
    return Source(repositories={"here": repository.url})


def contents(paths: list[Path]) -> dict[str, bytes]:
    return {path.name.removesuffix("-1.0.jar"): path.read_bytes() for path in paths}


def test_missing_jars_are_fetched_once_and_counted(repository: Repository, lock: Path, cache: Path) -> None:
    told: list[tuple[int, int]] = []

    first = ensure_jars(cache, lock=lock, source=online(repository), advance=lambda *done: told.append(done))
    second = ensure_jars(cache, lock=lock, source=Source(offline=True))

    assert contents(first) == JARS
    assert second == first
    assert set(repository.asked.values()) == {1}
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_truncated_jar_is_fetched_again(repository: Repository, lock: Path, cache: Path) -> None:
    paths = ensure_jars(cache, lock=lock, source=online(repository))
    paths[2].write_bytes(paths[2].read_bytes()[:100])

    again = ensure_jars(cache, lock=lock, source=online(repository))

    assert contents(again) == JARS
    assert repository.asked == {"part-0": 1, "part-1": 1, "part-2": 2, "part-3": 1}


@pytest.mark.parametrize("fault", ["truncated", "altered", "missing"])
def test_offline_a_bad_jar_is_refused_by_name_with_the_fix(
    repository: Repository, lock: Path, cache: Path, fault: str
) -> None:
    bad = ensure_jars(cache, lock=lock, source=online(repository))[1]
    match fault:
        case "truncated":
            bad.write_bytes(bad.read_bytes()[:-1])
        case "altered":
            bad.write_bytes(bad.read_bytes()[:-1] + b"!")
        case _:
            bad.unlink()

    with pytest.raises(ConfigurationError, match=r"org\.example:part-1:1\.0 .*start once with a network"):
        ensure_jars(cache, lock=lock, source=Source(offline=True))


@pytest.mark.parametrize("fault", ["altered", "cut"])
def test_what_does_not_match_the_lock_never_gets_its_name(
    repository: Repository, lock: Path, cache: Path, fault: str
) -> None:
    getattr(repository, fault).add("part-3")

    with pytest.raises(UnavailableError, match=r"org\.example:part-3:1\.0"):
        ensure_jars(cache, lock=lock, source=online(repository))

    assert not (cache / "part-3-1.0.jar").exists()
    assert [path.name for path in cache.iterdir() if path.is_dir()] == []


def test_without_a_network_the_jar_and_the_fix_are_named(lock: Path, cache: Path) -> None:
    with jar_server() as gone:
        source = online(gone)

    with pytest.raises(UnavailableError, match=r"org\.example:part-\d:1\.0 .*check the network"):
        ensure_jars(cache, lock=lock, source=source)


def test_two_starts_at_once_fetch_each_jar_once(repository: Repository, lock: Path, cache: Path) -> None:
    with ThreadPoolExecutor(2) as starts:
        both = [starts.submit(ensure_jars, cache, lock=lock, source=online(repository)) for _ in range(2)]

    assert [contents(start.result()) for start in both] == [JARS, JARS]
    assert set(repository.asked.values()) == {1}


def test_a_fetch_can_be_given_up(repository: Repository, lock: Path, cache: Path) -> None:
    stop = threading.Event()
    stop.set()

    with pytest.raises(UnavailableError):
        ensure_jars(cache, lock=lock, source=Source(repositories={"here": repository.url}, stop=stop))

    assert not repository.asked


def test_the_committed_lock_names_46_jars_and_no_host() -> None:
    jars = read_lock()

    assert len(jars) == len({jar.name for jar in jars}) == 46
    assert {jar.version for jar in jars if jar.artifact == "kafka_2.13"} == {"4.3.1"}
    assert "://" not in LOCK.read_text()


def test_the_programs_we_start_by_name_are_in_the_locked_jars(kafka: EmbeddedKafka) -> None:
    classes: set[str] = set()
    for jar in kafka.jars:
        with zipfile.ZipFile(jar) as file:
            classes |= set(file.namelist())

    assert {f"{name.replace('.', '/')}.class" for name in (MAIN, STORAGE_TOOL)} <= classes
