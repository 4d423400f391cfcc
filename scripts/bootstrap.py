"""Make or mend the virtual environment of this checkout; does nothing when it fits, and then needs no network."""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

STAMP = ".tactus-environment.json"
"""What the environment was made from; absent in one that somebody else made."""

UNFINISHED = ".tactus-unfinished"
"""Present while the environment is being changed: one found with it was cut short and is made anew."""


def main() -> int:
    """Bring the environment to what the requirements say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("venv", type=Path)
    parser.add_argument("requirements", type=Path)
    arguments = parser.parse_args()
    venv, requirements = ROOT / arguments.venv, ROOT / arguments.requirements
    with Path(__file__).open("rb") as only_one:
        fcntl.flock(only_one, fcntl.LOCK_EX)
        if not fits(venv, requirements):
            try:
                make(venv, requirements)
            except OSError as error:
                raise SystemExit(
                    f"{venv} does not fit and cannot be mended ({error.strerror}: {error.filename}): "
                    "run this once as the owner of the checkout, or in a copy of it that you may write"
                ) from error
    return 0


def fits(venv: Path, requirements: Path) -> bool:
    """Tell whether the environment runs and holds what this checkout asks for."""
    if (venv / UNFINISHED).exists() or not runs(venv):
        return False
    stamp = read_stamp(venv)
    return stamp.get("checkout") == [checkout()] and pins(requirements) <= set(stamp.get("pins", []))


def make(venv: Path, requirements: Path) -> None:
    """Create the environment if need be, install the locked packages, then this checkout."""
    began = time.monotonic()
    create(venv)
    unfinished = venv / UNFINISHED
    unfinished.touch()
    try:
        install(venv, requirements)
    except SystemExit:
        unfinished.unlink()  # pip has given up in order: what was there is whole, and the next start goes on with it
        raise
    stamp = {"checkout": [checkout()], "pins": sorted(pins(requirements))}
    (venv / STAMP).write_text(json.dumps(stamp, indent=1) + "\n")
    unfinished.unlink()
    say(f"{venv.name} is ready after {time.monotonic() - began:.0f} s")


def install(venv: Path, requirements: Path) -> None:
    """Install the locked packages, then this checkout with the build backend that is among them."""
    say(f"installing the packages of {requirements.name}, each checked against its SHA-256")
    pip(venv, "--no-deps", "--require-hashes", "-r", str(requirements))
    say("installing this checkout")
    pip(venv, "--no-deps", "--no-build-isolation", "--quiet", "-e", str(ROOT))
    name_the_way_here(venv)


def name_the_way_here(venv: Path) -> None:
    """Let the install find this checkout by the way there, not by its whole path.

    Python 3.11 reads that file in the locale's letters, and ends at once when the path has others (ż in C).
    """
    if ROOT not in venv.resolve().parents:
        return
    for packages in venv.glob("lib/python*/site-packages"):
        for path in packages.glob("*.pth"):
            if set(path.read_text(encoding="utf-8", errors="replace").splitlines()) == {str(ROOT)}:
                path.write_text(f"{os.path.relpath(ROOT, packages)}\n", encoding="ascii")


def create(venv: Path) -> None:
    """Make an empty environment unless a sound one is there."""
    if runs(venv) and not (venv / UNFINISHED).exists():
        return
    if importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SystemExit(
            f"{sys.executable} cannot make virtual environments (no ensurepip).\n"
            f"Debian or Ubuntu: apt-get install python{version}-venv   Others: make PYTHON=/path/to/another/python ..."
        )
    if venv.exists():
        say(f"{venv.name} is incomplete or its Python is gone: making it anew")
        shutil.rmtree(venv)
    say(f"making {venv.name} with Python {sys.version.split()[0]}")
    venv.mkdir()
    (venv / UNFINISHED).touch()
    run(sys.executable, "-m", "venv", str(venv))


def runs(venv: Path) -> bool:
    """Tell whether the environment's Python starts, is of a version we run on, and has pip."""
    probe = (
        "import sys, importlib.util as util;"
        "sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 14) and util.find_spec('pip')))"
    )
    try:
        return subprocess.run([venv / "bin" / "python", "-c", probe], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def checkout() -> str:
    """Name what the editable install depends on: where the checkout is and what its project file says."""
    return f"{ROOT} {hashlib.sha256((ROOT / 'pyproject.toml').read_bytes()).hexdigest()}"


def pins(requirements: Path) -> set[str]:
    """Return the `name==version` of every package of a lock."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    return {line.split("\\")[0].strip() for line in lines if "==" in line and not line.startswith((" ", "#"))}


def read_stamp(venv: Path) -> dict[str, list[str]]:
    """Return what the environment was made from, or nothing."""
    try:
        stamp = json.loads((venv / STAMP).read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def pip(venv: Path, *arguments: str) -> None:
    """Install with the environment's own pip, in sight of the person waiting."""
    run(str(venv / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *arguments)


def run(*command: str) -> None:
    """Run a tool; when it fails, its own words have said why."""
    code = subprocess.run(command, check=False, cwd=ROOT).returncode
    if code:
        raise SystemExit(f"`{' '.join(command)}` failed (exit code {code}): mend what it says above, then start again")


def say(line: str) -> None:
    """Tell the person waiting."""
    print(f"bootstrap: {line}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
