"""The ranking that SQL users read: points lost by touchpoint, as the score itself counts them."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from schemas.instant import write_instant
from services.core.catalogue import Catalogue
from services.core.valence import Const
from services.infra.catalogue.reading import load_catalogue
from services.state.roles import READER
from tests.integration.aggregator.counting.conftest import OpenPipeline
from tests.reference.scoring import Event, Model, evidence, score, state
from tests.support.chunks import chunk, event
from tests.support.databases import as_role

pytestmark = pytest.mark.integration

LIVED = [
    ("customer:a", "case.escalated", 5), ("customer:a", "case.escalated", 5), ("customer:a", "order.completed", 700),
    ("customer:b", "case.escalated", 30), ("customer:b", "product.activated", 3), ("customer:b", "x.unknown", 3),
    ("customer:c", "dispute.opened", 719), ("customer:c", "case.escalated", 721), ("customer:c", "web.page_viewed", 0),
]  # fmt: skip
"""Who, what, and how many hours ago; the last complaint lies outside of the window."""


async def test_touchpoints_are_ranked_by_the_points_that_customers_lost_in_thirty_days(
    open_pipeline: OpenPipeline, postgres_dsn: str
) -> None:
    now = datetime.now(UTC)
    worker = await open_pipeline()
    values = [
        event(str(n), time=write_instant(now - timedelta(hours=ago)), identities=(who,), touchpoint=what)
        for n, (who, what, ago) in enumerate(LIVED)
    ]
    await worker.process(chunk(values, at_ms=int(now.timestamp() * 1000)))

    connection = await asyncpg.connect(as_role(postgres_dsn, READER))
    rows = await connection.fetch("SELECT * FROM touchpoint_ranking")
    await connection.close()

    lost, won, customers = by_the_book(int(now.timestamp()) // 3600)
    assert [row["touchpoint"] for row in rows] == sorted(lost, key=lambda name: (-lost[name], name))
    for row in rows:
        name = row["touchpoint"]
        assert row["points_lost"] == pytest.approx(lost[name], abs=1e-9)
        assert row["points_won"] == pytest.approx(won[name], abs=1e-9)
        assert row["customers"] == customers[name]
        assert row["points_lost_each"] == pytest.approx(lost[name] / customers[name], abs=1e-9)
    assert {row["touchpoint"]: row["events"] for row in rows}["case.escalated"] == 3
    assert lost["case.escalated"] > 10


def felt(catalogue: Catalogue, touchpoint: str) -> tuple[int, int]:
    """The valence and the stake, in micro-units, of a touchpoint that always feels the same."""
    valence = catalogue.entry(touchpoint).valence
    return (round(valence.v * 10**6), 10**6) if isinstance(valence, Const) else (0, 0)


def by_the_book(hour: int) -> tuple[dict[str, float], dict[str, float], dict[str, int]]:
    catalogue = load_catalogue(None)
    model = Model({name: entry.weight for name, entry in catalogue.entries.items()}, h=float("inf"))
    lost: dict[str, float] = defaultdict(float)
    won: dict[str, float] = defaultdict(float)
    customers: dict[str, int] = defaultdict(int)
    for person in {who for who, _, _ in LIVED}:
        tallies = state(
            Event((what, "web", ""), hour - ago, *felt(catalogue, what))
            for who, what, ago in LIVED
            if who == person and ago < 720
        )
        good, bad = evidence(tallies, model, hour)
        whole = model.kappa + good + model.lam * bad
        points = 0.0
        for what in {leaf[0] for leaf, _ in tallies}:
            own = {key: tally for key, tally in tallies.items() if key[0][0] == what}
            own_good, own_bad = evidence(own, model, hour)
            won[what] += 100 * (1 - model.p) * own_good / whole
            lost[what] += 100 * model.p * model.lam * own_bad / whole
            points += 100 * ((1 - model.p) * own_good - model.p * model.lam * own_bad) / whole
            customers[what] += 1
        assert 100 * model.p + points == pytest.approx(score(tallies, model, hour, 720).score)
    return lost, won, customers
