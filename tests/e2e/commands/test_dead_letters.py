"""`tactus dlq` beside a running stack: what was set aside counts once, however often and however brokenly it is sent again."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import httpx
import pytest

from schemas.topics import EVENT_TOPICS
from services.client.connection import Connection, find_connection
from services.client.keys import SOURCES
from services.demo.demonstration import read_outcomes
from services.infra.kafka import log_ends
from services.infra.settings import KafkaSettings
from tests.support.waiting import eventually, wait_until

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "how-to" / "dead-letters.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
TACTUS = str(Path(sys.executable).with_name("tactus"))


def command(stack: Connection, *words: str) -> list[str]:
    return [TACTUS, "dlq", *words, "--data", str(stack.data)]


def dlq(stack: Connection, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(stack, *words), capture_output=True, text=True, timeout=300, check=False)


def bought(number: int, name: str) -> dict[str, object]:
    """A purchase, which a page may not tell until its row says so."""
    who = [{"kind": "anonymous", "value": f"{name}-visitor-{number}"}]
    return {"id": f"{name}-{number}", "data": {"touchpoint": "order.completed", "channel": "web", "identities": who}}


def sent_by_page(stack: Connection, events: list[dict[str, object]]) -> httpx.Response:
    key = {"Authorization": f"Bearer {stack.keys['browser']}"}
    return httpx.post(f"{stack.ingest}/v1/events", json=events, headers=key, timeout=30)


async def said(stack: Connection, query: str, *arguments: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(stack.postgres)
    try:
        found: list[asyncpg.Record] = await connection.fetch(query, *arguments)
        return found
    finally:
        await connection.close()


async def letters(stack: Connection, *, like: str) -> list[str]:
    """The states of the letters that hold this."""
    rows = await said(
        stack, "SELECT state FROM dead_letter WHERE position($1::bytea IN value) > 0 ORDER BY id", like.encode()
    )
    return [row["state"] for row in rows]


async def counted(stack: Connection, name: str) -> list[str]:
    rows = await said(
        stack,
        "SELECT source || ' ' || event_id AS event FROM touchpoint WHERE event_id LIKE $1 ORDER BY 1",
        f"{name}-%",
    )
    return [row["event"] for row in rows]


async def settled(stack: Connection) -> bool:
    """Whether everything in the log is dealt with, each record in exactly one way."""
    ends = await log_ends(KafkaSettings(bootstrap=stack.kafka), EVENT_TOPICS)
    outcomes = await read_outcomes(stack.metrics["api"][0])
    total = outcomes.applied + outcomes.duplicate + outcomes.conflict + outcomes.dead + outcomes.erased
    return total == sum(end for _, end in ends.values())


def allow_purchases(stack: Connection) -> None:
    """Mend the row of the page's key, as an operator does, and wait until ingest knows."""
    path = stack.data / SOURCES
    text = path.read_text()
    if "touchpoints" not in text:
        path.write_text(text.replace('kind = "browser"\n', 'kind = "browser"\ntouchpoints = ["order.*", "web.*"]\n'))
    probe = [bought(0, "probe")]
    wait_until(lambda: sent_by_page(stack, probe).status_code == 202, what="ingest knows the row")


def forbid_purchases(stack: Connection) -> None:
    path = stack.data / SOURCES
    path.write_text(path.read_text().replace('touchpoints = ["order.*", "web.*"]\n', ""))
    wait_until(lambda: sent_by_page(stack, [bought(0, "probe")]).status_code == 422, what="ingest knows the row")


async def set_aside(stack: Connection, name: str, count: int) -> None:
    """Have a page send what it may not, and wait until that stands in the table."""
    forbid_purchases(stack)
    for first in range(0, count, 500):
        events = [bought(number, name) for number in range(first, min(first + 500, count))]
        assert sent_by_page(stack, events).status_code == 422

    async def there() -> bool:
        return len(await letters(stack, like=f'"{name}-')) == count

    await eventually(there, what="all letters stand in the table")


def wanted(name: str, count: int) -> list[str]:
    return sorted(f"web {name}-{number}" for number in range(count))


async def test_the_page_s_commands_lead_from_letters_to_events_that_count_once(stack: Connection) -> None:
    await set_aside(stack, "page", 3)
    sent_by_page(stack, [{"id": "page-bad"}])

    async def there() -> bool:
        return len(await letters(stack, like='"page-bad"')) == 1

    await eventually(there, what="the malformed one stands in the table")
    looking, doing, over_api = BLOCKS
    environment = {
        **os.environ, "PATH": f"{Path(TACTUS).parent}:{os.environ['PATH']}", "API": stack.api,
        "LETTERS_KEY": stack.keys["letters"],
    }  # fmt: skip
    option = f" --data {shlex.quote(str(stack.data))}"

    def run(block: str) -> str:
        with_data = re.sub(r"(?m)^(tactus dlq [^#\n]*?)\s*(#.*)?$", rf"\1{option}", block)
        done = subprocess.run(
            ["bash", "-c", f"set -e\n{with_data}"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    shown = run(looking)
    allow_purchases(stack)
    done = run(doing)
    answered = run(over_api)

    assert shown.count("not-allowed") >= 6
    assert "this key may not send it" in shown
    assert "what it holds" in shown
    assert "a replay: would be rejected again (not-allowed: data.touchpoint: this key may not send it)" in shown
    assert "nothing was changed; a replay would leave letters: " in done
    assert done.count("sent again (order.completed)") >= 2 * 3
    assert "discarded" in done
    assert '"letters":[]' in answered
    await eventually(lambda: settled(stack), what="the log is counted")
    assert await counted(stack, "page") == wanted("page", 3)
    assert await letters(stack, like='"page-bad"') == ["discarded"]
    changes = await said(stack, "SELECT DISTINCT by, outcome FROM dead_letter_change ORDER BY 2")
    assert {(row["by"], row["outcome"]) for row in changes} >= {("letters", "accepted"), ("letters", "discarded")}


async def test_everything_is_replayed_twice_through_kills_and_counts_once(stack: Connection) -> None:
    count = 300
    await set_aside(stack, "killed", count)
    allow_purchases(stack)
    words = command(stack, "replay", "--reason", "not-allowed", "--rate", "60")
    first = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE)

    async def some_are_sent() -> bool:
        return "replayed" in await letters(stack, like='"killed-')

    await eventually(some_are_sent, what="the first letters are sent")
    os.kill(find_connection(stack.data).pids["api"][0], signal.SIGKILL)
    first.kill()
    await first.communicate()
    # As if the API had died between the log's answer and its own mark.
    reopened = await said(
        stack,
        "UPDATE dead_letter SET state = 'open' WHERE state = 'replayed' AND position('\"killed-'::bytea IN value) > 0"
        " RETURNING id",
    )
    wait_until(lambda: _ready(stack), what="the API is up again")
    second = await asyncio.create_subprocess_exec(*command(stack, "replay", "--rate", "100"), stdout=subprocess.PIPE)
    third = await asyncio.create_subprocess_exec(*command(stack, "replay", "--rate", "100"), stdout=subprocess.PIPE)
    told = [(await one.communicate())[0].decode() for one in (second, third)]
    last = dlq(stack, "replay", "--reason", "not-allowed")

    assert reopened
    assert "sent again" in "".join(told)
    assert (last.returncode, last.stdout) == (0, "letters: none\n")
    await eventually(lambda: settled(stack), what="the log is counted")
    assert await counted(stack, "killed") == wanted("killed", count)
    assert await letters(stack, like='"killed-') == ["replayed"] * count
    assert (await read_outcomes(stack.metrics["api"][0])).conflict == 0


def _ready(stack: Connection) -> bool:
    try:
        return httpx.get(f"{stack.api}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def test_what_cannot_be_done_is_one_line_that_says_why(stack: Connection, tmp_path: Path) -> None:
    def elsewhere(**environment: str) -> subprocess.CompletedProcess[str]:
        port = stack.api.rpartition(":")[2]
        return subprocess.run(
            [TACTUS, "dlq", "list"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "TACTUS_API__PORT": port, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    refusals = {
        "There is no dead letter of this id|Check the id": dlq(stack, "show", "999999999"),
        "unknown|not known": dlq(stack, "replay", "999999999"),
        "name which letters": dlq(stack, "discard"),
        "must be an instant|must be an RFC 3339": dlq(stack, "list", "--since", "yesterday"),
        "valid key": elsewhere(TACTUS_LETTERS_KEY="no-key-at-all"),
        "dead-letters:read": elsewhere(TACTUS_LETTERS_KEY=stack.keys["read"]),
        "TACTUS_LETTERS_KEY": elsewhere(),
    }

    for said_, done in refusals.items():
        lines = (done.stderr or done.stdout).splitlines()
        assert done.returncode == 1, said_
        assert re.search(said_, done.stdout + done.stderr), done.stdout + done.stderr
        assert len(lines) <= 2, lines
        assert "Traceback" not in done.stderr
