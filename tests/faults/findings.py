"""Compare what the store holds with what the log says, and with what clients were told."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from tests.faults.expected import HOUR_US, Event, EventKey, Expected, Partition, Said, judge
from tests.faults.persons import about_the_same, persons_of, readings, readings_with_promises
from tests.reference.impressions import EPOCH, MICRO, micros
from tests.reference.promises import Book, Told
from tests.reference.scoring import Model

EXAMPLES: Final = 5
"""Of each kind of violation the report shows so many."""

SCORE_PRECISION: Final = 1e-9
"""Sums in the same order; only the last bits of a product may differ."""

Row = dict[str, Any]


class Progress(NamedTuple):
    """One row of partition_progress, without its fence."""

    next: int
    start: int
    applied: int
    duplicate: int
    conflict: int
    dead: int
    erased: int
    lost: int


class Holdings(NamedTuple):
    """What the store says."""

    tallies: Sequence[Row]
    touchpoints: Sequence[Row]
    dead: Sequence[Row]
    progress: Mapping[Partition, Progress]
    persons: Mapping[str, str]
    scores: Sequence[Row]
    alerts: Sequence[Row] = ()
    """Each with its state."""
    steps: Sequence[Row] = ()
    """What others are told of alerts: of which, and what has happened."""


class Findings:
    """Counts of violations by kind, with a few examples of each."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.examples: dict[str, list[str]] = {}

    def add(self, kind: str, found: Iterable[object]) -> None:
        """Count a kind of violation; a kind that was looked for and not found counts 0."""
        listed = sorted(str(one) for one in found)
        self.counts[kind] = self.counts.get(kind, 0) + len(listed)
        if listed:
            self.examples.setdefault(kind, []).extend(listed[:EXAMPLES])


def compare(
    expected: Expected,
    holdings: Holdings,
    *,
    model: Model,
    book: Book,
    bounds: Mapping[Partition, tuple[int, int]],
    ledger: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Every violation, and the counts behind the verdict."""
    findings = Findings()
    findings.add("workload_undecidable", expected.undecidable)
    stored = _stored_keys(holdings, findings)
    _compare_tallies(expected, holdings, findings)
    _compare_touchpoints(expected, stored, findings)
    _compare_dead_letters(expected, holdings, bounds, findings)
    _compare_conservation(expected, holdings, bounds, findings)
    _compare_scores(expected, holdings, model, book, findings)
    _compare_alerts(holdings, findings)
    outcomes = sum(expected.outcomes.values(), Counter[str]())
    report: dict[str, Any] = {
        "records": outcomes.total(),
        "outcomes": dict(outcomes),
        "events": len(expected.rows),
        "tallies": len(expected.tallies),
        **_compare_ledger(expected, stored, ledger, findings),
    }
    return report | {
        "violations": sum(findings.counts.values()),
        "by_kind": findings.counts,
        "examples": findings.examples,
    }


def _compare_alerts(holdings: Holdings, findings: Findings) -> None:
    """Each alert opens once, and is told of as it stands: no transaction that was cut off has left half of it."""
    told: dict[str, Counter[str]] = {}
    for step in holdings.steps:
        told.setdefault(step["alert"], Counter())[step["state"]] += 1
    states = {row["alert"]: row["state"] for row in holdings.alerts}
    findings.add("alert_told_twice", (one for one, steps in told.items() if max(steps.values()) > 1))
    findings.add("alert_phantom", told.keys() - states.keys())
    findings.add("alert_untold", (one for one, state in states.items() if not _told_as(state, told.get(one))))


def _told_as(state: str, steps: Counter[str] | None) -> bool:
    over = {name for name in ("closed", "withdrawn") if steps is not None and steps[name]}
    return steps is not None and steps["opened"] == 1 and over == ({state} - {"open"})


def _line(*parts: object) -> str:
    return json.dumps(parts, ensure_ascii=False)


def _compare_tallies(expected: Expected, holdings: Holdings, findings: Findings) -> None:
    keys = ("identity", "touchpoint", "channel", "place", "hour")
    columns = ("n", "q", "pos", "neg", "pos2", "neg2", "best", "worst")
    stored = {tuple(row[name] for name in keys): [row[name] for name in columns] for row in holdings.tallies}
    wanted: dict[Any, list[int]] = dict(expected.tallies)
    lines = [_line(key, tally) for key, tally in wanted.items()]
    findings.add("tally_mismatch", set(lines) ^ {_line(key, tally) for key, tally in stored.items()})
    nothing = [0]
    surplus = {key: tally[0] - wanted.get(key, nothing)[0] for key, tally in stored.items()}
    findings.add("counted_twice", (key for key, extra in surplus.items() for _ in range(extra)))
    missing = {key: tally[0] - stored.get(key, nothing)[0] for key, tally in wanted.items()}
    findings.add("not_counted", (key for key, short in missing.items() for _ in range(short)))


def _stored_keys(holdings: Holdings, findings: Findings) -> dict[EventKey, Row]:
    stored: dict[EventKey, Row] = {}
    twice: list[EventKey] = []
    for row in holdings.touchpoints:
        key = (row["source"], row["event_id"])
        if key in stored:
            twice.append(key)
        stored[key] = row
    findings.add("stored_twice", twice)
    return stored


def _us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _compare_touchpoints(expected: Expected, stored: Mapping[EventKey, Row], findings: Findings) -> None:
    findings.add("touchpoint_missing", expected.rows.keys() - stored.keys())
    findings.add("touchpoint_phantom", stored.keys() - expected.rows.keys())
    wrong = []
    for key in expected.rows.keys() & stored.keys():
        row, wanted = stored[key], expected.rows[key]
        body = judge(row["body"].encode())
        if row["body"] not in expected.texts[key] or not isinstance(body, Event):
            wrong.append((key, "body"))
            continue
        data = body.data
        names = (body.identity, data["touchpoint"], data["channel"], data.get("place", ""))
        facts = (*names, body.occurred_us, body.received_us, wanted.q)
        shown = tuple(row[name] for name in ("identity", "touchpoint", "channel", "place"))
        times = (_us(row["occurred_at"]), _us(row["received_at"]), round(row["stake"] * MICRO))
        # An impression without a stake has no effect, so its valence is nobody's business.
        if facts != (*shown, *times) or (wanted.q and round(row["valence"] * MICRO) != wanted.v):
            wrong.append((key, _line(facts, wanted.v, *shown, *times, row["valence"])))
    findings.add("touchpoint_mismatch", wrong)


def _compare_dead_letters(
    expected: Expected, holdings: Holdings, bounds: Mapping[Partition, tuple[int, int]], findings: Findings
) -> None:
    refused = {
        (topic, part, offset)
        for (topic, part), (start, end) in bounds.items()
        if ".dlq." in topic
        for offset in range(start, end)
    }
    wanted = {
        *((*place, "aggregator", False) for place in expected.dead),
        *((*place, "aggregator", True) for place in expected.conflicts),
        *((*place, "ingest", False) for place in refused),
    }
    stored = [
        (row["topic"], row["part"], row["log_offset"], row["origin"], row["reason"] == "conflict")
        for row in holdings.dead
    ]
    findings.add("dead_letter_mismatch", wanted ^ set(stored))
    findings.add("dead_letter_twice", (place for place, times in Counter(stored).items() for _ in range(times - 1)))


def _compare_conservation(
    expected: Expected, holdings: Holdings, bounds: Mapping[Partition, tuple[int, int]], findings: Findings
) -> None:
    contested = expected.contested()
    unread, unbalanced, miscounted = [], [], []
    total: Counter[str] = Counter()
    for home, (start, end) in bounds.items():
        stands = holdings.progress.get(home) or Progress(start, start, 0, 0, 0, 0, 0, 0)
        if stands.next != end:
            unread.append((home, stands.next, end))
        if ".dlq." in home[0]:
            continue
        accounted = stands.applied + stands.duplicate + stands.conflict + stands.dead + stands.erased + stands.lost
        if accounted != stands.next - stands.start:
            unbalanced.append((home, accounted, stands.next - stands.start))
        counted = Counter({name: getattr(stands, name) for name in ("applied", "duplicate", "conflict", "dead")})
        total += counted
        if home not in contested and counted != expected.outcomes.get(home, Counter()):
            miscounted.append((home, +counted, expected.outcomes.get(home)))
    wanted = sum(expected.outcomes.values(), Counter[str]())
    if total != wanted:
        miscounted.append((("all", 0), total, wanted))
    findings.add("partition_not_at_end", unread)
    findings.add("conservation", unbalanced)
    findings.add("outcome_mismatch", miscounted)


def _compare_scores(expected: Expected, holdings: Holdings, model: Model, book: Book, findings: Findings) -> None:
    events = [row.event for row in expected.rows.values()]
    wanted = persons_of((event.named for event in events), (event.alias for event in events if event.alias))
    wrong = [(identity, person) for identity, person in wanted.items() if holdings.persons.get(identity) != person]
    findings.add("person_mismatch", wrong)
    owned: dict[str, dict[Any, list[int]]] = {}
    for key, tally in expected.tallies.items():
        owned.setdefault(holdings.persons.get(key[0], key[0]), {})[key] = tally
    scores = {row["person_id"]: row for row in holdings.scores}
    findings.add("score_missing", owned.keys() ^ scores.keys())
    promised = _promised(expected, holdings)
    off = []
    for person in owned.keys() & scores.keys():
        row = scores[person]
        at_hour = _us(row["as_of"]) // HOUR_US
        if person in promised:
            told, mine = promised[person]
            read = readings_with_promises(told, mine=mine, at_hour=at_hour, model=model, book=book)
        else:
            read = readings(owned[person], at_hour=at_hour, model=model)
        for suffix, (score, confidence) in read.items():
            stored = row[f"score{suffix}"], row[f"confidence{suffix}"]
            if any(abs(one - other) > SCORE_PRECISION for one, other in zip(stored, (score, confidence), strict=True)):
                off.append((person, suffix, stored, (score, confidence)))
    findings.add("score_mismatch", off)


def _promised(expected: Expected, holdings: Holdings) -> dict[str, tuple[list[Told], set[int]]]:
    """Of each person who has named an order or a case: own events, all that are about the same, and own identities."""
    number = {identity: place for place, identity in enumerate(sorted(holdings.persons))}
    scored = [row.event for row in expected.rows.values() if not (row.event.classed or row.event.data.get("class"))]
    own: dict[str, list[Event]] = {}
    for event in scored:
        own.setdefault(holdings.persons.get(event.identity, event.identity), []).append(event)
    beside: dict[str, list[Event]] = {}
    for together in about_the_same(scored):
        for person in {holdings.persons.get(event.identity, event.identity) for event in together}:
            beside.setdefault(person, []).extend(together)
    found = {}
    for person, others in beside.items():
        events = {event.key: event for event in (*own[person], *others)}
        mine = {number[identity] for identity, whose in holdings.persons.items() if whose == person}
        found[person] = [event.told(number[event.identity]) for event in events.values()], mine
    return found


def _compare_ledger(
    expected: Expected, stored: Mapping[EventKey, Row], ledger: Sequence[Mapping[str, Any]], findings: Findings
) -> dict[str, int]:
    said: dict[str, set[Said]] = {status: set() for status in ("sent", "ok", "fail", "unknown")}
    poison: set[tuple[Any, ...]] = set()
    for line in ledger:
        if line["status"] == "poison":
            poison.add(tuple(line["place"]))
            continue
        time = line["time"]
        sent = (line["source"], line["id"], None if time is None else micros(time), line["variant"])
        said[line["status"]].add(sent)
    # The stored source is the key's, a slash, and the client's own.
    logged = {(source.partition("/")[2], *rest): key for (source, *rest), key in expected.said.items()}
    acknowledged = said["ok"] & logged.keys()
    findings.add("lost", said["ok"] - acknowledged)
    findings.add("lost_from_store", (sent for sent in acknowledged if logged[sent] not in stored))
    findings.add("refused_but_logged", said["fail"] & logged.keys())
    findings.add("never_sent", logged.keys() - said["sent"] if ledger else ())
    findings.add("poison_not_dead", poison - expected.dead)
    return {
        "acknowledged": len(said["ok"]),
        "refused": len(said["fail"]),
        "unknown": len(said["sent"] - said["ok"] - said["fail"]),
        "poison": len(poison),
    }
