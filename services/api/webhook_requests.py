"""Understand which deliveries of a webhook a request asks for."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from schemas.webhooksapi import DELIVERIES_CURSOR_PATTERN, DELIVERIES_PAGE_DEFAULT, DELIVERIES_PAGE_MAX
from services.api.requests import bad, parameters_of
from services.infra.http.problems import Refused
from services.state.webhooks import NEWEST

PARAMETERS: Final = ("state", "limit", "cursor")
STATES: Final = ("waiting", "delivered", "failed", "superseded")

_CURSOR: Final = re.compile(DELIVERIES_CURSOR_PATTERN)
_LIMIT: Final = re.compile(r"[0-9]{1,3}")


class DeliveryPage(NamedTuple):
    """Deliveries before one, at most so many."""

    before: int
    state: str | None
    limit: int


def page_of(query: bytes) -> DeliveryPage | Refused:
    """Understand the query of a list of deliveries."""
    told = parameters_of(query, named=PARAMETERS)
    if isinstance(told, Refused):
        return told
    state, cursor, limit = told.get("state"), told.get("cursor"), told.get("limit", str(DELIVERIES_PAGE_DEFAULT))
    if state is not None and state not in STATES:
        return bad(f"The parameter state must be one of {', '.join(STATES)}.")
    if cursor is not None and not _CURSOR.fullmatch(cursor):
        return bad("The parameter cursor must be `next` of the page before.")
    if not _LIMIT.fullmatch(limit) or not 1 <= int(limit) <= DELIVERIES_PAGE_MAX:
        return bad(f"The parameter limit must be a whole number from 1 to {DELIVERIES_PAGE_MAX}.")
    return DeliveryPage(NEWEST if cursor is None else int(cursor), state, int(limit))
