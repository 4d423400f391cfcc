"""Count requests and events, under labels that cannot grow."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.problem import PROBLEMS
from services.infra.http.problems import Refused
from services.infra.metrics import (
    CLAIMS_LEFT_OUT,
    INGEST_CLASSED,
    INGEST_EVENTS,
    INGEST_REQUEST_SECONDS,
    INGEST_REQUESTS,
    UNKNOWN_TOUCHPOINTS,
    label_of,
)
from services.ingest.answers import Verdict
from services.ingest.batch import Judged
from services.ingest.judge import Accepted
from services.ingest.rejection import Reason, Rejected


class Meter:
    """Knows the channels that may be labels: the catalogue's."""

    def __init__(self, channels: frozenset[str]) -> None:
        self._channels = channels

    def request(self, adapter: str, outcome: Judged | Refused, *, seconds: float) -> None:
        """Count a request that is about to be answered by what became of it, whatever status its channel gives that."""
        if isinstance(outcome, Refused):
            INGEST_REQUESTS.labels("other", _meaning_of_status(PROBLEMS[outcome.slug].status)).inc()
        else:
            channel = self._events(outcome.verdicts)
            claims = sum(one.claims_left_out for one in outcome.incoming)
            if claims:
                CLAIMS_LEFT_OUT.labels(adapter).inc(claims)
            INGEST_REQUESTS.labels(channel, _meaning_of_verdicts(outcome.verdicts)).inc()
        INGEST_REQUEST_SECONDS.observe(seconds)

    def _events(self, verdicts: Sequence[Verdict]) -> str:
        """Count the events of a request; return the channel that it counts under."""
        counts: dict[tuple[str, str], int] = {}
        for verdict in verdicts:
            channel, outcome = "other", "rejected"
            if isinstance(verdict.outcome, Accepted):
                channel = label_of(verdict.outcome.channel, known=self._channels)
                outcome = "accepted"
                if verdict.outcome.event_class:
                    INGEST_CLASSED.labels(verdict.outcome.event_class).inc()
                if not verdict.outcome.known:
                    UNKNOWN_TOUCHPOINTS.inc()
            counts[channel, outcome] = counts.get((channel, outcome), 0) + 1
        for (channel, outcome), count in counts.items():
            INGEST_EVENTS.labels(channel, outcome).inc(count)
        channels = {channel for channel, outcome in counts if outcome == "accepted"}
        return channels.pop() if len(channels) == 1 else "other"


def _meaning_of_verdicts(verdicts: Sequence[Verdict]) -> str:
    rejected = [verdict.outcome for verdict in verdicts if isinstance(verdict.outcome, Rejected)]
    if len(rejected) < len(verdicts) or not verdicts:
        return "accepted"
    return "limited" if all(one.reason is Reason.TOO_MANY for one in rejected) else "refused"


def _meaning_of_status(status: int) -> str:
    match status:
        case 401:
            return "unauthorized"
        case 429:
            return "limited"
        case 503:
            return "unavailable"
        case 500:
            return "failed"
        case _:
            return "refused"
