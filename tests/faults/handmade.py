"""Small logs, and stores that tell the truth about them, made by hand for the tests of the oracle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.faults.expected import Expected, LogRecord
from tests.faults.findings import Holdings, Progress, compare
from tests.faults.persons import read_model, readings
from tests.reference.impressions import EPOCH, MICRO
from tests.reference.promises import read_book

HERE = Path(__file__).parent
BOOK = read_book(HERE.parents[1] / "schemas" / "catalogue.yaml")
CATALOGUE = BOOK.valences
MODEL = read_model(HERE.parents[1] / "schemas" / "catalogue.yaml")
TOPIC = "cx.touchpoints.v1"
HOUR = 1_767_225_600 // 3600  # 2026-01-01T00:00:00Z

Json = dict[str, Any]


def touched(event_id: str = "e1", *, data: Json | None = None, **envelope: str) -> bytes:
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": "shop/storm",
        "type": "tactus.touchpoint.v1",
        "time": "2026-01-01T00:30:00Z",
        "subject": "customer:c1",
        "datacontenttype": "application/json",
        "receivedat": "2026-01-01T00:30:01Z",
        "data": {"touchpoint": "payment.failed", "channel": "web", "identities": [{"kind": "customer", "value": "c1"}]}
        | (data or {}),
    }
    return json.dumps(event | envelope).encode()


def logged(*values: bytes | None, part: int = 0) -> list[LogRecord]:
    return [LogRecord(TOPIC, part, offset, value) for offset, value in enumerate(values)]


def ends(records: list[LogRecord]) -> dict[tuple[str, int], tuple[int, int]]:
    bounds: dict[tuple[str, int], tuple[int, int]] = {}
    for record in records:
        bounds[record.topic, record.part] = (0, record.offset + 1)
    return bounds


def truthful(expected: Expected, records: list[LogRecord]) -> Holdings:
    """A store that holds exactly what the log says."""
    names = ("identity", "touchpoint", "channel", "place", "hour")
    columns = ("n", "q", "pos", "neg", "pos2", "neg2", "best", "worst")
    touchpoints = []
    for (source, event_id), (event, v, q) in expected.rows.items():
        touchpoints.append(
            {
                "source": source,
                "event_id": event_id,
                "identity": event.identity,
                "touchpoint": event.data["touchpoint"],
                "channel": event.data["channel"],
                "place": event.data.get("place", ""),
                "occurred_at": EPOCH + timedelta(microseconds=event.occurred_us),
                "received_at": EPOCH + timedelta(microseconds=event.received_us),
                "valence": v / MICRO,
                "stake": q / MICRO,
                "body": event.text,
            }
        )
    dead = [
        {"origin": "aggregator", "reason": reason, "topic": topic, "part": part, "log_offset": offset}
        for places, reason in ((expected.dead, "null_value"), (expected.conflicts, "conflict"))
        for topic, part, offset in places
    ]
    progress = {}
    for home, (_, end) in ends(records).items():
        counts = {outcome: expected.outcomes[home][outcome] for outcome in ("applied", "duplicate", "conflict", "dead")}
        progress[home] = Progress(next=end, start=0, **counts, erased=0, lost=0)
    persons = {name: row.event.identity for row in expected.rows.values() for name in row.event.named}
    scores = []
    for person in sorted(set(persons.values())):
        own = {key: tally for key, tally in expected.tallies.items() if persons[key[0]] == person}
        read = readings(own, at_hour=HOUR, model=MODEL)
        row: Json = {"person_id": person, "as_of": EPOCH + timedelta(hours=HOUR)}
        for suffix, (score, confidence) in read.items():
            row |= {f"score{suffix}": score, f"confidence{suffix}": confidence}
        scores.append(row)
    tallies = [
        dict(zip(names, key, strict=True)) | dict(zip(columns, tally, strict=True))
        for key, tally in expected.tallies.items()
    ]
    alerts = [{"alert": "a1", "state": "open"}, {"alert": "a2", "state": "closed"}]
    steps = [{"alert": one, "state": state} for one, state in (("a1", "opened"), ("a2", "opened"), ("a2", "closed"))]
    return Holdings(tallies, touchpoints, dead, progress, persons, scores, alerts, steps)


def judged(expected: Expected, held: Holdings, records: list[LogRecord], *, ledger: Sequence[Json] = ()) -> Json:
    return compare(expected, held, model=MODEL, book=BOOK, bounds=ends(records), ledger=ledger)


OTHER_BODY = touched("e1", data={"text": "another body"})
HISTORY = [
    touched("e1"),
    touched("e2", data={"touchpoint": "order.completed"}),
    touched("e1"),
    OTHER_BODY,
    None,
    touched("e3", timeorigin="arrival", time="2026-01-01T00:40:00Z"),
    touched("e3", timeorigin="arrival", time="2026-01-01T00:50:00Z", receivedat="2026-01-01T00:50:00Z"),
]
