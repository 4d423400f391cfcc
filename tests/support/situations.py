"""Put a program where it runs with other rights: fewer capabilities, another user, other mounts."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from services.embedded.cache import cache_directory
from services.embedded.jars import ensure_jars

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests" / "support" / "servers_once.py"

PATIENCE_S = 300.0
"""Both servers are up after two seconds; two cores may be busy with much else."""

PR_CAPBSET_DROP = 24

CAPABILITIES = {"dac_override": 1, "dac_read_search": 2, "setpcap": 8, "sys_ptrace": 19}

DOCKER_LACKS = ("dac_read_search", "sys_ptrace")
"""Of these, what root in a container of Docker's usual settings has not got."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make this situation")


def _may_unshare() -> bool:
    try:
        done = subprocess.run(
            ("unshare", "--mount", "--pid", "--fork", "--mount-proc", "true"), capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


needs_namespaces = pytest.mark.skipif(not _may_unshare(), reason="only root that may unshare can make this situation")


def holds(capability: str) -> bool:
    """Say whether we hold a capability: root in a container has few."""
    status = Path("/proc/self/status").read_text()
    held = int(status.partition("CapEff:")[2].split()[0], 16)
    return bool(held >> CAPABILITIES[capability] & 1)


class Done(NamedTuple):
    """How a program ended and what it said."""

    code: int
    said: str


def environment(**changes: str | None) -> dict[str, str]:
    """Our own environment with changes; None takes a name out."""
    changed = {**os.environ, "PYTHONPATH": str(ROOT), **changes}
    return {name: value for name, value in changed.items() if value is not None}


def run_python(*arguments: str, env: Mapping[str, str], lacking: Sequence[str] = ()) -> Done:
    """Run our Python, as root without these capabilities."""

    def drop() -> None:
        for name in lacking:
            ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAPABILITIES[name], 0, 0, 0)

    return _run((sys.executable, *arguments), env=env, preexec_fn=drop)


def run_servers(data: Path, *, env: Mapping[str, str], lacking: Sequence[str] = ()) -> Done:
    """Start Postgres and Kafka in this directory, use both, end both."""
    return run_python(str(PROGRAM), str(data), env=env, lacking=lacking)


def run_mounted(mounts: str, *command: str, env: Mapping[str, str]) -> Done:
    """Run a command in a mount namespace of its own, after these shell commands."""
    script = f'set -e; {mounts}\nexec "$@"'
    return _run(("unshare", "--mount", "sh", "-c", script, "sh", *command), env=env)


def run_servers_as_somebody(data: Path, *, env: Mapping[str, str]) -> Done:
    """The same as an ordinary user."""
    if os.geteuid() != 0:
        return run_servers(data, env=env)
    return run_python_as(pwd.getpwnam("nobody").pw_uid, str(PROGRAM), str(data), env=env)


def run_python_as(uid: int, *arguments: str, env: Mapping[str, str]) -> Done:
    """Run a Python of our version as this user; skips where that user can reach none, or not this checkout."""
    packages = [path for path in sys.path if path.endswith("site-packages")]
    whole = {**env, "PYTHONPATH": os.pathsep.join((str(ROOT), *packages))}
    rights = {"user": uid, "group": uid, "extra_groups": []}
    wanted = f"import sys, asyncpg, services; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            probe = _run((python, "-c", wanted), env=whole, **rights)
        except OSError:
            continue
        if probe.code == 0:
            return _run((python, *arguments), env=whole, **rights)
    pytest.skip("an ordinary user can reach no Python of our version, or not this checkout")


def give_to_somebody(*folders: Path) -> None:
    """Make the ordinary user of these tests the owner of folders and of what is in them."""
    if os.geteuid() == 0:
        somebody = pwd.getpwnam("nobody")
        for folder in folders:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, somebody.pw_uid, somebody.pw_gid)


def copied_cache(folder: Path) -> Path:
    """Make a cache that has the jars and nothing else; named by XDG_CACHE_HOME."""
    ensure_jars()
    shutil.copytree(cache_directory() / "jars", folder / "tactus" / "jars")
    return folder


def _run(command: Sequence[str], *, env: Mapping[str, str], **options: object) -> Done:
    done = subprocess.run(  # type: ignore[call-overload]  # the options are named by our callers above
        command,
        env=dict(env),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=PATIENCE_S,
        check=False,
        **options,
    )
    return Done(done.returncode, done.stdout)
