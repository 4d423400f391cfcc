from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
Tool = Callable[[str], Path]

ROOT = Path(__file__).parents[3]
DOCKER = ROOT / "deploy" / "docker"
DOCKERFILE = DOCKER / "Dockerfile"

IMPORT_WITHOUT = """
import importlib, importlib.metadata as metadata, sys
absent = set(sys.argv[2].split(","))
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"{name} is not in the image")
sys.meta_path.insert(0, Absent())
importlib.import_module(sys.argv[1])
"""


def packages_outside_the_image() -> list[str]:
    """Import names of what only the extras install."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    names = {re.split(r"[=<>\[;]", dependency)[0] for dependency in extras["embedded"] + extras["dev"]}
    return sorted(name.replace("-", "_") for name in names)


def test_hadolint_finds_nothing(run: Run, tool: Tool) -> None:
    linted = run(tool("hadolint"), DOCKERFILE)

    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_hadolint_notices_a_bad_file(run: Run, tool: Tool, tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python\nRUN cd /tmp && pip install x\n", encoding="utf-8")

    assert run(tool("hadolint"), bad).returncode != 0


def test_what_the_image_copies_exists_and_is_sent_to_the_build() -> None:
    sent = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    copied = [
        source
        for line in DOCKERFILE.read_text(encoding="utf-8").splitlines()
        if line.startswith("COPY") and "--from" not in line
        for source in [w for w in line.split()[1:-1] if not w.startswith("--")]
    ]

    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(source == s or source.startswith(f"{s}/") for s in sent), source


def test_the_image_runs_as_a_user_without_rights() -> None:
    users = re.findall(r"(?m)^USER (\S+)", DOCKERFILE.read_text(encoding="utf-8"))

    assert users == ["10001"]


@pytest.mark.parametrize(
    "module", ["services.ingest.__main__", "services.aggregator.__main__", "services.api.__main__", "services.cli"]
)
def test_a_process_needs_nothing_that_the_image_lacks(run: Run, module: str) -> None:
    absent = ",".join(packages_outside_the_image())

    imported = run(sys.executable, "-c", IMPORT_WITHOUT, module, absent)

    assert imported.returncode == 0, imported.stderr


def test_the_entrypoint_hands_secrets_from_files_to_the_process(run: Run, tmp_path: Path) -> None:
    (tmp_path / "hash").write_text("h" * 32, encoding="utf-8")
    (tmp_path / "password").write_text("p w", encoding="utf-8")
    environment = {
        "PATH": os.environ["PATH"],
        "HASH_KEY_FILE": str(tmp_path / "hash"),
        "POSTGRES_PASSWORD_FILE": str(tmp_path / "password"),
    }

    shown = run(DOCKER / "entrypoint.sh", "sh", "-c", 'echo "$TACTUS_HASH_KEY/$PGPASSWORD"', env=environment)

    assert shown.stdout == f"{'h' * 32}/p w\n"


def test_the_entrypoint_refuses_a_secret_that_is_missing(run: Run, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HASH_KEY_FILE": str(tmp_path / "nowhere")}

    refused = run(DOCKER / "entrypoint.sh", "true", env=environment)

    assert refused.returncode != 0
    assert "nowhere" in refused.stderr


def test_the_first_start_makes_secrets_and_the_next_keeps_them(run: Run, tmp_path: Path) -> None:
    first = first_start(run, tmp_path)
    made = files(tmp_path)
    second = first_start(run, tmp_path)
    kept = files(tmp_path)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    passwords = {f"database/{role}/password" for role in ("owner", "worker", "reader", "outbound")}
    assert set(made) == {"keys.json", "sources.toml", "hash_key", "operator_key", *passwords}
    assert kept == made
    assert len({made[name] for name in passwords}) == 4


def test_the_secrets_are_the_users_own_but_for_the_databases_owners_password(run: Run, tmp_path: Path) -> None:
    first_start(run, tmp_path)

    readable = {name for name in files(tmp_path) if (tmp_path / name).stat().st_mode & 0o077}
    assert readable == {"database/owner/password"}


def test_a_password_that_an_earlier_version_made_is_kept_where_only_its_owner_sees_it(run: Run, tmp_path: Path) -> None:
    (tmp_path / "postgres_password").write_text("made-before", encoding="utf-8")

    first_start(run, tmp_path)

    assert files(tmp_path)["database/owner/password"] == b"made-before"
    assert "postgres_password" not in files(tmp_path)


def first_start(run: Run, folder: Path) -> subprocess.CompletedProcess[str]:
    for role in ("owner", "worker", "reader", "outbound"):
        (folder / "database" / role).mkdir(parents=True, exist_ok=True)
    return run(sys.executable, DOCKER / "first_start.py", folder, folder / "database")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("service", ["ingest", "api"])
def test_the_generated_keys_are_shown_in_a_container(
    run: Run, compose: dict[str, dict[str, dict[str, dict[str, str]]]], service: str, tmp_path: Path
) -> None:
    first_start(run, tmp_path)
    folder = Path(compose["services"][service]["environment"]["TACTUS_SOURCES"]).parent
    assert f"secrets:{folder}:ro" in compose["services"][service]["volumes"]
    environment = {"PATH": os.environ["PATH"], "TACTUS_SOURCES": str(tmp_path / "sources.toml")}

    shown = run(Path(sys.executable).parent / "tactus", "keys", "show", "read", env=environment)

    assert shown.stdout.strip() == json.loads((tmp_path / "keys.json").read_text(encoding="utf-8"))["read"]


def test_a_first_start_that_cannot_be_says_what_to_do(run: Run, tmp_path: Path) -> None:
    first_start(run, tmp_path)
    (tmp_path / "hash_key").unlink()

    refused = first_start(run, tmp_path)

    assert refused.returncode == 1
    assert "put it back" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_every_command_of_the_stack_exists(run: Run, compose: dict[str, dict[str, dict[str, list[str]]]]) -> None:
    tactus = Path(sys.executable).parent / "tactus"
    commands = [
        service["command"][1:]
        for service in compose["services"].values()
        if service.get("command", [""])[0] == "tactus"
    ]

    assert len(commands) == 7
    for command in commands:
        shown = run(tactus, *command, "--help")
        assert shown.returncode == 0, shown.stderr
