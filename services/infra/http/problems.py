"""Answer with a problem of the one table: its body as RFC 9457 has it, and the headers that its status comes with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from schemas.problem import MEDIA_TYPE, PROBLEMS
from services.infra.http.answer import Answer

RETRY_AFTER_S: Final = 2
"""The log is looked for twice a second, a restarted database answers within a second or two, and requests under way are
answered within a few: by then most of what was in the way is gone."""


class Refused(NamedTuple):
    """A whole request is refused: a row of the table of problems, and perhaps more exact words than the row's."""

    slug: str
    detail: str = ""
    retry_after_s: int = RETRY_AFTER_S


NOTHING_MORE: Final[Mapping[str, object]] = {}


def refusal(refused: Refused, members: Mapping[str, object] = NOTHING_MORE) -> Answer:
    """Answer a request that is refused; `members` are RFC 9457 extensions of its problem."""
    row = PROBLEMS[refused.slug]
    body = {
        "type": row.uri,
        "title": row.title,
        "status": row.status,
        "detail": refused.detail or row.remedy,
        **members,
    }
    headers = _headers(row.status, refused.retry_after_s)
    return Answer(row.status, msgspec.json.encode(body), MEDIA_TYPE, headers, row.slug)


def of_status(status: int) -> Refused:
    """Refuse what a router has no answer for."""
    match status:
        case 404:
            return Refused("not-found")
        case 405:
            return Refused("method-not-allowed")
        case _:
            return Refused("internal")


def _headers(status: int, retry_after_s: int) -> Mapping[str, str]:
    match status:
        case 401:
            return {"WWW-Authenticate": 'Bearer realm="tactus"'}
        case 408 | 413:
            # What is left of the body is not worth reading: the connection ends with the answer.
            return {"Connection": "close"}
        case 429 | 503:
            return {"Retry-After": str(retry_after_s)}
        case _:
            return {}
