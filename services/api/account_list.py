"""List accounts by their stored scores: those that need somebody first."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from schemas.accountsapi import ACCOUNTS_CURSOR_PATTERN, SORTS, AccountsAnswer, KeyContact, ListedAccount
from schemas.instant import write_instant
from services.api.customers import NO_STORE, SCOPE, Customers
from services.api.requests import Asked, bad, limit_of, parameters_of
from services.core.catalogue import Catalogue
from services.core.instants import HOUR_US, instant_of
from services.infra.errors import UnavailableError
from services.infra.http.answer import Answer
from services.infra.http.problems import Refused, refusal
from services.state.account_scores import NO_WORST, Turn
from services.state.account_scores import ListedAccount as StoredAccount

PARAMETERS: Final = ("band", "sort", "limit", "cursor")

FIRST: Final = Turn(-1.0, "")
"""Before every account: no score is below zero."""

_KEY: Final = struct.Struct(">d")
_CURSOR: Final = re.compile(ACCOUNTS_CURSOR_PATTERN.removesuffix("$"))


class Wanted(NamedTuple):
    """What a request asks, understood."""

    band: str | None
    sort: str
    limit: int
    after: Turn


class AccountLists:
    """Answers with accounts, to whoever may read customers' scores."""

    def __init__(self, customers: Customers) -> None:
        self._parts = customers.parts

    async def list(self, asked: Asked) -> Answer:
        """Answer `GET /v1/accounts`."""
        reader = self._parts.entrance.reader(asked, SCOPE)
        wanted = reader if isinstance(reader, Refused) else wanted_of(asked)
        if isinstance(wanted, Refused):
            return refusal(wanted).with_headers(NO_STORE)
        try:
            answer = await self._answered(wanted)
        except UnavailableError as error:
            answer = refusal(Refused("unavailable"))._replace(because=str(error))
        return answer.with_headers(NO_STORE)

    async def _answered(self, wanted: Wanted) -> Answer:
        async with self._parts.database.snapshot() as snapshot:
            in_use = await snapshot.models.in_use()
            catalogue = await self._parts.models.in_use(snapshot)
            names = catalogue.bands.names
            if wanted.band is not None and wanted.band not in names:
                return refusal(bad(f"The parameter band must be one of: {', '.join(names)}."))
            band = None if wanted.band is None else names.index(wanted.band)
            found: list[StoredAccount] = []
            if in_use is not None:
                found = await snapshot.account_scores.listed(
                    in_use.active, sort=wanted.sort, band=band, after=wanted.after, limit=wanted.limit + 1
                )
        body = accounts_answer(found, wanted, catalogue=catalogue)
        return Answer(200, body.model_dump_json().encode())


def accounts_answer(found: Sequence[StoredAccount], wanted: Wanted, *, catalogue: Catalogue) -> AccountsAnswer:
    """Show a page; `found` holds one more where there is a next page."""
    shown = found[: wanted.limit]
    more = len(found) > wanted.limit
    return AccountsAnswer(
        accounts=[_listed(one, catalogue) for one in shown],
        next=cursor_of(_turn(shown[-1], sort=wanted.sort)) if more else None,
        model_version=catalogue.model_version,
    )


def _listed(one: StoredAccount, catalogue: Catalogue) -> ListedAccount:
    known = one.worst is not None and one.worst_score is not None
    return ListedAccount(
        account=one.account,
        score=one.score,
        confidence=one.confidence,
        se=one.se,
        band=catalogue.bands.names[one.band],
        contacts=one.contacts,
        worst_key_contact=KeyContact(customer=str(one.worst), score=one.worst_score or 0.0) if known else None,
        as_of=write_instant(instant_of(one.as_of * HOUR_US)),
    )


def _turn(one: StoredAccount, *, sort: str) -> Turn:
    worst = NO_WORST if one.worst_score is None else one.worst_score
    return Turn({"score": one.score, "worst": worst}.get(sort, 0.0), one.account)


def wanted_of(asked: Asked) -> Wanted | Refused:
    """Understand a whole request."""
    parameters = parameters_of(asked.query, named=PARAMETERS)
    if isinstance(parameters, Refused):
        return parameters
    limit = limit_of(parameters.get("limit"))
    if isinstance(limit, Refused):
        return limit
    band, sort = parameters.get("band"), parameters.get("sort", SORTS[0])
    if sort not in SORTS:
        return bad(f"The parameter sort must be one of: {', '.join(SORTS)}.")
    after = turn_of(parameters.get("cursor"))
    if isinstance(after, Refused):
        return after
    return Wanted(band, sort, limit, after)


def turn_of(cursor: str | None) -> Turn | Refused:
    """Return the place in a list that a cursor stands for."""
    if cursor is None:
        return FIRST
    if not _CURSOR.fullmatch(cursor):
        return bad("The parameter cursor must be `next` of the page before.")
    raw = bytes.fromhex(cursor)
    [key] = _KEY.unpack(raw[: _KEY.size])
    # Not one of ours, and still a place: what no name holds is passed over.
    return Turn(key, raw[_KEY.size :].decode(errors="replace").replace("\0", ""))


def cursor_of(turn: Turn) -> str:
    """Write a place in a list as a cursor."""
    return (_KEY.pack(turn.key) + turn.account.encode()).hex()
