"""What `tactus doctor` says of sources and tills."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from services.commands.examine import Level
from services.commands.examine_sources import RUNBOOK, judge_heard, judge_notes, judge_tills
from services.core.rhythm import Health
from services.infra.sources import Source
from services.state.source_health import NOTHING, WAITING_MAX, Day, SourceHealth, TillTotals, TillTrouble, unheard

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = date(2026, 6, 1)
KINDS = {"web": "browser", "shop": "server", "store": "till"}
CONFIGURED = {
    name: Source.model_validate({"name": name, "kind": kind, "keys_sha256": ["0" * 64]}) for name, kind in KINDS.items()
}


def heard(source: str, health: Health = Health.OK, *, day: Day = NOTHING) -> SourceHealth:
    last = NOW - timedelta(hours=5)
    return SourceHealth(source, NOW - timedelta(days=40), last, day, 900.0, health)


def texts(*health: SourceHealth) -> list[str]:
    findings = judge_heard(CONFIGURED, health, now=NOW)
    assert all(one.fix for one in findings if one.level is not Level.OK)
    return [f"{one.level} {one.subject}: {one.text}" for one in findings]


def test_sources_that_are_well_are_one_line() -> None:
    assert texts(heard("web"), heard("shop"), unheard("store")) == [
        "ok arrivals: 2 of 3 sources have sent, and none is silent"
    ]


def test_a_silent_and_a_quiet_source_are_told_with_what_is_usual_and_the_runbook() -> None:
    found = judge_heard(
        CONFIGURED, [heard("web", Health.SILENT), heard("shop", Health.QUIET, day=NOTHING._replace(live=9))], now=NOW
    )

    assert [(one.subject, one.text, one.fix) for one in found] == [
        ("source web", "silent for 5 h; 900 events are usual in such 24 hours", RUNBOOK),
        ("source shop", "only 9 events in 24 hours; 900 events are usual in such 24 hours", RUNBOOK),
    ]


def test_a_source_that_was_taken_out_of_the_file_is_not_looked_at() -> None:
    assert texts(heard("former", Health.SILENT)) == ["ok arrivals: 0 of 3 sources have sent, and none is silent"]


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (Day(70, 0, 30, 0, 0, None), "30 % of what it sent in 24 hours was rejected"),
        (Day(0, 0, 9, 0, 0, None), None),
        (Day(989, 1, 99, 0, 0, None), None),
        (Day(5, 0, 0, 5, 5, -312_000), "its clock is 5 min ahead"),
        (Day(5, 0, 0, 5, 0, 7_200_000), "its clock is 2 h late"),
        (Day(5, 0, 0, 5, 0, 400), None),
    ],
)
def test_much_that_is_rejected_and_a_wrong_clock_are_told(day: Day, said: str | None) -> None:
    [line] = texts(heard("shop", day=day))

    assert line == (
        f"warning source shop: {said}" if said else "ok arrivals: 1 of 3 sources have sent, and none is silent"
    )


def test_the_clocks_of_a_sites_visitors_are_nobodys_to_set() -> None:
    assert texts(heard("web", day=Day(5, 0, 0, 5, 5, -3_600_000)))[0].startswith("ok")


def test_missing_numbers_are_told_by_till_and_day_and_added_up() -> None:
    troubles = [
        TillTrouble("store/042/3", DAY, 4, crowded=False, clock_ms=None, holes=["4–6", "8"]),
        TillTrouble("store/042/4", DAY, 90, crowded=True, clock_ms=-320_000, holes=["1–2"]),
        TillTrouble("store/042/5", DAY, 0, crowded=False, clock_ms=300_000, holes=[]),
    ]

    findings = judge_tills([TillTotals("store", 3, 94, -320_000)], troubles)

    assert {one.level for one in findings} == {Level.WARNING}
    assert [f"{one.subject}: {one.text}" for one in findings] == [
        "tills: 94 numbers of 3 tills never came in 7 business days",
        "till store/042/3: 2026-06-01: 4 never came: 4–6, 8",
        "till store/042/4: 2026-06-01: 90 never came: 1–2 …",
        "till store/042/4: 2026-06-01: its numbers jump about, so that not all gaps are known",
        "till store/042/4: its clock is 5 min ahead",
        "till store/042/5: its clock is 5 min behind, or it sends late",
    ]


def test_tills_without_gaps_are_one_line_and_without_tills_there_is_none() -> None:
    [line] = judge_tills([TillTotals("store", 3, 0, 20)], [])

    assert (line.level, line.text) == (Level.OK, "3 have sent in 7 business days, and no number is missing")
    assert judge_tills([], []) == []


def test_notes_that_nobody_folds_are_told() -> None:
    assert judge_notes(WAITING_MAX - 1) == []
    assert judge_notes(WAITING_MAX)[0].fix.startswith("start a worker")
