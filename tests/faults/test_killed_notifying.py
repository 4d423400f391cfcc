"""Kill what notifies between sending and mark: nothing is lost, and what comes again carries the same id."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from services.state.roles import OUTBOUND
from tests.support.alerted import Alerts, alert_id
from tests.support.counts import chosen_scale
from tests.support.databases import as_role
from tests.support.sinkservers import WebhookServer, served
from tests.support.waiting import eventually, wait_until

pytestmark = pytest.mark.faults

KILLS = max(1, round(20 * chosen_scale()))
"""By FAULT_SCALE."""
LEASE_S = 0.2


@contextmanager
def notifying(dsn: str, routes: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that notifies, killed after the block whatever it does."""
    environment = {
        **os.environ,
        "TACTUS_POSTGRES__DSN": as_role(dsn, OUTBOUND),
        "TACTUS_OUTBOUND__ROUTES": str(routes),
    }
    command = [sys.executable, "-m", "tests.support.notify_process", str(LEASE_S)]
    process = subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[2])
    try:
        yield process
    finally:
        process.kill()
        process.wait(20)


@pytest.fixture
def receiver() -> Iterator[WebhookServer]:
    with served(WebhookServer()) as server:
        assert isinstance(server, WebhookServer)
        yield server


async def test_whoever_is_killed_after_sending_sends_the_same_again_and_loses_nothing(
    postgres_dsn: str, receiver: WebhookServer, tmp_path: Path
) -> None:
    routes = tmp_path / "routes.toml"
    (tmp_path / "secret").write_text(receiver.secret)
    routes.write_text(
        f'[[route]]\nname = "program"\nsink = "webhook"\nurl = "{receiver.url}"\nsecret = {{file = "secret"}}\n'
    )
    connection = await asyncpg.connect(postgres_dsn)
    alerts = Alerts(connection)
    await alerts.step(at=datetime.now(UTC))
    receiver.hold.clear()

    for kill in range(KILLS):
        with notifying(postgres_dsn, routes):
            # It has the message, and has not said so yet.
            await asyncio.to_thread(wait_until, lambda n=kill: len(receiver.asked) > n, what="it is sent")
    await alerts.step(state="closed", at=datetime.now(UTC))
    receiver.hold.set()
    with notifying(postgres_dsn, routes):

        async def told() -> bool:
            rows = await alerts.notifications()
            row = rows["program", alert_id("a")]
            return bool(row["told"] == row["revision"] and row["step"] == "closed" and row["state"] == "sent")

        await eventually(told, what="the end is told")
    await connection.close()

    ids = [asked.headers["webhook-id"] for asked in receiver.asked]
    assert len(set(ids[:KILLS])) == 1
    assert [body["type"] for body in receiver.taken][-1] == "alert.closed"
    assert set(ids[KILLS:]) == {ids[-1]}
    assert ids[-1] != ids[0]
