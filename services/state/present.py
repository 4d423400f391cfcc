"""Customers as they are at present, whole, for whoever tells others of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from services.state.pool import Statements


class Present(NamedTuple):
    """A customer's row as it stands."""

    number: int
    customer: str
    version: int
    as_of: int
    """The hour the score was read at."""
    model_version: str
    band: str
    score: float
    confidence: float
    se: float
    score_24h: float
    confidence_24h: float
    score_7d: float
    confidence_7d: float
    score_30d: float
    confidence_30d: float
    score_90d: float
    confidence_90d: float
    merged_into: str | None
    """Whose name it goes by since it turned out to be somebody else; None while it is itself."""


class PresentTable:
    """The statements that read scored customers as they stand."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def of(self, persons: Iterable[int]) -> list[Present]:
        """Those of these persons that ever had a score and are not forgotten."""
        return [Present(*row) for row in await self._say.rows("present_scores", list(persons))]

    async def named(self, customers: Iterable[str]) -> dict[str, int]:
        """The numbers of those of these names that are known."""
        return {row["value"]: row["id"] for row in await self._say.rows("numbers_of", list(customers))}
