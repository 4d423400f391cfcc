"""The doctor's judgement of figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from services.commands.doctor import away, table_of
from services.commands.examine import Finding, Level, Stack, judge_disk
from services.commands.examine_database import (
    Standing,
    judge_chores,
    judge_clock,
    judge_conservation,
    judge_progress,
    judge_standing,
)
from services.commands.examine_outbound import SLOW_S, judge_outbound
from services.commands.examine_persons import judge_crowds
from services.commands.examine_senders import TOLD_MAX, judge_classes, judge_letters, judge_names
from services.infra.errors import UnavailableError
from services.infra.settings import KafkaSettings, PostgresSettings, Settings
from services.state.classed import EVENTS_MAX, ClassedCounts
from services.state.housekeeping import ChoresLeft
from services.state.links import Crowded
from services.state.progress import Outcomes, PartitionState
from services.state.sender_mistakes import OpenLetters

ACCEPT = "tactus topics accept cx.touchpoints.v1/3 --data 'a folder'"

STATE = PartitionState(
    topic="cx.touchpoints.v1",
    part=3,
    next=100,
    start=0,
    lost=0,
    lost_accepted=0,
    skipped=0,
    mark=None,
    outcomes=Outcomes(applied=90, duplicate=4, conflict=3, dead=2, erased=1),
    still_s=1.0,
)


def standing(*, first: int = 0, end: int = 100, applied: int = 90, state: PartitionState = STATE) -> Standing:
    return Standing(first, end, state._replace(outcomes=STATE.outcomes._replace(applied=applied)))


def test_a_partition_whose_counts_add_up_is_well() -> None:
    assert judge_standing(standing(), accept=ACCEPT) == []
    assert judge_conservation([standing()]).level is Level.OK


def test_a_record_in_no_count_breaks_the_law() -> None:
    (finding,) = judge_standing(standing(applied=89), accept=ACCEPT)

    assert finding.level is Level.ERROR
    assert finding.text == "cx.touchpoints.v1/3: 100 records passed, 99 accounted for, difference 1"
    assert "ConservationBroken" in finding.fix
    assert judge_conservation([standing(applied=89)]).level is Level.ERROR


def test_records_that_wait_do_not_break_the_law() -> None:
    finding = judge_conservation([standing(end=130)])

    assert finding.level is Level.OK
    assert finding.text.endswith("erased 1, waiting 30")


def test_records_that_retention_removed_are_an_error_until_accepted() -> None:
    noted = standing(first=120, end=150, state=STATE._replace(lost=20))
    accepted = standing(first=120, end=150, state=STATE._replace(next=120, lost=20, lost_accepted=20))

    (finding,) = judge_standing(noted, accept=ACCEPT)

    assert finding.text == "cx.touchpoints.v1/3: retention removed 20 records before they were read"
    assert finding.fix.endswith(ACCEPT)
    assert judge_standing(accepted, accept=ACCEPT) == []


def test_a_topic_made_anew_is_an_error() -> None:
    (finding,) = judge_standing(standing(end=7), accept=ACCEPT)

    assert "made anew" in finding.text


def test_a_partition_that_stands_still_while_records_wait_is_an_error() -> None:
    moving = judge_progress([standing(end=130)], unowned=0)
    stuck = judge_progress([standing(end=130, state=STATE._replace(still_s=31.0))], unowned=0)
    idle = judge_progress([standing(state=STATE._replace(still_s=86_400.0))], unowned=0)

    assert [moving.level, stuck.level, idle.level] == [Level.OK, Level.ERROR, Level.OK]
    assert "30 records wait" in stuck.text


def test_partitions_nobody_ever_read_are_an_error() -> None:
    assert judge_progress([], unowned=16).level is Level.ERROR


@pytest.mark.parametrize(
    ("ahead_s", "level"),
    [(0.2, Level.OK), (-0.9, Level.OK), (-2.0, Level.WARNING), (61.0, Level.ERROR), (-61.0, Level.ERROR)],
)
def test_a_clock_that_differs_by_a_minute_is_an_error(ahead_s: float, level: Level) -> None:
    assert judge_clock(ahead_s, "").level is level


def test_chores_that_nobody_does_are_told_before_they_hurt() -> None:
    well, ill = judge_chores(ChoresLeft([], ids=False)), judge_chores(ChoresLeft(["2026-04"], ids=True))

    assert well.level is Level.OK
    assert (ill.level, ill.text) == (
        Level.WARNING, "no table for 2026-04; seen ids that may be forgotten are kept",
    )  # fmt: skip
    assert "chores_failed" in ill.fix


@pytest.mark.parametrize(("gib", "level"), [(50, Level.OK), (3, Level.WARNING), (0.5, Level.ERROR)])
def test_a_disk_that_runs_full_is_told_early(gib: float, level: Level) -> None:
    assert judge_disk(int(gib * (1 << 30)), Path("/data")).level is level


def test_a_part_that_is_away_is_a_finding_with_a_fix() -> None:
    finding = away("Postgres", UnavailableError("Postgres does not answer; check that it runs"))

    assert finding == Finding(Level.ERROR, "Postgres", "Postgres does not answer", "check that it runs")


def test_the_table_has_a_line_a_finding() -> None:
    table = table_of([judge_conservation([standing()]), judge_clock(0.0, "same")])

    assert table.row_count == 2


def test_open_dead_letters_are_told_by_reason_and_one_fix() -> None:
    letters = [OpenLetters("ingest", "bad_rating", 7, "shop/orders"), OpenLetters("aggregator", "no_json", 1, None)]

    findings = judge_letters(letters, option=" --data /d")

    assert [(finding.level, finding.text) for finding in findings] == [
        (Level.WARNING, "7 open of ingest: bad_rating, the newest from shop/orders"),
        (Level.WARNING, "1 open of aggregator: no_json"),
    ]
    for words in ("tactus dlq list --data /d", "tactus dlq replay --data /d", "docs/runbooks/DeadLettersAppearing.md"):
        assert words in findings[0].fix
    assert findings[1].fix == ""
    assert [finding.level for finding in judge_letters([], option="")] == [Level.OK]


def test_a_flood_of_reasons_is_counted() -> None:
    letters = [OpenLetters("ingest", f"reason_{n}", 2, None) for n in range(TOLD_MAX + 3)]

    assert judge_letters(letters, option="")[-1].text == "6 open for 3 other reasons"


def test_names_that_nobody_declared_are_told_with_what_was_meant() -> None:
    first, second = judge_names(["survey.cast", "garden.party_held"], declared=["survey.csat"])

    assert (first.level, first.text) == (
        Level.WARNING,
        "survey.cast is not in the catalogue: its events are kept and count little",
    )
    assert first.fix.startswith("survey.cast: did you mean survey.csat? If not, declare it")
    assert second.fix.startswith("garden.party_held: declare it in the file that TACTUS_CATALOGUE names")
    assert [finding.level for finding in judge_names([], declared=[])] == [Level.OK]
    assert judge_names([f"a.b{n}" for n in range(TOLD_MAX + 2)], declared=[])[-1].text == "and 2 more are not"


def test_the_stack_that_is_looked_at_is_named_without_its_password() -> None:
    settings = Settings(
        kafka=KafkaSettings(bootstrap="kafka.example:9092"),
        postgres=PostgresSettings(dsn=SecretStr("postgresql://u:hidden@db.example:5432/tactus?passfile=/hidden")),
    )

    words = Stack.configured(settings).words

    assert words == "the stack that the settings name: Kafka kafka.example:9092, Postgres db.example:5432/tactus"


def test_identities_with_too_many_links_are_told_with_where_to_read_on() -> None:
    crowds, full, aliased = judge_crowds(Crowded(customers=1, others=300, aliased=33))

    assert crowds.level is full.level is Level.WARNING
    assert crowds.text == "300 identities hang together in crowds of more than 32: those links do not count"
    assert full.text == "1 customers have more than 256 links: only the first count"
    assert aliased.text == "33 customers would be one person with more than 32 by aliases: those do not count"
    assert "shared-identities.md" in crowds.fix
    assert judge_crowds(Crowded(0, 0, 0))[0].level is Level.OK


def test_what_does_not_score_is_told_by_its_class() -> None:
    some = judge_classes(ClassedCounts(1000, {"bot": 40, "staff": 2}))
    many = judge_classes(ClassedCounts(EVENTS_MAX, {}))

    assert (some.level, some.text) == (Level.OK, "of 1000 events of the last day: bot 40, staff 2")
    assert many.text == f"of the newest {EVENTS_MAX} events: none"


def test_what_goes_out_soon_is_well_and_what_waits_long_is_not() -> None:
    well = judge_outbound({"scores": 0.4, "alerts": None})
    ill = judge_outbound({"scores": 2 * SLOW_S, "alerts": None})

    assert (well.level, well.fix) == (Level.OK, "")
    assert (ill.level, ill.text) == (Level.ERROR, "scores wait for 120 s")
    assert "tactus outbound" in ill.fix
