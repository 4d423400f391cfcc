"""The oracle itself, on logs and stores made by hand: it must be able to say no."""

from __future__ import annotations

import ast
import json
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.faults.expected import Expected, LogRecord, judge, replay
from tests.faults.findings import Holdings, Progress, compare
from tests.faults.impressions import (
    EPOCH,
    MICRO,
    Refused,
    impression,
    micros,
    read_catalogue,
)
from tests.faults.poison import bad_values

HERE = Path(__file__).parent
CATALOGUE = read_catalogue(HERE.parents[1] / "schemas" / "catalogue.yaml")
TOPIC = "cx.touchpoints.v1"
HOUR = 1_767_225_600 // 3600  # 2026-01-01T00:00:00Z

Json = dict[str, Any]


def touched(
    event_id: str = "e1", *, data: Json | None = None, **envelope: str
) -> bytes:
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": "shop/storm",
        "type": "tactus.touchpoint.v1",
        "time": "2026-01-01T00:30:00Z",
        "subject": "customer:c1",
        "datacontenttype": "application/json",
        "receivedat": "2026-01-01T00:30:01Z",
        "data": {
            "touchpoint": "payment.failed",
            "channel": "web",
            "identities": [{"kind": "customer", "value": "c1"}],
        }
        | (data or {}),
    }
    return json.dumps(event | envelope).encode()


def logged(*values: bytes | None, part: int = 0) -> list[LogRecord]:
    return [
        LogRecord(TOPIC, part, offset, value) for offset, value in enumerate(values)
    ]


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
    for (source, event_id, _), (event, v, q) in expected.rows.items():
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
        {
            "origin": "aggregator",
            "reason": reason,
            "topic": topic,
            "part": part,
            "log_offset": offset,
        }
        for places, reason in (
            (expected.dead, "null_value"),
            (expected.conflicts, "conflict"),
        )
        for topic, part, offset in places
    ]
    progress = {}
    for home, (_, end) in ends(records).items():
        counts = {
            outcome: expected.outcomes[home][outcome]
            for outcome in ("applied", "duplicate", "conflict", "dead")
        }
        progress[home] = Progress(next=end, start=0, **counts, erased=0, lost=0)
    tallies = [
        dict(zip(names, key, strict=True)) | dict(zip(columns, tally, strict=True))
        for key, tally in expected.tallies.items()
    ]
    return Holdings(tallies, touchpoints, dead, progress)


OTHER_BODY = touched("e1", data={"text": "another body"})
HISTORY = [
    touched("e1"),
    touched("e2", data={"touchpoint": "order.completed"}),
    touched("e1"),
    OTHER_BODY,
    None,
    touched("e3", timeorigin="arrival", time="2026-01-01T00:40:00Z"),
    touched(
        "e3",
        timeorigin="arrival",
        time="2026-01-01T00:50:00Z",
        receivedat="2026-01-01T00:50:00Z",
    ),
]


@pytest.mark.parametrize("number", range(len(bad_values(random.Random(1)))))
def test_every_kind_of_poison_is_a_dead_letter(number: int) -> None:
    assert isinstance(judge(bad_values(random.Random(1))[number]), str)


@pytest.mark.parametrize(
    ("data", "valence"),
    [
        ({"touchpoint": "survey.nps", "rating": {"value": 3}}, -0.65),
        ({"touchpoint": "survey.nps", "rating": {"value": 9}}, 0.7),
        ({"touchpoint": "survey.csat", "rating": {"value": 4}}, 0.5),
        (
            {"touchpoint": "survey.csat", "rating": {"scale": "percent", "value": 25}},
            -0.5,
        ),
        ({"touchpoint": "call.answered", "properties": {"wait_seconds": 60}}, 0.116056),
        (
            {"touchpoint": "call.answered", "properties": {"wait_seconds": 420}},
            -0.849057,
        ),
        (
            {"touchpoint": "delivery.delivered", "properties": {"hours_late": -48}},
            0.189636,
        ),
        (
            {
                "touchpoint": "delivery.delivered",
                "properties": {"promised_at": "1970-01-01T00:00:00Z"},
            },
            -0.713495,
        ),
        ({"touchpoint": "x.thing", "valence": -3}, -1.0),
        ({"touchpoint": "payment.failed", "valence": 1}, -0.7),
    ],
)
def test_valences_are_the_golden_numbers(data: Json, valence: float) -> None:
    v, q = impression(CATALOGUE, data, 60 * 3600 * MICRO)

    assert v == pytest.approx(valence * MICRO, abs=1)
    assert q == MICRO


@pytest.mark.parametrize(
    "data",
    [
        {"touchpoint": "survey.nps", "rating": {"value": 11}},
        {"touchpoint": "survey.csat", "rating": {"value": 0}},
        {"touchpoint": "call.answered", "properties": {"wait_seconds": -1}},
        {"touchpoint": "payment.failed", "stake": 2.5},
    ],
)
def test_impossible_arguments_are_refused(data: Json) -> None:
    with pytest.raises(Refused):
        impression(CATALOGUE, data, 0)


def test_machine_made_and_unjudgeable_events_have_no_stake() -> None:
    scanned = {"touchpoint": "email.opened", "properties": {"machine_made": True}}

    assert impression(CATALOGUE, scanned, 0)[1] == 0
    assert impression(CATALOGUE, {"touchpoint": "survey.nps"}, 0) == (0, 0)
    assert impression(CATALOGUE, {"touchpoint": "x.thing"}, 0) == (0, 0)


def test_tallies_are_the_integers_of_the_definition() -> None:
    halves = {"touchpoint": "x.thing", "valence": 0.333333, "stake": 0.5}
    records = logged(touched("e1"), touched("e2"), touched("e3", data=halves))

    tallies = replay(records, CATALOGUE).tallies

    failed = ("customer:c1", "payment.failed", "web", "", HOUR)
    assert tallies[failed] == [2, 2_000_000, 0, 1_400_000, 0, 980_000, 0, 700_000]
    thing = ("customer:c1", "x.thing", "web", "", HOUR)
    assert tallies[thing] == [1, 500_000, 166_666, 0, 55_555, 0, 333_333, 0]


def test_each_record_has_one_outcome() -> None:
    expected = replay(logged(*HISTORY), CATALOGUE)

    assert expected.outcomes[TOPIC, 0] == {
        "applied": 3,
        "duplicate": 2,
        "conflict": 1,
        "dead": 1,
    }
    assert expected.conflicts == {(TOPIC, 0, 3)}
    assert expected.dead == {(TOPIC, 0, 4)}


def test_the_same_id_at_another_time_is_another_event() -> None:
    expected = replay(
        logged(touched("e1"), touched("e1", time="2026-01-01T00:31:00Z")), CATALOGUE
    )

    assert expected.outcomes[TOPIC, 0] == {"applied": 2}


def test_an_instant_is_the_same_in_any_zone() -> None:
    assert micros("2026-01-01T01:30:00.000001+01:00") == micros(
        "2026-01-01T00:30:00.000001Z"
    )


def test_what_ingest_adds_makes_no_conflict() -> None:
    first = touched(timeorigin="clamped", clienttime="2026-03-01T00:00:00Z")
    again = touched(
        timeorigin="clamped",
        clienttime="2026-03-01T00:00:00Z",
        time="2026-01-01T00:45:00Z",
        receivedat="2026-01-01T00:45:00Z",
    )

    assert replay(logged(first, again), CATALOGUE).outcomes[TOPIC, 0] == {
        "applied": 1,
        "duplicate": 1,
    }


def test_a_conflict_between_partitions_is_a_fault_of_the_workload() -> None:
    records = [
        *logged(touched("e1")),
        *logged(touched("e1", data={"text": "other"}), part=1),
    ]
    expected = replay(records, CATALOGUE)

    assert (
        compare(expected, truthful(expected, records), bounds=ends(records))["by_kind"][
            "workload_undecidable"
        ]
        == 1
    )


def test_a_truthful_store_has_no_violations() -> None:
    records = logged(*HISTORY)
    expected = replay(records, CATALOGUE)

    report = compare(expected, truthful(expected, records), bounds=ends(records))

    assert report["violations"] == 0, report["examples"]
    assert report["records"] == len(HISTORY)


Lie = Callable[[Holdings], Holdings]


def _first(rows: Sequence[Json], **changes: object) -> list[Json]:
    return [rows[0] | changes, *rows[1:]]


def _progress(holdings: Holdings, **changes: int) -> Holdings:
    home = (TOPIC, 0)
    return holdings._replace(
        progress={home: holdings.progress[home]._replace(**changes)}
    )


LIES: dict[str, tuple[str, Lie]] = {
    "an event counted twice": (
        "counted_twice",
        lambda held: held._replace(
            tallies=_first(held.tallies, n=held.tallies[0]["n"] + 1)
        ),
    ),
    "a tally one millionth off": (
        "tally_mismatch",
        lambda held: held._replace(
            tallies=_first(held.tallies, neg=held.tallies[0]["neg"] + 1)
        ),
    ),
    "a tally that is missing": (
        "not_counted",
        lambda held: held._replace(tallies=held.tallies[1:]),
    ),
    "a tally from nowhere": (
        "counted_twice",
        lambda held: held._replace(
            tallies=[*held.tallies, held.tallies[0] | {"hour": 1}]
        ),
    ),
    "an event that is not stored": (
        "touchpoint_missing",
        lambda held: held._replace(touchpoints=held.touchpoints[1:]),
    ),
    "an event stored twice": (
        "stored_twice",
        lambda held: held._replace(
            touchpoints=[*held.touchpoints, held.touchpoints[0]]
        ),
    ),
    "an event from nowhere": (
        "touchpoint_phantom",
        lambda held: held._replace(
            touchpoints=[*held.touchpoints, held.touchpoints[0] | {"event_id": "e9"}]
        ),
    ),
    "an event under another identity": (
        "touchpoint_mismatch",
        lambda held: held._replace(
            touchpoints=_first(held.touchpoints, identity="customer:c2")
        ),
    ),
    "another valence": (
        "touchpoint_mismatch",
        lambda held: held._replace(touchpoints=_first(held.touchpoints, valence=0.1)),
    ),
    "the body of the conflict": (
        "touchpoint_mismatch",
        lambda held: held._replace(
            touchpoints=_first(held.touchpoints, body=OTHER_BODY.decode())
        ),
    ),
    "a dead letter that is missing": (
        "dead_letter_mismatch",
        lambda held: held._replace(dead=held.dead[1:]),
    ),
    "a dead letter from nowhere": (
        "dead_letter_mismatch",
        lambda held: held._replace(dead=[*held.dead, held.dead[0] | {"log_offset": 0}]),
    ),
    "a conflict passed off as something else": (
        "dead_letter_mismatch",
        lambda held: held._replace(dead=[row | {"reason": "odd"} for row in held.dead]),
    ),
    "a record that was not read": (
        "partition_not_at_end",
        lambda held: _progress(held, next=6, applied=2),
    ),
    "a chunk counted by two workers": (
        "conservation",
        lambda held: _progress(held, duplicate=5),
    ),
    "a duplicate passed off as a conflict": (
        "outcome_mismatch",
        lambda held: _progress(held, duplicate=1, conflict=2),
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_store_that_lies_is_caught(lie: str) -> None:
    kind, tell = LIES[lie]
    records = logged(*HISTORY)
    expected = replay(records, CATALOGUE)

    report = compare(expected, tell(truthful(expected, records)), bounds=ends(records))

    assert report["by_kind"][kind] > 0
    assert report["violations"] > 0


def noted(
    status: str,
    event_id: str = "e1",
    *,
    variant: int = 0,
    time: str | None = "2026-01-01T00:30:00Z",
) -> Json:
    return {
        "id": event_id,
        "source": "storm",
        "time": time,
        "variant": variant,
        "status": status,
    }


SENT = [noted("sent"), noted("sent", "e2"), noted("sent", "e3", time=None)]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (noted("ok", "e9"), "lost"),
        (noted("ok", variant=7), "lost"),
        (noted("ok", time="2026-01-01T00:31:00Z"), "lost"),
        (noted("fail"), "refused_but_logged"),
        ({"status": "poison", "place": [TOPIC, 0, 5]}, "poison_not_dead"),
    ],
)
def test_a_ledger_that_the_log_contradicts_is_caught(line: Json, kind: str) -> None:
    records = logged(*HISTORY)
    expected = replay(records, CATALOGUE)

    report = compare(
        expected,
        truthful(expected, records),
        bounds=ends(records),
        ledger=[*SENT, line],
    )

    assert report["by_kind"][kind] == report["violations"] == 1


def test_an_acknowledged_event_that_the_store_lacks_is_lost() -> None:
    records = logged(*HISTORY)
    expected = replay(records, CATALOGUE)
    held = truthful(expected, records)
    held = held._replace(
        touchpoints=[row for row in held.touchpoints if row["event_id"] != "e2"]
    )

    report = compare(
        expected, held, bounds=ends(records), ledger=[*SENT, noted("ok", "e2")]
    )

    assert report["by_kind"]["lost_from_store"] == 1


def test_an_unknown_outcome_may_have_happened_or_not() -> None:
    records = logged(*HISTORY)
    expected = replay(records, CATALOGUE)
    lines = [*SENT, noted("unknown"), noted("sent", "e9"), noted("unknown", "e9")]

    report = compare(
        expected, truthful(expected, records), bounds=ends(records), ledger=lines
    )

    assert report["violations"] == 0


def test_events_that_nobody_sent_are_caught() -> None:
    records = logged(*HISTORY)
    expected = replay(records, CATALOGUE)

    report = compare(
        expected, truthful(expected, records), bounds=ends(records), ledger=SENT[1:]
    )

    assert report["by_kind"]["never_sent"] == 1


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {
                node.module or "",
                *(f"{node.module}.{alias.name}" for alias in node.names),
            }
    return names


def test_the_oracle_shares_no_code_with_the_services() -> None:
    seen: set[Path] = set()
    waiting = [HERE / "oracle.py"]
    foreign: set[str] = set()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        for name in imported(path):
            foreign |= (
                {name}
                if name.split(".")[0]
                in {"services", "schemas", "aiokafka", "importlib"}
                else set()
            )
            own = HERE.parents[1] / f"{name.replace('.', '/')}.py"
            if name.startswith("tests.") and own.exists() and own not in seen:
                waiting.append(own)

    assert {path.name for path in seen} == {
        "oracle.py",
        "expected.py",
        "findings.py",
        "impressions.py",
        "ledger.py",
    }
    assert not foreign
