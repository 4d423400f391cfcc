"""Accounts read anew beside the work: links, roles and promises in any order of arrival come to the same bits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from services.aggregator.counting.lag import Lag
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.counting.scoring_accounts import ScoringAccounts, Step
from services.aggregator.counting.sweeping import Sweeping
from services.aggregator.processor import Bounds
from services.core.catalogue import Catalogue
from services.infra.clock import SystemClock
from services.state.account_scores import AccountScore
from tests.support.chunks import chunk, event
from tests.support.clocks import StandingClock
from tests.support.memory_store import MemoryStore
from tests.support.promises import SERVER, START, WHO, at, crossed_lives, promise_catalogue
from tests.support.said_log import SaidLog

NOW_MS = int(START.timestamp() * 1000) + 14 * 86_400_000
ROLES = ("user", "champion", "decision_maker", "no such role")


async def count(
    store: MemoryStore, catalogue: Catalogue, values: Sequence[bytes], random: Random, *, at_ms: int
) -> None:
    """Count these events in chunks of any size, by one worker."""
    said = SaidLog(store)
    worker = await Pipeline.on(store, said, catalogue, cache_rows_max=1000, clock=SystemClock())
    await worker.take_ownership({partition: Bounds(*ends) for partition, ends in said.bounds.items()})
    rest, first = [*values], 0
    while rest:
        size = random.choice([1, 3, 8, 30])
        await worker.process(chunk(rest[:size], first=first, at_ms=at_ms))
        rest, first = rest[size:], first + len(rest[:size])
    await worker.close()


async def score_all(store: MemoryStore, catalogue: Catalogue) -> dict[str, tuple[object, ...]]:
    """Read whatever is marked; what stands in the stored scores then, apart from their versions and their persons' numbers."""
    scoring = ScoringAccounts(store, catalogue, Lag(store, SaidLog(store)), portion=1)
    while await scoring.step() is Step.MOVED:
        pass
    name_of = {number: name for name, number in store._names.items()}
    return {account: told(score, name_of) for (account, _), score in store.state.accounts.scores.items()}


def told(score: AccountScore, name_of: dict[int, str]) -> tuple[object, ...]:
    """What does not depend on numbers that are given as they come."""
    worst = None if score.worst is None else name_of[score.worst]
    return (*score[3:13], worst, score.worst_score)


def acting(event_id: str, who: Sequence[str], *, hours: float, account: str, role: str, **data: object) -> bytes:
    named: dict[str, object] = {name: data.pop(name) for name in ("order",) if name in data}
    return event(
        event_id,
        time=at(hours),
        identities=who,
        touchpoint="order.completed",
        extra={**named, "account": account, "properties": {"role": role, **data}},
        envelope=SERVER,
    )


def companies(random: Random) -> list[bytes]:
    """People who order, wait and complain, some of them linked, and act for two companies in roles that change."""
    acts = [
        acting(
            f"a-{number}",
            random.sample(WHO[:2], 1) + random.sample(WHO[2:], random.choice([0, 0, 1])),
            hours=random.randrange(0, 24 * 12),
            account=random.choice(["acme", "beta"]),
            role=random.choice(ROLES),
        )
        for number in range(10)
    ]
    return [*crossed_lives(random, 30), *acts]


@pytest.mark.parametrize("seed", range(12))
async def test_events_in_any_order_and_any_cuts_come_to_the_same_accounts(seed: int, tmp_path: Path) -> None:
    random, catalogue = Random(seed), promise_catalogue(tmp_path)
    values = companies(random)
    results = []
    for _ in range(2):
        store = MemoryStore()
        await count(store, catalogue, random.sample(values, len(values)), random, at_ms=NOW_MS)
        results.append(await score_all(store, catalogue))

    assert results[0].keys() == {"acme", "beta"}
    assert results[0] == results[1]


@pytest.mark.parametrize("seed", range(4))
async def test_accounts_read_now_and_then_come_to_what_is_read_at_the_end(seed: int, tmp_path: Path) -> None:
    random, catalogue = Random(seed), promise_catalogue(tmp_path)
    values = companies(random)
    at_once, now_and_then = MemoryStore(), MemoryStore()
    await count(at_once, catalogue, values, random, at_ms=NOW_MS)

    said = SaidLog(now_and_then)
    worker = await Pipeline.on(now_and_then, said, catalogue, cache_rows_max=1000, clock=SystemClock())
    await worker.take_ownership({partition: Bounds(*ends) for partition, ends in said.bounds.items()})
    for first in range(0, len(values), 5):
        await worker.process(chunk(values[first : first + 5], first=first, at_ms=NOW_MS))
        if random.random() < 0.5:
            await score_all(now_and_then, catalogue)
    await worker.close()

    assert await score_all(now_and_then, catalogue) == await score_all(at_once, catalogue)


async def test_a_promise_to_a_contact_that_falls_due_moves_the_account_by_the_role(tmp_path: Path) -> None:
    catalogue = promise_catalogue(tmp_path)
    scores: dict[str, tuple[float, float]] = {}
    for role in ("user", "champion", "decision_maker"):
        store = MemoryStore()
        orders = acting("o", WHO[:1], hours=0, account="acme", role=role, order="1", promised_at=at(24))
        await count(store, catalogue, [orders], Random(0), at_ms=int(START.timestamp() * 1000))
        await score_all(store, catalogue)
        [before] = store.state.accounts.scores.values()
        sweep = Sweeping(store, catalogue, StandingClock(START + timedelta(hours=72)), Lag(store, SaidLog(store)))

        while await sweep.step():
            pass
        await score_all(store, catalogue)
        [after] = store.state.accounts.scores.values()

        scores[role] = (before.score, after.score)
        assert after.as_of == before.as_of + 72, "the hour that it is of"

    assert all(after < 50 < before for before, after in scores.values())
    assert scores["decision_maker"][1] < scores["champion"][1] < scores["user"][1]
