"""Follow the scores: everybody once, and from there on whoever's score is another one since, with nobody passed over."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final, NamedTuple

from schemas.instant import write_instant
from schemas.score import Cell, MergedCustomer, ScoredCustomer, Windows
from services.core.instants import HOUR_US, instant_of
from services.state.pool import Statements

NEVER: Final = datetime.fromtimestamp(0, UTC)


class Mark(NamedTuple):
    """A place among the changes of scores: everything up to this entry of this row is told.

    Rows before it are told for certain: it is only ever made of one before which none can still appear.
    """

    xact: int
    id: int
    entry: int
    """How many of the persons that the row names."""
    at: datetime
    """When the row was written, by which it is known again."""


BEGINNING: Final = Mark(0, 0, 0, NEVER)
"""Before the first row of all."""


class Entry(NamedTuple):
    """That a person was scored, and where that stands."""

    mark: Mark
    version: int
    person: int


class Standing(NamedTuple):
    """A person as it is stored, at this moment."""

    person: int
    customer: str
    version: int | None
    """None when it was another's before the model in use took over."""
    model_version: str | None
    as_of: int | None
    band: str | None
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


class Listed(NamedTuple):
    """Persons of a page, and the number up to which all were looked at; None when there is nobody after them."""

    persons: list[int]
    last: int | None


def record_of(one: Standing, version: int) -> ScoredCustomer | MergedCustomer | None:
    """The record of how somebody stands, who was told of under a version; None when nothing is stored of them."""
    version = max(version, one.version or 0)
    if one.merged_into is not None:
        at = write_instant(instant_of((one.as_of or 0) * HOUR_US))
        return MergedCustomer(customer=one.customer, version=version, at=at, merged_into=one.merged_into)
    if one.as_of is None or one.model_version is None or one.band is None:
        return None
    return ScoredCustomer(
        customer=one.customer,
        version=version,
        at=write_instant(instant_of(one.as_of * HOUR_US)),
        model_version=one.model_version,
        score=one.score,
        confidence=one.confidence,
        se=one.se,
        band=one.band,
        windows=Windows(
            hours_24=Cell(score=one.score_24h, confidence=one.confidence_24h),
            days_7=Cell(score=one.score_7d, confidence=one.confidence_7d),
            days_30=Cell(score=one.score_30d, confidence=one.confidence_30d),
            days_90=Cell(score=one.score_90d, confidence=one.confidence_90d),
        ),
    )


class FollowingTable:
    """The statements of whoever follows scores; marks and entries are of `score_change`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def database(self) -> str:
        """Name the database: a mark of another one means nothing here."""
        return str(await self._say.value("feed_database"))

    async def tail(self) -> Mark:
        """The last place that there is; the beginning while nothing is written."""
        row = await self._say.row("feed_tail")
        return BEGINNING if row is None else Mark(*row)

    async def holds(self, mark: Mark) -> bool:
        """Whether the row of a mark is here, and was the same one when the mark was made."""
        if mark == BEGINNING:
            return True
        return bool(await self._say.value("feed_holds", str(mark.xact), mark.id, mark.at))

    async def entries(self, after: Mark, *, limit: int) -> list[Entry]:
        """The next entries after a mark."""
        rows = await self._say.rows("feed_entries", str(after.xact), after.id, after.entry, limit)
        return [Entry(Mark(xact, number, entry, at), *rest) for xact, number, entry, at, *rest in rows]

    async def standing(self, persons: Collection[int]) -> dict[int, Standing]:
        """How persons stand at present; who was forgotten is left out."""
        return {row["id"]: Standing(*row) for row in await self._say.rows("customers_of_persons", list(persons))}

    async def listed(
        self, after: int, *, band: int | None, below: float | None, limit: int, looked_at_max: int
    ) -> Listed:
        """The next persons after a number who are of a band and below a score, as far as one look goes."""
        row = await self._say.row("persons_ahead", after, looked_at_max)
        if row is None or row["last"] is None:
            return Listed([], None)
        found = [one["id"] for one in await self._say.rows("persons_listed", after, row["last"], band, below, limit)]
        if len(found) == limit:
            return Listed(found, found[-1])
        return Listed(found, row["last"] if row["looked_at"] == looked_at_max else None)
