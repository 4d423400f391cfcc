from __future__ import annotations

import json
import re
import shlex
import string
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from services.client.connection import Connection
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

COMMANDS = re.findall(r"```bash run\n(.*?)```", README, re.DOTALL)
ANSWERS = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", README, re.DOTALL)]

PLAIN = {"--silent", "--show-error", "--fail-with-body", "--retry-all-errors"}
WITH_VALUE = {"--retry", "--retry-delay"}


class Curl(NamedTuple):
    """A request as a curl command describes it."""

    url: str
    headers: dict[str, str]
    body: str | None

    def send(self) -> httpx.Response:
        return httpx.request(
            "GET" if self.body is None else "POST",
            self.url,
            headers=self.headers,
            content=self.body,
            timeout=10,
            trust_env=False,
        )


def parse(command: str, variables: Mapping[str, str]) -> Curl:
    """Read a curl command as a shell and curl would; an option nobody expects is an error."""
    joined = string.Template(command.replace("\\\n", " ")).substitute(variables)
    program, *words = shlex.split(joined)
    assert program == "curl"
    url, headers, body = "", {}, None
    waiting: Iterator[str] = iter(words)
    for word in waiting:
        if word in PLAIN:
            continue
        if word in WITH_VALUE:
            next(waiting)
        elif word == "-H":
            name, _, value = next(waiting).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = next(waiting)
        else:
            assert not word.startswith("-"), word
            url = word
    return Curl(url, headers, body)


@pytest.fixture(scope="module")
def variables(stack: Connection, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Run the README's first command in a folder that looks like the checkout while `make up` runs."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / ".tactus").symlink_to(stack.data)
    (folder / ".venv").symlink_to(Path(sys.prefix))
    names = re.findall(r"[A-Z_]+(?= )", COMMANDS[0].partition("<")[0])
    shown = "\n".join(f'echo "{name}=${name}"' for name in names)
    ran = subprocess.run(
        ["bash", "-euc", f"{COMMANDS[0]}\n{shown}"], cwd=folder, check=True, capture_output=True, text=True, timeout=60
    )
    return dict(line.split("=", 1) for line in ran.stdout.splitlines())


def test_the_first_command_finds_addresses_and_keys(stack: Connection, variables: dict[str, str]) -> None:
    assert variables == {
        "INGEST": stack.ingest,
        "API": stack.api,
        "KEY": stack.keys["server"],
        "READ_KEY": stack.keys["read"],
    }


def test_the_commands_send_an_event_and_read_its_score(variables: dict[str, str]) -> None:
    send, read, receipt = (parse(command, variables) for command in COMMANDS[1:])

    sent, again = send.send(), send.send()
    assert (sent.status_code, sent.json()) == (202, ANSWERS[0])
    assert (again.status_code, again.json()) == (202, ANSWERS[0])

    def scored() -> dict[str, Any] | None:
        answer = read.send()
        return answer.json() if answer.is_success else None

    score = wait_until(scored, what="the score can be read")
    assert score["customer"] == "customer:c-1042"
    assert score["score"] > 50
    assert set(score["windows"]) == {"24h", "7d", "30d", "90d"}
    assert "survey.csat" in score["dimensions"]["touchpoint"]

    reasons = receipt.send().json()
    [leaf] = reasons["leaves"]
    assert (leaf["touchpoint"], leaf["events"]) == ("survey.csat", 1)
    assert reasons["prior"] + leaf["points"] == pytest.approx(reasons["score"])


def test_the_command_line_of_the_readme_is_accepted(stack: Connection, variables: dict[str, str]) -> None:
    [command] = re.findall(r"From the command line: `\.venv/bin/(.*?)`", README)
    program, *words = shlex.split(command)

    sent = subprocess.run(
        [Path(sys.executable).with_name(program), *words, "--data", stack.data],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert variables["KEY"] not in sent.stdout + sent.stderr


def test_every_target_of_make_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"`make ([a-z-]+)", README))
    rules = re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text())

    assert {"demo", "test", "check", "up"} <= targets
    assert targets <= set(rules)
