"""What senders got wrong, as far as the database knows: open dead letters, and touchpoints that nobody declared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from services.state.pool import Statements

LETTERS_MAX: Final = 100_000
"""The newest letters that are looked at: some tens of milliseconds."""

NAMES_MAX: Final = 5_000
"""Different touchpoints that are looked at; the catalogue has a hundred, and what invents more than that is a fault."""

UNDECLARED_MAX: Final = 50
"""Of the names found; a person mends them one by one."""


class OpenLetters(NamedTuple):
    """The open dead letters of one reason, and the source of the newest that names one."""

    origin: str
    reason: str
    letters: int
    source: str | None


async def open_letters(statements: Statements) -> list[OpenLetters]:
    """Count the open dead letters among the newest, the most frequent reason first."""
    return [OpenLetters(*row) for row in await statements.rows("open_dead_letters", LETTERS_MAX)]


async def undeclared(statements: Statements, *, declared: Iterable[str]) -> list[str]:
    """Return touchpoints that events came with and that neither stand here nor call themselves foreign with x."""
    rows = await statements.rows("undeclared_touchpoints", list(declared), NAMES_MAX, UNDECLARED_MAX)
    return [row["touchpoint"] for row in rows]
