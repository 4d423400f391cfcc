"""Follow a guide as its reader would: every block of commands is run, in order, and shows what the guide says it shows."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from services.client.connection import Connection
from services.infra.settings import Settings
from tests.support.clients import NODE_MODULES, node, page_clicked
from tests.support.waiting import wait_until

ROOT: Final = Path(__file__).parents[2]
FENCE: Final = re.compile(r"^```(.*)\n([\s\S]*?)^```$", re.MULTILINE)
DONE: Final = "::done::"

KINDS: Final = frozenset({"bash", "bash until", "text", "html", "python", "javascript", "toml"})
"""Commands, commands that are given until they show it, what they show, a page to open, programs, and a file to read."""


class Block(NamedTuple):
    """What stands between two fences."""

    kind: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    """All blocks of a guide; one that nobody would run is an error."""
    blocks = [Block(*found) for found in FENCE.findall(page.read_text(encoding="utf-8"))]
    assert blocks, f"{page} has nothing to run"
    assert {block.kind for block in blocks} <= KINDS, f"{page} has a block of another kind than {sorted(KINDS)}"
    assert blocks[-1].kind == "text", f"{page} ends without showing what came of it"
    return blocks


def shows(said: str, expected: str) -> bool:
    """Whether the lines that are expected are said, in their order; … stands for anything."""
    lines = iter(said.splitlines())
    patterns = [re.escape(" ".join(line.split())).replace("…", ".*") for line in expected.splitlines() if line.strip()]
    return all(any(re.fullmatch(f"{pattern}.*", " ".join(line.split())) for line in lines) for pattern in patterns)


class Shell:
    """One shell for all of a guide, as its reader has one; a command that fails ends it."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        """Speak to a shell that runs, by scripts in a folder of its own."""
        self._process = process
        self._folder = folder
        self._scripts = 0

    def run(self, script: str) -> str:
        """Run commands, and return what they print."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._scripts += 1
        path = self._folder / f"block-{self._scripts}.sh"
        path.write_text(script, encoding="utf-8")
        # Not typed in: what reads its standard input would swallow what follows.
        self._process.stdin.write(f"source {shlex.quote(str(path))} < /dev/null\nprintf '\\n{DONE}\\n'\n")
        self._process.stdin.flush()
        said: list[str] = []
        for line in self._process.stdout:
            if line.strip() == DONE:
                return "".join(said)
            said.append(line)
        raise AssertionError(f"failed:\n{script}\nand said:\n{''.join(said)}")


@contextmanager
def open_shell(checkout: Path, scripts: Path) -> Iterator[Shell]:
    """A shell in a checkout, gone after the block with all that it started."""
    process = subprocess.Popen(
        ["bash", "-eu"],
        cwd=checkout,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield Shell(process, scripts)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def checkout_of(stack: Connection, folder: Path) -> Path:
    """Make a folder look like the checkout while `make up` runs."""
    (folder / ".tactus").symlink_to(stack.data)
    (folder / ".venv").symlink_to(Path(sys.prefix))
    (folder / "services").symlink_to(ROOT / "services")
    return folder


def follow(page: Path, shell: Shell, stack: Connection) -> None:
    """Do all that a guide says, at the ports that this stack has: those that it names may be taken."""
    usual = Settings()
    blocks = blocks_of(page)
    for block, shown in zip(blocks, [*blocks[1:], Block("", "")], strict=True):
        text = block.text.replace(f"http://127.0.0.1:{usual.ingest.port}", stack.ingest)
        text = text.replace(f"http://127.0.0.1:{usual.api.port}", stack.api)
        expected = shown.text if shown.kind == "text" else ""
        if block.kind == "bash until":
            _until_shown(shell, text, expected)
        elif block.kind == "bash":
            said = shell.run(text)
            assert shows(said, expected), f"{text}\nsaid\n{said}\nand not\n{expected}"
        elif block.kind == "javascript":
            said = shell.run(f"NODE_PATH={shlex.quote(str(NODE_MODULES))} {shlex.quote(node())} - <<'END'\n{text}\nEND")
            assert shows(said, expected), f"{text}\nsaid\n{said}\nand not\n{expected}"
        elif block.kind == "html":
            visitor = page_clicked(text.replace("BROWSER_KEY", shell.run('printf %s "$KEY"').strip()))
            shell.run(f"VISITOR={visitor}")
        elif block.kind == "python":
            shell.run(f"export INGEST KEY\n.venv/bin/python - <<'END'\n{text}\nEND")


def _until_shown(shell: Shell, script: str, expected: str) -> None:
    said = ""

    def shown() -> bool:
        nonlocal said
        said = shell.run(f"({script}) 2>&1 || true")
        return shows(said, expected)

    try:
        wait_until(shown, what=f"{script} shows\n{expected}")
    except AssertionError as error:
        raise AssertionError(f"{error}\nbut\n{said}") from None
