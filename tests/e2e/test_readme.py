from __future__ import annotations

import json
import os
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
import yaml

from services.client.connection import Connection
from services.infra.settings import Settings
from tests.support.clients import page_clicked
from tests.support.guides import checkout_of
from tests.support.waiting import wait_until
from tests.support.watching import watching

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

BLOCKS = dict(re.findall(r"```bash (make|compose|replay)\n(.*?)```", README, re.DOTALL))
COMMANDS = re.findall(r"```bash run\n(.*?)```", README, re.DOTALL)
ANSWERS = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", README, re.DOTALL)]

PLAIN = {"--silent", "--show-error", "--fail", "--fail-with-body", "--retry-all-errors"}
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
def checkout(stack: Connection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkout_of(stack, tmp_path_factory.mktemp("checkout"))


def shell(script: str, folder: Path, **environment: str) -> str:
    ran = subprocess.run(
        ["bash", "-euc", script],
        cwd=folder,
        env={**os.environ, **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def variables_of(way: str, folder: Path, **environment: str) -> dict[str, str]:
    """What the README's variables hold after the commands of this way."""
    names = re.findall(r"\b([A-Z_]+)=", COMMANDS[0])
    shown = "\n".join(f'echo "{name}=${name}"' for name in names)
    lines = shell(f"{BLOCKS[way]}\n{COMMANDS[0]}\n{shown}", folder, **environment).splitlines()
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture(scope="module")
def variables(stack: Connection, checkout: Path) -> dict[str, str]:
    """The README's variables, at the ports that this stack has: those of the README may be taken."""
    return {**variables_of("make", checkout), "INGEST": stack.ingest, "API": stack.api}


def test_after_make_up_the_commands_find_the_keys_and_name_the_usual_ports(stack: Connection, checkout: Path) -> None:
    assert variables_of("make", checkout) == {
        "INGEST": f"http://127.0.0.1:{Settings().ingest.port}",
        "API": f"http://127.0.0.1:{Settings().api.port}",
        "KEY": stack.keys["server"],
        "READ_KEY": stack.keys["read"],
    }


DOCKER = """\
#!/bin/sh
# Runs what it is told to run in a container of the service, with that service's settings and files.
set -eu
[ "$1 $2" = "compose exec" ]; shift 2
[ "$1" != -T ] || shift
service=$1; shift
cd "$SECRETS"; . "./$service.env"
exec "$@"
"""


def fake_docker(folder: Path, stack: Connection) -> dict[str, str]:
    """What stands in for an engine: the services' environment as compose has it, their volume as it is made."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    mounted = [volume.split(":")[1] for volume in compose["services"]["setup"]["volumes"]]
    for place in mounted:
        inside = place.replace("/var/lib/tactus-database", "database").removeprefix("/var/lib/tactus")
        (folder / inside).mkdir(parents=True, exist_ok=True)
    first_start = ROOT / "deploy" / "docker" / "first_start.py"
    made = subprocess.run([sys.executable, first_start, folder, folder / "database"], check=False, capture_output=True)
    assert made.returncode == 0, made.stderr
    for name in ("ingest", "api"):
        settings = {
            key: value.replace("/var/lib/tactus", str(folder))
            for key, value in compose["services"][name]["environment"].items()
            if key.startswith("TACTUS_")
        }
        # Here the doors stand at other ports than in a container of their own.
        settings |= {"TACTUS_INGEST__PORT": port_of(stack.ingest), "TACTUS_API__PORT": port_of(stack.api)}
        lines = [f"export {key}={shlex.quote(value)}\n" for key, value in settings.items()]
        (folder / f"{name}.env").write_text("".join(lines), encoding="utf-8")
    tools = folder / "tools"
    tools.mkdir()
    (tools / "docker").write_text(DOCKER, encoding="utf-8")
    (tools / "docker").chmod(0o755)
    (tools / "tactus").symlink_to(Path(sys.executable).with_name("tactus"))
    return {"SECRETS": str(folder), "PATH": f"{tools}:{os.environ['PATH']}"}


def port_of(url: str) -> str:
    return url.rpartition(":")[2]


def test_after_compose_up_the_same_commands_find_the_keys_of_the_containers(stack: Connection, tmp_path: Path) -> None:
    engine = fake_docker(tmp_path, stack)

    found = variables_of("compose", tmp_path, **engine)

    keys = json.loads((tmp_path / "keys.json").read_text())
    published = {
        name: f"http://{address.rpartition(':')[0]}"
        for name in ("ingest", "api")
        for address in yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][name]["ports"]
    }
    assert found == {
        "INGEST": published["ingest"],
        "API": published["api"],
        "KEY": keys["server"],
        "READ_KEY": keys["read"],
    }


def test_in_containers_the_commands_reach_the_doors_with_the_keys_of_their_volume(
    stack: Connection, tmp_path: Path
) -> None:
    engine = fake_docker(tmp_path, stack)
    (tmp_path / "keys.json").write_text((stack.data / "keys.json").read_text())
    (tmp_path / "sources.toml").write_text((stack.data / "sources.toml").read_text())
    [send] = re.findall(r"From the command line: `tactus (.*?)`", README.replace("c-1042", "c-container"))
    [explain] = re.findall(r"in containers `(docker compose exec api .*?)`", README.replace("c-1042", "c-container"))

    sent = shell(f"{BLOCKS['compose']}\ntactus {send}", tmp_path, **engine)
    assert sent.startswith("accepted ")

    def explained() -> str | None:
        ran = subprocess.run(
            ["bash", "-c", explain],
            cwd=tmp_path,
            env={**os.environ, **engine},
            check=False,
            capture_output=True,
            text=True,
        )
        return ran.stdout if ran.returncode == 0 else None

    assert wait_until(explained, what=f"{explain} has an answer").startswith("customer:c-container")


def test_the_commands_send_an_event_and_read_its_score(variables: dict[str, str]) -> None:
    send, read, receipt = (parse(command, variables) for command in COMMANDS[1:])
    assert "--fail" in COMMANDS[2], "the first read comes before the score; nothing is to be shown of that"

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


def test_the_command_line_of_the_readme_is_accepted_and_explained_in_polish(checkout: Path) -> None:
    [send] = re.findall(r"From the command line: `tactus (.*?)`", README.replace("c-1042", "c-line"))
    [explain] = re.findall(r"in English or Polish: `(.*?)`", README.replace("c-1042", "c-line"))

    assert shell(f"{BLOCKS['make']}\ntactus {send}", checkout).startswith("accepted ")

    def explained() -> str | None:
        ran = subprocess.run(["bash", "-c", explain], cwd=checkout, check=False, capture_output=True, text=True)
        return ran.stdout if ran.returncode == 0 else None

    assert "Ocena zadowolenia" in wait_until(explained, what=f"{explain} has an answer")


def test_a_page_that_copies_the_readme_s_snippet_sees_its_first_event_confirmed_and_its_visitor_s_score_move(
    stack: Connection,
) -> None:
    [html] = re.findall(r"```html\n(.*?)```", README, re.DOTALL)
    own = f"http://127.0.0.1:{Settings().ingest.port}/t.js"
    assert own in html

    with watching(stack.data, "web") as watch:
        watch.sees("waiting for the first event of web")
        visitor = page_clicked(html.replace(own, f"{stack.ingest}/t.js").replace("BROWSER_KEY", stack.keys["browser"]))
        assert "of a customer known by anonymous: accepted" in watch.sees("first event of web received")

    headers = {"Authorization": f"Bearer {stack.keys['read']}"}

    def rated() -> bool:
        url = f"{stack.api}/v1/customers/anonymous:{visitor}/receipt"
        answer = httpx.get(url, headers=headers, timeout=10, trust_env=False)
        leaves = answer.json()["leaves"] if answer.is_success else []
        return {"survey.csat", "web.page_viewed"} <= {leaf["touchpoint"] for leaf in leaves}

    wait_until(rated, what="the visitor's score knows of the page")


def test_the_recording_of_the_readme_gives_the_scores_that_it_shows(checkout: Path) -> None:
    replay, explain = BLOCKS["replay"].strip().splitlines()
    [shown] = re.findall(r"```\n(sent .*?)```", README, re.DOTALL)
    reasons = [line.split() for line in shown.splitlines() if re.match(r" +[−+]", line)]

    sent = shell(replay, checkout)

    def settled() -> str | None:
        said = shell(explain, checkout)
        return said if re.search(r"\b9 +Purchase in the store", said) else None

    said = wait_until(settled, what="all of the recording is counted")
    assert sent.startswith(shown.partition(", rejected")[0])
    found = [line.split() for line in said.splitlines() if re.match(r" +[−+]", line)]
    assert [line[1:] for line in found] == [line[1:] for line in reasons]
    assert "critical" not in said.partition("stage")[0]


def test_every_target_of_make_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"`make ([a-z-]+)", README))
    rules = re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text())

    assert {"demo", "test", "check", "up"} <= targets
    assert targets <= set(rules)
