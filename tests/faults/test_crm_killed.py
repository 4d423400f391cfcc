"""Outbound is killed between writing a CRM record and noting it: nothing is lost, and what is written again is alike."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

from services.state.roles import OUTBOUND
from tests.support.counts import chosen_scale, chosen_seed
from tests.support.crm import Played, connector_table, people, store_people
from tests.support.databases import as_role
from tests.support.vendor import served_vendor
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.integration]

KILLS: Final = 20
"""By FAULT_SCALE."""

PEOPLE: Final = 12
LEASE_S: Final = "1"
FILE: Final = """\
[[connector]]
name = "crm"
system = "http"
url = "{url}"
key_field = "number"
secret_file = "secret"
fields = {{version = "version", band = "band"}}
http = {{path = "/people/{{key}}"}}
budget = {{burst_calls = 10000, burst_s = 1}}
"""


class Contacts:
    """Takes every record, and kills who writes before it answers the call that a life is to end with."""

    def __init__(self) -> None:
        self.versions: dict[str, list[int]] = defaultdict(list)
        self.kills = self.calls = 0
        self._left = 0
        self._kill: Callable[[], None] | None = None

    def after(self, calls: int, kill: Callable[[], None]) -> None:
        self._left, self._kill = calls, kill

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        self.versions[request.url.path.removeprefix("/people/")].append(json.loads(request.content)["version"])
        self._left -= 1
        if self._kill is not None and self._left <= 0:
            self._kill()
            self._kill = None
            self.kills += 1
        return httpx.Response(200, json={})


@asynccontextmanager
async def process(dsn: str, file: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {
        "PATH": os.environ["PATH"],
        "TACTUS_POSTGRES__DSN": as_role(dsn, OUTBOUND),
        "TACTUS_HASH_KEY": "0123456789abcdef0123456789abcdef",
        "TACTUS_OUTBOUND__CRM": str(file),
        "TACTUS_LOG_LEVEL": "error",
    }
    command = (sys.executable, "-m", "tests.support.crm_process", LEASE_S)
    started = await asyncio.create_subprocess_exec(*command, env=environment)
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def test_the_newest_score_arrives_however_often_the_sender_is_killed(postgres_dsn: str, tmp_path: Path) -> None:
    seed, kills = chosen_seed(), max(3, round(KILLS * chosen_scale()))
    sys.stderr.write(f"CRM killed: FAULT_SEED={seed}, {kills} kills\n")
    dice, contacts = random.Random(seed), Contacts()
    played = Played(postgres_dsn, table=connector_table())
    await store_people(postgres_dsn, people(PEOPLE))
    (tmp_path / "secret").write_text("of the contacts")

    with served_vendor(contacts) as url:
        (tmp_path / "crm.toml").write_text(FILE.format(url=url))
        for life in range(kills):
            for name in people(PEOPLE):
                # Far enough from the lives before that none of it may wait for a day.
                await played.score(name, 4.0 * (life % 25), band=1 + life % 2)
            async with process(postgres_dsn, tmp_path / "crm.toml") as sender:
                contacts.after(dice.randrange(1, PEOPLE + 1), sender.kill)
                await sender.wait()
        async with process(postgres_dsn, tmp_path / "crm.toml"):
            await eventually(lambda: all_sent(played), what="every record is sent")

    newest = {
        row["key"]: row["version"]
        for row in await played.fetch(
            "SELECT r.key, p.version FROM crm_record AS r JOIN person AS p ON p.id = r.person"
        )
    }
    await played.close()
    assert contacts.kills == kills
    assert {key: seen[-1] for key, seen in contacts.versions.items()} == newest
    # No older score ever follows a newer one, and each kill made something come again.
    assert all(seen == sorted(seen) for seen in contacts.versions.values())
    assert sum(len(seen) - len(set(seen)) for seen in contacts.versions.values()) > 0


async def all_sent(played: Played) -> bool:
    rows = await played.fetch("SELECT state, due_at, sent_version = version AS newest FROM crm_record")
    return len(rows) == PEOPLE and all(
        (row["state"], row["due_at"], row["newest"]) == ("sent", None, True) for row in rows
    )
