"""The oracle itself, on stores that lie: it must be able to say no."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.faults.expected import replay
from tests.faults.findings import Holdings
from tests.faults.handmade import BOOK, HISTORY, OTHER_BODY, TOPIC, Json, judged, logged, touched, truthful

HERE = Path(__file__).parent


def test_a_conflict_between_partitions_is_a_fault_of_the_workload() -> None:
    records = [*logged(touched("e1")), *logged(touched("e1", data={"text": "other"}), part=1)]
    expected = replay(records, BOOK)

    assert judged(expected, truthful(expected, records), records)["by_kind"]["workload_undecidable"] == 1


def test_a_truthful_store_has_no_violations() -> None:
    records = logged(*HISTORY)
    expected = replay(records, BOOK)

    report = judged(expected, truthful(expected, records), records)

    assert report["violations"] == 0, report["examples"]
    assert report["records"] == len(HISTORY)


Lie = Callable[[Holdings], Holdings]


def _first(rows: Sequence[Json], **changes: object) -> list[Json]:
    return [rows[0] | changes, *rows[1:]]


def _progress(holdings: Holdings, **changes: int) -> Holdings:
    home = (TOPIC, 0)
    return holdings._replace(progress={home: holdings.progress[home]._replace(**changes)})


def _scores(held: Holdings, **changes: object) -> Holdings:
    return held._replace(scores=_first(held.scores, **changes))


LIES: dict[str, tuple[str, Lie]] = {
    "an event counted twice": (
        "counted_twice",
        lambda held: held._replace(tallies=_first(held.tallies, n=held.tallies[0]["n"] + 1)),
    ),
    "a tally one millionth off": (
        "tally_mismatch",
        lambda held: held._replace(tallies=_first(held.tallies, neg=held.tallies[0]["neg"] + 1)),
    ),
    "a tally that is missing": ("not_counted", lambda held: held._replace(tallies=held.tallies[1:])),
    "a tally from nowhere": (
        "counted_twice",
        lambda held: held._replace(tallies=[*held.tallies, held.tallies[0] | {"hour": 1}]),
    ),
    "an event that is not stored": ("touchpoint_missing", lambda held: held._replace(touchpoints=held.touchpoints[1:])),
    "an event stored twice": (
        "stored_twice",
        lambda held: held._replace(touchpoints=[*held.touchpoints, held.touchpoints[0]]),
    ),
    "an event from nowhere": (
        "touchpoint_phantom",
        lambda held: held._replace(touchpoints=[*held.touchpoints, held.touchpoints[0] | {"event_id": "e9"}]),
    ),
    "an event under another identity": (
        "touchpoint_mismatch",
        lambda held: held._replace(touchpoints=_first(held.touchpoints, identity="customer:c2")),
    ),
    "another valence": (
        "touchpoint_mismatch",
        lambda held: held._replace(touchpoints=_first(held.touchpoints, valence=0.1)),
    ),
    "the body of the conflict": (
        "touchpoint_mismatch",
        lambda held: held._replace(touchpoints=_first(held.touchpoints, body=OTHER_BODY.decode())),
    ),
    "a dead letter that is missing": ("dead_letter_mismatch", lambda held: held._replace(dead=held.dead[1:])),
    "a dead letter from nowhere": (
        "dead_letter_mismatch",
        lambda held: held._replace(dead=[*held.dead, held.dead[0] | {"log_offset": 0}]),
    ),
    "a conflict passed off as something else": (
        "dead_letter_mismatch",
        lambda held: held._replace(dead=[row | {"reason": "odd"} for row in held.dead]),
    ),
    "a score from an outdated memory": ("score_mismatch", lambda held: _scores(held, score=50.0)),
    "a window from an outdated memory": ("score_mismatch", lambda held: _scores(held, confidence_7d=0.0)),
    "nobody's score": ("score_missing", lambda held: _scores(held, person_id="customer:c9")),
    "a person under another name": (
        "person_mismatch",
        lambda held: held._replace(persons={"customer:c1": "customer:c2"}),
    ),
    "an alert that was raised twice": (
        "alert_told_twice",
        lambda held: held._replace(steps=[*held.steps, held.steps[0]]),
    ),
    "an alert that nobody was told of": ("alert_untold", lambda held: held._replace(steps=held.steps[1:])),
    "an alert that closed in silence": ("alert_untold", lambda held: held._replace(steps=held.steps[:2])),
    "an alert from nowhere": ("alert_phantom", lambda held: held._replace(alerts=held.alerts[1:])),
    "a record that was not read": ("partition_not_at_end", lambda held: _progress(held, next=6, applied=2)),
    "a chunk counted by two workers": ("conservation", lambda held: _progress(held, duplicate=5)),
    "a duplicate passed off as a conflict": ("outcome_mismatch", lambda held: _progress(held, duplicate=1, conflict=2)),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_store_that_lies_is_caught(lie: str) -> None:
    kind, tell = LIES[lie]
    records = logged(*HISTORY)
    expected = replay(records, BOOK)

    report = judged(expected, tell(truthful(expected, records)), records)

    assert report["by_kind"][kind] > 0
    assert report["violations"] > 0


def noted(status: str, event_id: str = "e1", *, variant: int = 0, time: str | None = "2026-01-01T00:30:00Z") -> Json:
    return {"id": event_id, "source": "storm", "time": time, "variant": variant, "status": status}


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
    expected = replay(records, BOOK)

    report = judged(expected, truthful(expected, records), records, ledger=[*SENT, line])

    assert report["by_kind"][kind] == report["violations"] == 1


def test_an_acknowledged_event_that_the_store_lacks_is_lost() -> None:
    records = logged(*HISTORY)
    expected = replay(records, BOOK)
    held = truthful(expected, records)
    held = held._replace(touchpoints=[row for row in held.touchpoints if row["event_id"] != "e2"])

    report = judged(expected, held, records, ledger=[*SENT, noted("ok", "e2")])

    assert report["by_kind"]["lost_from_store"] == 1


def test_an_unknown_outcome_may_have_happened_or_not() -> None:
    records = logged(*HISTORY)
    expected = replay(records, BOOK)
    lines = [*SENT, noted("unknown"), noted("sent", "e9"), noted("unknown", "e9")]

    report = judged(expected, truthful(expected, records), records, ledger=lines)

    assert report["violations"] == 0


def test_events_that_nobody_sent_are_caught() -> None:
    records = logged(*HISTORY)
    expected = replay(records, BOOK)

    report = judged(expected, truthful(expected, records), records, ledger=SENT[1:])

    assert report["by_kind"]["never_sent"] == 1


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_the_oracle_shares_no_code_with_the_services() -> None:
    seen: set[Path] = set()
    waiting = [HERE / "oracle.py"]
    foreign: set[str] = set()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        for name in imported(path):
            foreign |= {name} if name.split(".")[0] in {"services", "schemas", "aiokafka", "importlib"} else set()
            own = HERE.parents[1] / f"{name.replace('.', '/')}.py"
            if name.startswith("tests.") and own.exists() and own not in seen:
                waiting.append(own)

    assert {path.name for path in seen} == {
        "oracle.py",
        "expected.py",
        "findings.py",
        "impressions.py",
        "ledger.py",
        "persons.py",
        "promises.py",
        "scoring.py",
        "told.py",
    }
    assert not foreign
