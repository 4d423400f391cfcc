"""`make` sets a machine up once, mends what was cut short, and says what is missing."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.situations import environment, needs_namespaces, run_mounted

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout of a project without dependencies, set up once, in a path of any kind; nothing of it needs a network."""
    folder = tmp_path_factory.mktemp("mein Ordner żółć (1)")
    write_checkout(folder)
    done = bootstrap(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ".venv is ready" in done.stdout
    yield folder
    shutil.rmtree(folder)


def write_checkout(folder: Path) -> None:
    (folder / "scripts").mkdir()
    for name in ("bootstrap.sh", "bootstrap.py"):
        shutil.copy(ROOT / "scripts" / name, folder / "scripts")
    (folder / "requirements.txt").write_text("# nothing\n")
    # A build backend of its own: pip hands it the checkout and gets a wheel that only names it.
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (folder / "backend.py").write_text(BACKEND)


BACKEND = """
import os
import zipfile

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    info = "empty-1.0.dist-info"
    with zipfile.ZipFile(f"{wheel_directory}/empty-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: empty\\nVersion: 1.0\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("_editable.pth", f"{os.getcwd()}\\n{os.getcwd()}")  # a line for each package, as hatchling writes
        wheel.writestr(f"{info}/RECORD", "")
    return "empty-1.0-py3-none-any.whl"
"""


def bootstrap(folder: Path, *, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    # The locale knows no letter beyond ASCII.
    environment = {"PATH": os.environ["PATH"], "PYTHON": python, "PIP_NO_INDEX": "1", "LC_ALL": "C"}
    command = ("sh", str(folder / "scripts" / "bootstrap.sh"), ".venv", "requirements.txt")
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=300)


def test_the_second_start_does_nothing(made: Path) -> None:
    second = bootstrap(made)

    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


def test_the_environment_finds_its_checkout_in_any_locale(made: Path) -> None:
    command = (str(made / ".venv" / "bin" / "python"), "-c", "import backend; print(backend.__file__)")

    done = subprocess.run(command, capture_output=True, cwd="/", env={"LC_ALL": "C"}, check=False)

    assert done.stdout.decode().strip() == str(made / "backend.py"), done.stderr


def test_a_sound_environment_that_somebody_else_made_is_kept(made: Path) -> None:
    (made / ".venv" / ".tactus-environment.json").unlink()
    (made / ".venv" / "mine").touch()

    done = bootstrap(made)

    assert done.returncode == 0, done.stdout + done.stderr
    assert (made / ".venv" / "mine").exists()


def test_requirements_that_cannot_be_had_cost_nothing_that_is_there(made: Path) -> None:
    sound = (made / "requirements.txt").read_text()
    (made / "requirements.txt").write_text(f"absent==1.0 \\\n    --hash=sha256:{'0' * 64}\n")
    (made / ".venv" / "mine").touch()

    failed = bootstrap(made)
    (made / "requirements.txt").write_text(sound)
    again = bootstrap(made)

    assert failed.returncode == 1
    assert "absent==1.0" in failed.stdout + failed.stderr
    assert "start again" in failed.stderr
    assert again.returncode == 0, again.stdout + again.stderr
    assert (made / ".venv" / "mine").exists()


def test_what_was_cut_short_is_made_anew(made: Path) -> None:
    (made / ".venv" / ".tactus-unfinished").touch()
    (made / ".venv" / "left-over").touch()

    done = bootstrap(made)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "incomplete" in done.stdout
    assert not (made / ".venv" / "left-over").exists()


@needs_namespaces
@pytest.mark.parametrize(
    ("requirements", "said"),
    [
        ("requirements.txt", []),
        ("other.txt", [".venv does not fit and cannot be mended (Read-only file system", "in a copy of it"]),
    ],
)
def test_a_checkout_that_cannot_be_written_is_used_as_it_is_or_refused_in_one_line(
    requirements: str, said: list[str], made: Path
) -> None:
    (made / "other.txt").write_text(f"absent==1.0 \\\n    --hash=sha256:{'0' * 64}\n")
    place = shlex.quote(str(made))
    mounts = f"mount --bind {place} {place}; mount -o remount,bind,ro {place}"
    command = ("sh", str(made / "scripts" / "bootstrap.sh"), ".venv", requirements)

    done = run_mounted(mounts, *command, env=environment(PYTHON=sys.executable, PIP_NO_INDEX="1"))

    assert done.said.count("\n") == (1 if said else 0)
    assert all(words in done.said for words in said)
    assert done.code == (1 if said else 0)


def test_without_a_fitting_python_the_fix_is_named(tmp_path: Path) -> None:
    write_checkout(tmp_path)

    done = bootstrap(tmp_path, python="/nowhere/python3.9")

    assert done.returncode == 1
    assert "needs Python 3.11 to 3.14" in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr


def test_without_ensurepip_the_debian_package_is_named(tmp_path: Path) -> None:
    write_checkout(tmp_path)
    python = tmp_path / "python"
    # Debian's python3 without python3-venv: the module that brings pip cannot be found.
    hide = "import importlib.util as u; f = u.find_spec; u.find_spec = lambda n, *a: None if n == 'ensurepip' else f(n, *a)"
    run = f"{hide}; import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    python.write_text(
        f'#!/bin/sh\nif [ "$1" = -I ]; then shift; exec "{sys.executable}" -I -c "{run}" "$@"; fi\nexec "{sys.executable}" "$@"\n'
    )
    python.chmod(0o755)

    done = bootstrap(tmp_path, python=str(python))

    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert done.returncode == 1
    assert f"apt-get install python{version}-venv" in done.stderr
