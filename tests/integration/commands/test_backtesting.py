"""What thresholds would have raised on what a real database holds, and what it would have foretold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.commands import backtesting
from services.commands.backtesting import Options, backtest, lines_of
from services.commands.outcomes import Outcome
from services.core.backtest import Rule
from services.core.instants import hour_of
from services.core.thresholds import SENSITIVE, USUAL, Thresholds
from services.infra.settings import PostgresSettings, Settings
from tests.support.alerts import owner_of
from tests.support.customers import Lived, store_person

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0)
WEEKS = 2
LIVED = {
    "customer:lost": [("delivery.lost_or_returned", 100, -1.0)],
    "customer:tried": [("delivery.attempt_failed", 90, -0.6)],
    "customer:calm": [("order.completed", 50, 0.4)],
    "customer:gone": [("delivery.lost_or_returned", 5000, -1.0)],
}


@pytest.fixture
async def settings(postgres_dsn: str) -> Settings:
    for number, (customer, lived) in enumerate(LIVED.items(), start=1):
        events = [
            Lived(customer, touchpoint, NOW - timedelta(hours=ago), v, event_id=f"{customer}-{place}")
            for place, (touchpoint, ago, v) in enumerate(lived)
        ]
        await store_person(postgres_dsn, events, customer=customer, version=number)
    return Settings(postgres=PostgresSettings(dsn=SecretStr(postgres_dsn)))


def rule(thresholds: Thresholds = USUAL) -> Rule:
    return Rule(thresholds, hour_of(NOW) - WEEKS * 168 + 1, hour_of(NOW))


async def test_alerts_are_counted_for_those_to_whom_anything_happened(settings: Settings) -> None:
    tested = await backtest(rule(), "catalogue", outcomes=None, settings=settings)

    assert (tested.persons, tested.active, dict(tested.raised)) == (4, 3, {"drop": 1})
    assert tested.weekly(1) == pytest.approx(1000 / 3 / WEEKS)
    [(_, customer, _)] = tested.worst
    assert customer == "customer:lost"


async def test_sensitive_thresholds_raise_more(settings: Settings) -> None:
    tested = await backtest(rule(SENSITIVE), "catalogue", outcomes=None, settings=settings)

    assert dict(tested.raised) == {"drop": 2}


async def test_people_read_in_halves_are_the_same(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtesting, "ROWS_MAX", 1)

    tested = await backtest(rule(SENSITIVE), "catalogue", outcomes=None, settings=settings)

    assert (tested.persons, dict(tested.raised)) == (4, {"drop": 2})


async def test_what_would_have_been_raised_is_held_against_outcomes(settings: Settings) -> None:
    outcomes = [
        Outcome("customer:lost", NOW - timedelta(hours=28), bad=True),
        Outcome("customer:calm", NOW - timedelta(hours=20), bad=False),
        Outcome("customer:tried", NOW - timedelta(hours=20), bad=True),
        Outcome("customer:tried", NOW - timedelta(hours=2000), bad=True),
    ]

    tested = await backtest(rule(), "catalogue", outcomes=outcomes, settings=settings)

    foretold = tested.foretold
    assert foretold is not None
    assert (foretold.bad, foretold.bad_after_alert, foretold.good_after_alert, foretold.lead_h) == (2, 1, 0, 72)
    assert foretold.too_early == 1
    assert "of 1 outcomes after an alert 100 % were bad, of all 3 67 %" in lines_of(tested)


async def test_nothing_is_changed_by_it(settings: Settings, postgres_dsn: str) -> None:
    await backtest(rule(), "catalogue", outcomes=None, settings=settings)

    async with owner_of(postgres_dsn) as connection:
        assert await connection.fetchval("SELECT count(*) FROM alert") == 0


def test_the_command_prints_and_writes_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(backtesting, "stack_settings", lambda _: settings)
    begin, end = (f"{NOW + timedelta(days=days):%Y-%m-%d}" for days in (-14, 1))

    def run(**changed: object) -> int:
        options = {"begin": begin, "end": end, "preset": "usual", "points": None, "evidence": None, "outcomes": None}
        told = {**options, "model": "catalogue", "json": tmp_path / "b.json", "data": None, **changed}
        return backtesting.run(Options(**told))  # type: ignore[arg-type]

    assert run() == 0
    assert "1 alerts, 1 of them critical" in capsys.readouterr().out
    assert '"drop": 1' in (tmp_path / "b.json").read_text()
    assert run(points=90.0) == 0
    assert "0 alerts" in capsys.readouterr().out
    assert run(begin=end) == 1
    assert "--from must lie before --to" in capsys.readouterr().err
    assert run(begin="yesterday") == 1
