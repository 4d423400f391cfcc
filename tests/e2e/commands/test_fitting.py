"""`tactus model fit` beside a running stack: learned from its database, checked, compared and taken over."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import httpx
import pytest

from services.client.connection import Connection
from tests.support.settled import settled

pytestmark = pytest.mark.e2e

TACTUS = str(Path(sys.executable).with_name("tactus"))
PEOPLE = 400
LATEST = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)


def tactus(stack: Connection, *words: str, folder: Path) -> str:
    ran = subprocess.run(
        [TACTUS, "model", *words, "--data", str(stack.data)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=folder,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_a_model_learned_from_the_stack_foretells_better_and_takes_over(stack: Connection, tmp_path: Path) -> None:
    """A failed payment is what these customers mind; a damaged parcel, of which the catalogue thinks more, is nothing."""
    random = Random(5)
    events, lines = [], ["customer,time,bad"]
    for number in range(PEOPLE):
        asked, risk = LATEST - timedelta(hours=number), 0.1
        for touchpoint, harm in (("payment.failed", 0.7), ("delivery.damaged", 0.0)):
            if random.random() < 0.5:
                identities = [{"kind": "customer", "value": f"fit-{number}"}]
                at = (asked - timedelta(minutes=random.randrange(1, 6000))).isoformat()
                data = {"touchpoint": touchpoint, "channel": "web", "identities": identities}
                events.append({"id": f"fit-{number}-{touchpoint}", "time": at, "data": data})
                risk += harm
        lines.append(f"fit-{number},{asked.isoformat()},{'yes' if random.random() < risk else 'no'}")
    (tmp_path / "outcomes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    key = {"Authorization": f"Bearer {stack.keys['server']}"}
    for first in range(0, len(events), 500):
        answer = httpx.post(f"{stack.ingest}/v1/events", json=events[first : first + 500], headers=key, timeout=60)
        assert answer.status_code == 202
    asyncio.run(settled(stack))

    said = tactus(stack, "fit", "--outcomes", "outcomes.csv", "--out", "learned.yaml", folder=tmp_path)
    compared = tactus(stack, "compare", "catalogue", "learned.yaml", "--outcomes", "outcomes.csv", folder=tmp_path)
    active = tactus(stack, "activate", "learned.yaml", folder=tmp_path)

    assert "Better than the catalogue (+0." in said
    assert "persons change band" in compared
    assert "active: " in active
    assert "(learned)" in active
