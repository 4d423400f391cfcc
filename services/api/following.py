"""Answer whoever follows scores: all customers page by page, and whose score is another one since."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from time import monotonic
from typing import Final, NamedTuple

from schemas.followapi import WAIT_S_MAX, ChangesAnswer, CustomersAnswer
from schemas.readapi import PAGE_MAX
from schemas.score import ScoredCustomer
from services.api.customers import NO_STORE, SCOPE, Parts
from services.api.feed_cursor import GONE, Cursor, Page, cursor_of, database_mark, page_of, page_written, written
from services.api.requests import Asked, bad, limit_of, parameters_of
from services.api.waiting import Waiting
from services.core.instants import instant_of
from services.infra.errors import UnavailableError
from services.infra.http.answer import Answer
from services.infra.http.problems import Refused, refusal
from services.state.database import Snapshot
from services.state.following import Entry, Listed, Mark, Standing, record_of

ENTRIES_MAX: Final = 10 * PAGE_MAX
"""Read for one page: whoever is behind gets somebody who was scored ten times once. Some milliseconds."""

LOOKED_AT_MAX: Final = 20_000
"""Persons that one page of the list looks at: some tens of milliseconds, however few of them are of the band."""

_SCORE: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,9})?")
_WAIT: Final = re.compile(r"[0-9]{1,2}")
_HIGHEST: Final = 100


class Followed(NamedTuple):
    """What a request for changes asks, understood."""

    after: Cursor | None
    limit: int
    wait_s: int


class Wanted(NamedTuple):
    """What a request for a page of customers asks, understood."""

    band: str | None
    below: float | None
    limit: int
    page: Page | None


class Following:
    """Answers about everybody's stored scores, to whoever may read customers' scores."""

    def __init__(self, parts: Parts, waiting: Waiting) -> None:
        self._parts = parts
        self._waiting = waiting

    async def changes(self, asked: Asked) -> Answer:
        """Answer `GET /v1/scores/changes`."""
        reader = self._parts.entrance.reader(asked, SCOPE)
        followed = reader if isinstance(reader, Refused) else followed_of(asked)
        if isinstance(followed, Refused):
            return refusal(followed).with_headers(NO_STORE)
        return await _answered(lambda: self._changed(followed))

    async def customers(self, asked: Asked) -> Answer:
        """Answer `GET /v1/customers`."""
        reader = self._parts.entrance.reader(asked, SCOPE)
        wanted = reader if isinstance(reader, Refused) else wanted_of(asked)
        if isinstance(wanted, Refused):
            return refusal(wanted).with_headers(NO_STORE)
        return await _answered(lambda: self._listed(wanted))

    async def _changed(self, followed: Followed) -> Answer:
        """Read once, and again whenever there is more, until there is somebody to tell of or the wait is over."""
        until_s = monotonic() + followed.wait_s
        after = followed.after
        while True:
            found = await self._read(after, limit=followed.limit)
            if isinstance(found, Refused):
                return refusal(found)
            answer, after = found
            rest_s = until_s - monotonic()
            if answer.changes or not await self._waiting.beyond(after.mark, within_s=rest_s):
                return Answer(200, answer.model_dump_json().encode())

    async def _read(self, after: Cursor | None, *, limit: int) -> tuple[ChangesAnswer, Cursor] | Refused:
        now = self._now()
        async with self._parts.database.snapshot() as snapshot:
            place = await _place(snapshot, after, now=now)
            if isinstance(place, Refused):
                return place
            entries = await snapshot.following.entries(place.mark, limit=ENTRIES_MAX)
            versions, mark = _coalesced(entries, limit=limit)
            standing = await snapshot.following.standing(versions.keys())
        place = place._replace(mark=mark or place.mark, made_at=now)
        told = [record_of(standing[one], version) for one, version in versions.items() if one in standing]
        return ChangesAnswer(changes=[one for one in told if one is not None], next=written(place)), place

    async def _listed(self, wanted: Wanted) -> Answer:
        now = self._now()
        async with self._parts.database.snapshot() as snapshot:
            place = await _place(snapshot, wanted.page and wanted.page.cursor, now=now)
            if isinstance(place, Refused):
                return refusal(place)
            catalogue = await self._parts.models.in_use(snapshot)
            names = catalogue.bands.names
            if wanted.band is not None and wanted.band not in names:
                return refusal(bad(f"The parameter band must be one of: {', '.join(names)}."))
            found = await snapshot.following.listed(
                wanted.page.person if wanted.page else 0,
                band=None if wanted.band is None else names.index(wanted.band),
                below=wanted.below,
                limit=wanted.limit,
                looked_at_max=LOOKED_AT_MAX,
            )
            standing = await snapshot.following.standing(found.persons)
        body = CustomersAnswer(
            customers=_scored(found, standing),
            next=None if found.last is None else page_written(Page(found.last, place)),
            changes=written(place),
            model_version=catalogue.model_version,
        )
        return Answer(200, body.model_dump_json().encode())

    def _now(self) -> datetime:
        return instant_of(self._parts.clock.now_us())


async def _answered(answer: Callable[[], Awaitable[Answer]]) -> Answer:
    try:
        answered = await answer()
    except UnavailableError as error:
        answered = refusal(Refused("unavailable"))._replace(because=str(error))
    return answered.with_headers(NO_STORE)


async def _place(snapshot: Snapshot, after: Cursor | None, *, now: datetime) -> Cursor | Refused:
    """Where to go on: the end of the feed when nothing says it. Refuses what is no place of this database any more."""
    following = snapshot.following
    database = database_mark(await following.database())
    if after is None:
        return Cursor(database, await following.tail(), now)
    if after.database != database or after.too_old(now) or not await following.holds(after.mark):
        return GONE
    return after


def _coalesced(entries: Sequence[Entry], *, limit: int) -> tuple[dict[int, int], Mark | None]:
    """Persons with the version that they were told of last, as many as a page holds, and the last entry that is told."""
    versions: dict[int, int] = {}
    last: Mark | None = None
    for entry in entries:
        if entry.person not in versions and len(versions) == limit:
            break
        versions[entry.person] = entry.version
        last = entry.mark
    return versions, last


def _scored(found: Listed, standing: dict[int, Standing]) -> list[ScoredCustomer]:
    told = (record_of(standing[one], 0) for one in found.persons if one in standing)
    return [one for one in told if isinstance(one, ScoredCustomer)]


def followed_of(asked: Asked) -> Followed | Refused:
    """Understand a request for changes."""
    parameters = parameters_of(asked.query, named=("after", "limit", "wait"))
    if isinstance(parameters, Refused):
        return parameters
    limit = limit_of(parameters.get("limit"))
    if isinstance(limit, Refused):
        return limit
    wait = parameters.get("wait", "0")
    if not _WAIT.fullmatch(wait) or int(wait) > WAIT_S_MAX:
        return bad(f"The parameter wait must be a whole number of seconds, from 0 to {WAIT_S_MAX}.")
    after = cursor_of(parameters.get("after"))
    return after if isinstance(after, Refused) else Followed(after, limit, int(wait))


def wanted_of(asked: Asked) -> Wanted | Refused:
    """Understand a request for a page of customers."""
    parameters = parameters_of(asked.query, named=("band", "below", "limit", "cursor"))
    if isinstance(parameters, Refused):
        return parameters
    limit = limit_of(parameters.get("limit"))
    if isinstance(limit, Refused):
        return limit
    below = parameters.get("below")
    if below is not None and (not _SCORE.fullmatch(below) or float(below) > _HIGHEST):
        return bad("The parameter below must be a score, from 0 to 100.")
    page = page_of(parameters.get("cursor"))
    if isinstance(page, Refused):
        return page
    return Wanted(parameters.get("band"), None if below is None else float(below), limit, page)
