"""What the door answers to a request that it read: a verdict on each event, never a word of the input."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from schemas.touchpoint import ID_PATTERN
from services.infra.http.answer import Answer
from services.infra.http.problems import Refused, refusal
from services.ingest.hints import Hints
from services.ingest.judge import Accepted
from services.ingest.rejection import Reason, Rejected

_ID: Final = re.compile(ID_PATTERN.removesuffix("$"))


class Verdict(NamedTuple):
    """What became of one event; the id is the event's own, or None when it has no valid one."""

    event_id: str | None
    outcome: Accepted | Rejected


def valid_id(event: object) -> str | None:
    """Return the event's id if it may be repeated in an answer."""
    event_id = event.get("id") if isinstance(event, dict) else None
    return event_id if isinstance(event_id, str) and _ID.fullmatch(event_id) else None


def of_verdicts(verdicts: Sequence[Verdict], *, durable: str, hints: Hints) -> Answer:
    """Answer a request that was read: 202 when at least one of its events is durable, or there was none to keep."""
    kept = [verdict.outcome for verdict in verdicts if isinstance(verdict.outcome, Accepted)]
    hint_on = hints.on(accepted.touchpoint for accepted in kept if not accepted.known)
    results = [_result(index, verdict, durable, hint_on) for index, verdict in enumerate(verdicts)]
    if kept or not verdicts:
        return Answer(202, msgspec.json.encode({"results": results}))
    waits_s = [verdict.outcome.retry_after_s for verdict in verdicts if isinstance(verdict.outcome, Rejected)]
    if all(waits_s):
        return refusal(Refused("too-many-requests", retry_after_s=max(waits_s)), {"results": results})
    reasons = {verdict.outcome.reason for verdict in verdicts if isinstance(verdict.outcome, Rejected)}
    slug = "body-too-large" if reasons == {Reason.TOO_LARGE} else "invalid-event"
    return refusal(Refused(slug), {"results": results})


def _result(index: int, verdict: Verdict, durable: str, hint_on: Mapping[str, str]) -> dict[str, object]:
    match verdict.outcome:
        case Accepted(touchpoint=touchpoint, hint=own):
            kept: dict[str, object] = {"index": index, "id": verdict.event_id, "status": "accepted", "durable": durable}
            hint = "; ".join(part for part in (hint_on.get(touchpoint, ""), own) if part)
            return {**kept, "hint": hint} if hint else kept
        case Rejected(reason, detail, retry_after_s):
            told: dict[str, object] = {
                "index": index,
                "id": verdict.event_id,
                "status": "rejected",
                "reason": reason,
                "detail": detail,
            }
            return told if not retry_after_s else {**told, "retry_after_s": retry_after_s}
