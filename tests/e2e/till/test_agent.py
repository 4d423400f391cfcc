"""From the till's file to the rows that count: each line once, whatever happened on the way."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections import Counter
from pathlib import Path

import asyncpg
import pytest

from services.client.connection import Connection
from tests.support.tillagent import TillAgent
from tests.support.unreliable import unreliable_way
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

KILLS = 8


async def rows_of(stack: Connection, source: str, count: int) -> list[asyncpg.Record]:
    """The rows of a till once there are so many, and the records of the log are all counted."""

    async def found() -> list[asyncpg.Record] | None:
        store = await asyncpg.connect(stack.postgres)
        try:
            query = "SELECT event_id, touchpoint, stake FROM touchpoint WHERE source = $1"
            rows: list[asyncpg.Record] = await store.fetch(query, source)
        finally:
            await store.close()
        return rows if len(rows) >= count else None

    return await eventually(found, what=f"{count} rows of {source} are stored")


async def test_lines_of_a_till_that_is_killed_and_whose_line_breaks_count_once(
    stack: Connection, tmp_path: Path
) -> None:
    seed = random.randrange(10**9)
    print(f"seed {seed}")  # noqa: T201 - with which a failure comes again
    dice = random.Random(seed)
    till = f"t{uuid.uuid4().hex[:8]}"
    lines = [json.dumps({"seq": number, "day": "2026-03-01"}).encode() + b"\n" for number in range(200)]

    with unreliable_way(stack.ingest, ["lost", "503", "lost", "429", "lost"]) as way:
        agent = TillAgent.install(tmp_path / "till", way.url, stack.keys["till"], till=till)
        for kill in range(KILLS):
            with (agent.journal / "a.ndjson").open("ab") as journal:
                journal.write(b"".join(lines[kill * 25 : kill * 25 + 25]))
            with agent.running():
                await asyncio.sleep(dice.random())  # the moment of the kill is what chance decides, nothing else
        while agent.once():
            pass

    rows = await rows_of(stack, f"store/042/{till}", 200)
    assert Counter(row["event_id"] for row in rows) == Counter(f"2026-03-01/{number}" for number in range(200))
    assert {row["touchpoint"] for row in rows} == {"pos.sale_completed"}


async def test_what_was_no_sale_counts_and_scores_nothing_and_a_receipt_of_the_same_number_does(
    stack: Connection, tmp_path: Path
) -> None:
    till = f"t{uuid.uuid4().hex[:8]}"
    agent = TillAgent.install(tmp_path / "till", stack.ingest, stack.keys["till"], till=till)
    told: list[dict[str, object]] = [
        {"seq": 1, "training": True},
        {"seq": 2, "type": "void"},
        {"seq": 3, "type": "suspended"},
        {"seq": 3, "type": "reopened"},
        {"seq": 3},
        {"seq": 4, "type": "order", "rating": {"scale": "csat5", "value": 1}},
        {"seq": 4},
        {"seq": 5, "test": True},
        {"seq": 6, "type": "return", "properties": {"wait_seconds": 900}},
        {"seq": 7, "type": "control"},
    ]
    (agent.journal / "a.ndjson").write_text("".join(json.dumps({"day": "2026-03-01", **one}) + "\n" for one in told))

    assert agent.once() == 0

    rows = await rows_of(stack, f"store/042/{till}", len(told))
    scored = {row["event_id"] for row in rows if row["stake"] > 0}
    assert scored == {"2026-03-01/3", "2026-03-01/4", "2026-03-01/6"}
