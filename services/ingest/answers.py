"""What the door answers: verdicts for each event, or a problem of the table; never a word of the input."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from schemas.problem import MEDIA_TYPE, PROBLEMS
from schemas.touchpoint import ID_PATTERN
from services.ingest.judge import Accepted
from services.ingest.refusal import Reason, Refused, Rejected

RETRY_AFTER_S: Final = 2
"""The breaker looks for the log twice a second, so that by then a short absence is over."""

_ID: Final = re.compile(ID_PATTERN.removesuffix("$"))


class Answer(NamedTuple):
    """One HTTP answer."""

    status: int
    body: bytes
    media_type: str = "application/json"
    headers: Mapping[str, str] = {}


class Verdict(NamedTuple):
    """What became of one event; the id is the event's own, or None when it has no valid one."""

    event_id: str | None
    outcome: Accepted | Rejected


def valid_id(event: object) -> str | None:
    """Return the event's id if it may be repeated in an answer."""
    event_id = event.get("id") if isinstance(event, dict) else None
    return event_id if isinstance(event_id, str) and _ID.fullmatch(event_id) else None


def of_verdicts(verdicts: Sequence[Verdict]) -> Answer:
    """Answer a request that was read: 202 when the log has at least one of its events."""
    results = [_result(index, verdict) for index, verdict in enumerate(verdicts)]
    if any(isinstance(verdict.outcome, Accepted) for verdict in verdicts):
        return Answer(202, msgspec.json.encode({"results": results}))
    reasons = {verdict.outcome.reason for verdict in verdicts if isinstance(verdict.outcome, Rejected)}
    slug = "body-too-large" if reasons == {Reason.TOO_LARGE} else "invalid-event"
    return _problem(Refused(slug), {"results": results})


def of_refusal(refused: Refused) -> Answer:
    """Answer a request that is refused as a whole."""
    return _problem(refused, {})


def _result(index: int, verdict: Verdict) -> dict[str, object]:
    match verdict.outcome:
        case Accepted():
            return {"index": index, "id": verdict.event_id, "status": "accepted", "durable": "log"}
        case Rejected(reason, detail):
            return {"index": index, "id": verdict.event_id, "status": "rejected", "reason": reason, "detail": detail}


def _problem(refused: Refused, extension: Mapping[str, object]) -> Answer:
    row = PROBLEMS[refused.slug]
    body = {
        "type": row.uri,
        "title": row.title,
        "status": row.status,
        "detail": refused.detail or row.remedy,
        **extension,
    }
    return Answer(row.status, msgspec.json.encode(body), MEDIA_TYPE, _headers(row.status))


def _headers(status: int) -> Mapping[str, str]:
    match status:
        case 401:
            return {"WWW-Authenticate": 'Bearer realm="tactus"'}
        case 408 | 413:
            # What is left of the body is not worth reading: the connection ends with the answer.
            return {"Connection": "close"}
        case 429 | 503:
            return {"Retry-After": str(RETRY_AFTER_S)}
        case _:
            return {}
