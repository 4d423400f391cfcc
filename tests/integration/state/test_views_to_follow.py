"""What whoever works by SQL follows: scores as they were written, and alerts with what people do about them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.support.scored import merge, score, store_people

pytestmark = pytest.mark.integration

AFTER = """
SELECT turn::text, change, customer, score, band, version, merged_into FROM score_changes
WHERE (turn, change) > ($1::text::xid8, $2) ORDER BY turn, change, customer
"""


@pytest.fixture
async def owner(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()


async def test_scores_are_told_as_they_were_written_and_whom_somebody_turned_out_to_be(
    owner: asyncpg.Connection,
) -> None:
    device, anna = await store_people(owner, ["device:d1", "customer:anna"])
    first = await score(owner, device, anna, to=70)
    second = await merge(owner, device, into=anna)

    rows = [tuple(row)[2:] for row in await owner.fetch(AFTER, "0", 0)]

    assert rows == [
        ("customer:anna", 70, "good", first, None),
        ("device:d1", 70, "good", first, "customer:anna"),
        ("customer:anna", 60, "good", second, None),
        ("device:d1", 60, "good", second, "customer:anna"),
    ]


async def test_a_slow_transaction_is_not_passed_over_in_sql(postgres_dsn: str, owner: asyncpg.Connection) -> None:
    slow, fast = await store_people(owner, ["customer:slow", "customer:fast"])
    held = await asyncpg.connect(postgres_dsn)
    transaction = held.transaction()
    await transaction.start()
    await score(held, slow)
    await score(owner, fast)

    meanwhile = await owner.fetch(AFTER, "0", 0)
    await transaction.commit()
    then = await owner.fetch(AFTER, *(tuple(meanwhile[-1])[:2] if meanwhile else ("0", 0)))

    await held.close()
    assert {row["customer"] for row in [*meanwhile, *then]} == {"customer:slow", "customer:fast"}


async def test_going_on_after_a_change_reads_by_the_index(owner: asyncpg.Connection) -> None:
    await owner.execute("SET enable_seqscan = off")

    plan = await owner.fetch("EXPLAIN " + AFTER.replace("$1", "'5'").replace("$2", "7"))

    assert any("score_change_order" in row[0] for row in plan)
    assert any("Index Cond" in row[0] and "ROW" in row[0] for row in plan)


async def test_an_alert_is_shown_with_what_people_do_about_it(owner: asyncpg.Connection) -> None:
    [anna] = await store_people(owner, ["customer:anna"])
    await owner.execute(
        "INSERT INTO alert (id, rule, person, account, severity, state, opened_at, changed_at, score_before, score, reasons)"
        " VALUES (gen_random_uuid(), 'drop', $1, NULL, 'critical', 'open', now(), now(), 60, 20, '[]'),"
        " (gen_random_uuid(), 'drop', NULL, 'acme', 'warning', 'open', now(), now(), 60, 45, '[]')",
        anna,
    )
    await owner.execute(
        "INSERT INTO alert_work (alert, revision, assigned_to, acknowledged_at, acknowledged_by)"
        " SELECT id, 1, 'ben', now(), 'ben' FROM alert WHERE person IS NOT NULL"
    )

    rows = await owner.fetch(
        "SELECT customer, account, severity, assigned_to, outcome FROM customer_alerts ORDER BY score"
    )

    assert [tuple(row) for row in rows] == [
        ("customer:anna", None, "critical", "ben", None),
        (None, "acme", "warning", None, None),
    ]
