"""Accounts' stored scores: which of them are to be read anew, and what they were read as."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from services.state.accounts import ACCOUNTS_MAX
from services.state.pool import Statements

LOCK: Final = 7_241_005_523
"""Advisory lock of whoever scores accounts; any number that no other program uses."""

MARKS_MAX: Final = 10_000
"""Looked at together; a busy account has one of every chunk since it was scored last."""


class AccountScore(NamedTuple):
    """An account's score by one model, and its contacts."""

    account: str
    model: int
    version: int
    as_of: int
    band: int
    score: float
    confidence: float
    se: float
    score_24h: float
    score_7d: float
    score_30d: float
    score_90d: float
    contacts: int
    worst: int | None
    """The person who is the worst key contact; None when nothing is known of any."""
    worst_score: float | None


class ListedAccount(NamedTuple):
    """An account as a list shows it."""

    account: str
    score: float
    confidence: float
    se: float
    band: int
    contacts: int
    worst: str | None
    worst_score: float | None
    as_of: int


NO_WORST: Final = 101.0
"""Stands for the score of a worst key contact where there is none: after all others."""

LISTS: Final = MappingProxyType(
    {"score": "accounts_by_score", "worst": "accounts_by_worst", "account": "accounts_by_name"}
)
"""The query of each order."""


class Turn(NamedTuple):
    """A place in a list: what is sorted by there, and the account."""

    key: float
    account: str


class AccountScoreTable:
    """The statements of `account_mark` and of `account_score`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def mark(self, persons: Sequence[int]) -> None:
        """Note that the accounts of these persons are to be read anew; nothing where nobody acts for any."""
        await self._say.run("mark_accounts", list(persons), ACCOUNTS_MAX)

    async def hold(self) -> bool:
        """Be the one who scores accounts until the transaction ends; False when another worker is."""
        return bool(await self._say.value("hold_accounts", LOCK))

    async def take(self, *, limit: int) -> list[str]:
        """Take up to so many accounts that are marked; what is read from here on holds what they were marked for."""
        return [row["account"] for row in await self._say.rows("take_marks", limit, MARKS_MAX)]

    async def behind(self, model: int, *, limit: int) -> list[str]:
        """Give accounts whose scores by a model that takes over are not written yet."""
        return [row["account"] for row in await self._say.rows("accounts_behind", model, limit)]

    async def as_of(self, persons: Sequence[int]) -> int:
        """The latest hour that any of these persons' stored scores was read at."""
        return int(await self._say.value("hours_of_persons", list(persons)) or 0)

    async def write(self, account: str, scores: Sequence[AccountScore]) -> None:
        """Store an account's score by each model that is in use, and forget those by others."""
        for score in scores:
            await self._say.run("write_account_score", *score)
        await self._say.run("forget_account_scores", account, [score.model for score in scores])

    async def waiting(self) -> int:
        """How many accounts are marked, as far as one look goes."""
        return int(await self._say.value("accounts_waiting", MARKS_MAX))

    async def listed(self, model: int, *, sort: str, band: int | None, after: Turn, limit: int) -> list[ListedAccount]:
        """Give a page of the accounts that this model has scored, in one of the orders of LISTS."""
        return [ListedAccount(*row) for row in await self._say.rows(LISTS[sort], model, band, *after, limit)]
