"""Whether alerts are right, read from a real database: by what people said, and by what became of customers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from services.commands import alerts_report
from services.commands.alerts_report import Report, read_report, show, told
from services.commands.outcomes import Outcome
from services.infra.clock import SystemClock
from services.infra.settings import PostgresSettings, Settings
from services.outbound.alert_figures import AlertFiguresCount
from services.state.alert_figures import RuleFigures
from services.state.outbound import OutboundDatabase
from services.state.roles import OUTBOUND
from tests.support.alerts import Raised, owner_of, raise_alerts
from tests.support.customers import Lived, store_person
from tests.support.databases import as_role

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


@pytest.fixture
async def dsn(postgres_dsn: str) -> str:
    """Four customers; three had a drop ten days ago and one an answer, of which two were false, and one drop is old."""
    for number in range(1, 5):
        events = [Lived(f"customer:c{number}", "call.answered", NOW - 2 * DAY, -0.5, event_id=f"e{number}")]
        await store_person(postgres_dsn, events, customer=f"customer:c{number}", version=number)
    await raise_alerts(
        postgres_dsn,
        [
            *(Raised(number, f"customer:c{number}", opened_at=NOW - 10 * DAY) for number in (1, 2, 3)),
            Raised(4, "customer:c4", rule="bad_answer", opened_at=NOW - 10 * DAY, severity="critical"),
            Raised(5, "customer:c4", opened_at=NOW - 40 * DAY),
            Raised(6, "customer:c4", opened_at=NOW - 5 * DAY, state="withdrawn"),
        ],
    )
    async with owner_of(postgres_dsn) as connection:
        await connection.execute(
            "INSERT INTO alert_work (alert, revision, acknowledged_at, acknowledged_by, done_at, done_by, outcome)"
            " SELECT id, 1, opened_at + interval '90 minutes', 'eve', now(), 'eve',"
            " CASE WHEN customer = 'customer:c1' THEN 'real' ELSE 'false' END"
            " FROM (SELECT a.id, a.opened_at, i.value AS customer FROM alert AS a JOIN identity AS i ON i.id = a.person"
            " WHERE a.rule = 'drop' AND i.value IN ('customer:c1', 'customer:c2') AND a.state = 'open') AS found",
        )
    return postgres_dsn


def settings(dsn: str) -> Settings:
    return Settings(postgres=PostgresSettings(dsn=SecretStr(dsn)))


async def test_false_ones_are_counted_by_rule_with_how_long_the_first_look_took(dsn: str) -> None:
    report = await read_report(28, None, settings=settings(dsn))

    answer, drop = report.rules
    assert (drop.opened, drop.real, drop.false, drop.acknowledged, drop.acknowledge_s) == (3, 1, 1, 2, 5400.0)
    assert drop.false_share == 0.5
    assert (answer.rule, answer.critical, answer.false_share) == ("bad_answer", 1, None)
    assert report.active_persons == 4
    assert report.weekly(drop) == pytest.approx(1000 * 3 / 4 / 4)


async def test_bad_outcomes_are_held_against_the_alerts_before_them(dsn: str) -> None:
    outcomes = [
        Outcome("customer:c1", NOW - 8 * DAY, bad=True),
        Outcome("customer:c2", NOW - 11 * DAY, bad=True),
        Outcome("customer:c3", NOW - 9 * DAY, bad=False),
        Outcome("customer:c4", NOW, bad=False),
        Outcome("customer:nobody", NOW, bad=True),
        Outcome("customer:c1", NOW - 50 * DAY, bad=True),
    ]

    report = await read_report(28, outcomes, settings=settings(dsn))

    foretold = report.foretold
    assert foretold is not None
    assert (foretold.bad, foretold.bad_after_alert, foretold.good, foretold.good_after_alert) == (2, 1, 2, 2)
    assert (foretold.lead_h, foretold.unknown, foretold.too_early) == (48.0, 1, 1)
    assert told(foretold)[0].startswith(
        "1 of 2 bad outcomes (50 %) had an alert within 30 days before, half of them 48 h"
    )


def test_the_report_is_printed_and_written(dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(alerts_report, "stack_settings", lambda _: settings(dsn))

    assert alerts_report.run(days=28, outcomes=None, json=tmp_path / "report.json", data=None) == 0

    assert '"false_share": 0.5' in (tmp_path / "report.json").read_text()


def test_long_names_of_rules_are_whole_where_a_pipe_has_no_width(capsys: pytest.CaptureFixture[str]) -> None:
    rule = RuleFigures(
        "promise_overdue",
        opened=12345,
        critical=1234,
        real=800,
        false=100,
        known=100,
        acknowledged=1000,
        acknowledge_s=45e3,
    )

    show(Report(28, 23, [rule], None))

    told_of = capsys.readouterr().out.splitlines()
    assert told_of[1].split()[-2:] == ["share", "false"]
    assert told_of[2].split()[0] == "promise_overdue"


async def test_dashboards_see_what_people_said(dsn: str) -> None:
    database = OutboundDatabase(PostgresSettings(dsn=SecretStr(as_role(dsn, OUTBOUND))), application="tactus-tests")
    try:
        await AlertFiguresCount(database, SystemClock()).look()
    finally:
        await database.close()

    def judged(outcome: str) -> float | None:
        return REGISTRY.get_sample_value("tactus_alerts_judged", {"rule": "drop", "outcome": outcome})

    assert [judged(outcome) for outcome in ("real", "false", "known", "open")] == [1, 1, 0, 1]
    assert REGISTRY.get_sample_value("tactus_alert_acknowledge_seconds", {"rule": "drop"}) == 5400
