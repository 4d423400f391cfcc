"""Two models on everybody in a real database, and on outcomes, of which no event at or after them may tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.commands.comparing import compare, figures_of
from services.commands.outcomes import Outcome
from services.core.bands import BANDS
from services.infra.catalogue.reading import load_catalogue
from services.infra.errors import ConfigurationError
from services.infra.settings import PostgresSettings, Settings
from tests.reference.scoring import Event, Model, score, state
from tests.support.customers import Lived, store_person

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0)
HOUR = int(NOW.timestamp()) // 3600

MODEL = """
model: {name: strict, provenance: {by: a test}}
parameters: {kappa: 1}
weights: {delivery.damaged: 9, order.completed: 0.5}
"""

LIVED = {
    "customer:a": [("delivery.damaged", 30, -0.9), ("order.completed", 40, 0.4)],
    "customer:b": [("order.completed", 3, 0.4)],
    "customer:c": [("order.completed", 500, 0.4), ("delivery.damaged", 500, -0.9), ("x.own", 2, 0.1)],
    "customer:d": [("web.page_viewed", 1, 0.02)],
}
"""Who lived what, how many hours ago, and how it felt."""


@pytest.fixture
async def settings(postgres_dsn: str) -> Settings:
    for number, (customer, lived) in enumerate(LIVED.items(), start=1):
        events = [
            Lived(customer, touchpoint, NOW - timedelta(hours=ago), v, event_id=f"{customer}-{place}")
            for place, (touchpoint, ago, v) in enumerate(lived)
        ]
        await store_person(postgres_dsn, events, customer=customer, version=number)
    return Settings(postgres=PostgresSettings(dsn=SecretStr(postgres_dsn)))


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "strict.yaml"
    path.write_text(MODEL)
    return str(path)


def this_hour() -> int:
    return int(datetime.now(UTC).timestamp()) // 3600


async def compared(settings: Settings, model: str) -> tuple[Mapping[str, object], int]:
    """The figures and the present hour, at which everybody was read; again if it ended meanwhile."""
    while True:
        hour = this_hour()
        figures = figures_of(await compare("catalogue", model, outcomes=None, settings=settings))
        if this_hour() == hour:
            return figures, hour


def by_the_book(changes: Mapping[str, float], kappa: float, at: int) -> dict[str, tuple[float, float]]:
    weights = {**{name: entry.weight for name, entry in load_catalogue().entries.items()}, **changes}
    read = {}
    for customer, lived in LIVED.items():
        tallies = state(
            Event((touchpoint, "web", ""), HOUR - ago, round(v * 1e6))
            for touchpoint, ago, v in lived
            if HOUR - ago <= at
        )
        whole = score(tallies, Model(weights, kappa=kappa), at)
        read[customer] = (whole.score, whole.confidence)
    return read


async def test_everybody_is_read_by_both_models(settings: Settings, model: str) -> None:
    figures, hour = await compared(settings, model)

    one, other = by_the_book({}, 3, hour), by_the_book({"delivery.damaged": 9, "order.completed": 0.5}, 1, hour)
    changed = sum(BANDS.name(*one[who]) != BANDS.name(*other[who]) for who in LIVED)
    movers = figures["movers"]
    assert isinstance(movers, list)
    assert figures["persons"] == len(LIVED)
    assert figures["changed_band"] == changed > 0
    assert {row["customer"]: (row["one"], row["other"]) for row in movers} == {
        who: (pytest.approx(one[who][0]), pytest.approx(other[who][0])) for who in LIVED
    }
    distances = [abs(row["other"] - row["one"]) for row in movers]
    assert distances == sorted(distances, reverse=True)
    assert figures["outcomes"] is None


async def test_an_outcome_is_read_from_what_happened_before_it(settings: Settings, model: str) -> None:
    """The damage and the outcome fall into the same hour: a minute decides whether it may be known."""
    damaged = NOW - timedelta(hours=30)
    before, after = damaged, damaged + timedelta(minutes=1)
    good = [Outcome("customer:d", NOW, bad=False)]

    unknowing = await _areas(settings, model, [Outcome("customer:a", before, bad=True), *good])
    knowing = await _areas(settings, model, [Outcome("customer:a", after, bad=True), *good])

    assert unknowing == (0.0, 0.0)
    assert knowing == (1.0, 1.0)


async def test_outcomes_that_nobody_can_read_are_left_out_and_counted(settings: Settings, model: str) -> None:
    outcomes = [
        Outcome("customer:a", NOW, bad=True),
        Outcome("customer:b", NOW, bad=False),
        Outcome("customer:nobody", NOW, bad=True),
        Outcome("customer:b", NOW - timedelta(days=20), bad=False),
    ]

    told = (await compare("catalogue", model, outcomes=outcomes, settings=settings)).foresight

    assert told is not None
    assert (told.outcomes, told.bad, told.unknown, told.unheard) == (2, 1, 1, 1)
    assert any("kind:value" in line for line in told.told())


async def test_outcomes_of_one_kind_are_refused(settings: Settings, model: str) -> None:
    outcomes = [Outcome("customer:a", NOW, bad=True), Outcome("customer:nobody", NOW, bad=False)]

    with pytest.raises(ConfigurationError, match=r"1 are of unknown customers.*check the column customer"):
        await compare("catalogue", model, outcomes=outcomes, settings=settings)


async def _areas(settings: Settings, model: str, outcomes: Iterable[Outcome]) -> tuple[float, float]:
    told = (await compare("catalogue", model, outcomes=list(outcomes), settings=settings)).foresight
    assert told is not None
    return told.auc_one, told.auc_other


@pytest.mark.parametrize("what", ["nothing.yaml", "3f2a9", "activ"])
async def test_a_model_that_is_not_there_is_named_with_what_to_do(settings: Settings, what: str) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be read|neither a file nor a model's version"):
        await compare("catalogue", what, outcomes=None, settings=settings)
