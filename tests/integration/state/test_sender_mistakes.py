from __future__ import annotations

import asyncpg
import pytest

from services.state import sender_mistakes
from services.state.dead_letters import DeadLetter, DeadLetterTable
from services.state.leaves import Brought, LeafTable, Triple
from services.state.pool import Statements, connected
from services.state.sender_mistakes import OpenLetters, open_letters, undeclared

pytestmark = pytest.mark.integration

DECLARED = ["survey.csat", "web.page_viewed"]


def letter(offset: int, *, reason: str, source: str | None = "shop/orders") -> DeadLetter:
    return DeadLetter(reason, "", source, f"e{offset}", offset, None, b"{}", [])


async def test_open_letters_are_counted_by_origin_and_reason_the_most_frequent_first(postgres_dsn: str) -> None:
    async with connected(postgres_dsn, application="test") as statements:
        table = DeadLetterTable(statements)
        await table.add(("t", 0), [letter(n, reason="bad_rating") for n in range(3)], origin="ingest")
        await table.add(("t", 1), [letter(0, reason="conflict"), letter(1, reason="bad_rating")], origin="aggregator")
        await table.add(("t", 2), [letter(0, reason="bad_rating", source=None)], origin="ingest")
        await settle(statements, "UPDATE dead_letter SET state = 'discarded' WHERE part = 0 AND log_offset = 0")

        found = await open_letters(statements)

    assert found == [
        OpenLetters("ingest", "bad_rating", 3, "shop/orders"),
        OpenLetters("aggregator", "bad_rating", 1, "shop/orders"),
        OpenLetters("aggregator", "conflict", 1, "shop/orders"),
    ]


async def test_only_the_newest_letters_are_looked_at(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_mistakes, "LETTERS_MAX", 2)
    async with connected(postgres_dsn, application="test") as statements:
        letters = [letter(n, reason="old" if n < 3 else "new") for n in range(5)]
        await DeadLetterTable(statements).add(("t", 0), letters, origin="ingest")

        found = await open_letters(statements)

    assert [(one.reason, one.letters) for one in found] == [("new", 2)]


async def test_names_that_are_neither_declared_nor_foreign_are_found_once(postgres_dsn: str) -> None:
    async with connected(postgres_dsn, application="test") as statements:
        leaves = [(name, "web", f"store/{n}") for name in (*DECLARED, "survey.cast", "x.own") for n in range(50)]
        await number(statements, [*leaves, ("web.page_view", "any", "")])

        assert await undeclared(statements, declared=DECLARED) == ["survey.cast", "web.page_view"]
        assert await undeclared(statements, declared=[]) == ["survey.cast", "survey.csat", "web.page_view", DECLARED[1]]


async def test_an_empty_database_has_no_mistakes(postgres_dsn: str) -> None:
    async with connected(postgres_dsn, application="test") as statements:
        assert await undeclared(statements, declared=DECLARED) == []
        assert await open_letters(statements) == []


@pytest.mark.parametrize(("names_max", "undeclared_max", "found"), [(20, 50, 20), (5_000, 7, 7)])
async def test_a_flood_of_names_is_cut_off(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, names_max: int, undeclared_max: int, found: int
) -> None:
    monkeypatch.setattr(sender_mistakes, "NAMES_MAX", names_max)
    monkeypatch.setattr(sender_mistakes, "UNDECLARED_MAX", undeclared_max)
    async with connected(postgres_dsn, application="test") as statements:
        await number(statements, [(f"web.made_up_{n:03}", "web", "") for n in range(100)])

        assert len(await undeclared(statements, declared=DECLARED)) == found


async def number(statements: Statements, leaves: list[Triple]) -> None:
    await LeafTable(statements).add([Brought(leaf, None, 0) for leaf in leaves])


async def settle(statements: Statements, edit: str) -> None:
    assert isinstance(statements.session, asyncpg.Connection)
    await statements.session.execute(edit)
