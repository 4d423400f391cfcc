"""What a fit reads of a stack's database is what it reads of a file of the same events."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import numpy as np
import pytest
from pydantic import SecretStr

from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.processor import Bounds
from services.commands.fitting import stack
from services.commands.fitting.event_file import EventFile, read_events
from services.commands.fitting.fit import scores_of
from services.commands.fitting.stack import read_stack
from services.commands.outcomes import Outcome
from services.core.lived import History
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import SystemClock
from services.infra.errors import ConfigurationError
from services.infra.settings import PostgresSettings, Settings
from services.state.database import Database
from services.state.roles import WORKER
from tests.support.chunks import chunk
from tests.support.customers import Lived, store_person
from tests.support.databases import as_role
from tests.support.promises import CATALOGUE, START, Recount, crossed_lives
from tests.support.said_log import END, PARTITIONS, SaidLog

pytestmark = pytest.mark.integration

OURS = load_catalogue()
BEGAN = datetime(2026, 1, 1, 10, 30, tzinfo=UTC)
FELT = {"order.completed": 0.4, "delivery.damaged": -0.9, "payment.failed": -0.7, "web.error_shown": -0.5}
PEOPLE = 40
LATER_MS = int((START + timedelta(days=30)).timestamp() * 1000)


def lives() -> list[list[Lived]]:
    """Events of hours and of minutes before an outcome, at its instant, and after it."""
    random = Random(11)
    found = []
    for number in range(PEOPLE):
        events = []
        for place in range(random.randrange(1, 8)):
            minutes = random.choice((-3, 0, 1, 20, 45, 600, 90_000))
            name = random.choice([*FELT])
            events.append(
                Lived(
                    f"customer:c-{number}",
                    name,
                    BEGAN + timedelta(hours=number, minutes=-minutes),
                    FELT[name],
                    event_id=f"{number}-{place}",
                )
            )
        found.append(events)
    return found


@pytest.fixture
async def settings(postgres_dsn: str) -> Settings:
    for number, life in enumerate(lives(), start=1):
        await store_person(postgres_dsn, life, customer=life[0].identity, version=number)
    return Settings(postgres=PostgresSettings(dsn=SecretStr(postgres_dsn)))


def outcomes() -> list[Outcome]:
    """Two for each customer, and of somebody whom nobody knows."""
    found = [
        Outcome(
            f"customer:c-{number}", BEGAN + timedelta(hours=number, days=days), bad=number % 3 == 0, line=2 * number
        )
        for number in range(PEOPLE)
        for days in (0, 30)
    ]
    return [*found[:9], Outcome("customer:nobody", BEGAN, bad=True), *found[9:]]


async def in_a_file(folder: Path) -> tuple[History, list[int]]:
    path = folder / "events.ndjson"
    with path.open("w", encoding="utf-8") as stream:
        for event in (event for life in lives() for event in life):
            data = {"touchpoint": event.touchpoint, "channel": event.channel}
            kind, value = event.identity.split(":")
            data_whole = {**data, "identities": [{"kind": kind, "value": value}]}
            stream.write(
                json.dumps({"id": event.event_id, "time": event.occurred_at.isoformat(), "data": data_whole}) + "\n"
            )
    return await read_events(path, map_file=None, catalogue=OURS).before(outcomes())


def tallies_of(history: History) -> list[tuple[object, ...]]:
    owner, rows = history.tallies
    return sorted(
        (one, *history.leaves[leaf], *rest) for one, (leaf, *rest) in zip(owner.tolist(), rows.tolist(), strict=True)
    )


@pytest.mark.parametrize("portion", [1, 7, 500])
async def test_a_database_tells_what_a_file_of_its_events_tells(
    portion: int, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "PORTION", portion)

    history, known = await read_stack(outcomes(), settings=settings)

    by_file, known_by_file = await in_a_file(tmp_path)
    assert known == known_by_file
    assert len(known) == 2 * PEOPLE
    assert tallies_of(history) == tallies_of(by_file)
    assert history.at_hours.tolist() == by_file.at_hours.tolist()
    assert np.array_equal(scores_of(history, OURS), scores_of(by_file, OURS))


@pytest.mark.parametrize("seed", range(3))
async def test_promises_count_in_a_fit_as_workers_stored_them(seed: int, postgres_dsn: str) -> None:
    catalogue = CATALOGUE
    everything = Recount.of(crossed_lives(Random(seed), 80), catalogue, at_ms=LATER_MS).events
    alone = [one for one in everything if not one.others]
    store = await Database.open(PostgresSettings(dsn=SecretStr(as_role(postgres_dsn, WORKER))), lanes=1)
    worker = await Pipeline.on(store, SaidLog(store), catalogue, cache_rows_max=10_000, clock=SystemClock())
    await worker.take_ownership({("cx.touchpoints.v1", part): Bounds(0, END) for part in range(PARTITIONS)})
    await worker.process(chunk([one.body for one in alone], first=0, at_ms=LATER_MS))
    await worker.close()
    asked = [
        Outcome(who, START + timedelta(hours=hours, minutes=30), bad=False)
        for who in sorted({one.subject for one in alone})
        for hours in (20, 90, 200, 300)
    ]

    history, known = await read_stack(asked, settings=Settings(postgres=PostgresSettings(dsn=SecretStr(postgres_dsn))))

    file = EventFile()
    for one in alone:
        file.take(one)
    by_file, known_by_file = await file.before(asked)
    assert known == known_by_file
    assert scores_of(history, catalogue).tolist() == scores_of(by_file, catalogue).tolist()


async def test_more_than_can_be_held_is_refused_with_what_to_do(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "ROWS_MAX", 50)

    with pytest.raises(ConfigurationError, match=r"more than 50 tallies.*draw some of the outcomes by chance"):
        await read_stack(outcomes(), settings=settings)
