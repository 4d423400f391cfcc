"""Events of a file count as a worker would count them: with what is open, kept, told again and made up for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from random import Random

import pytest

from services.commands.fitting.event_file import EventFile
from services.commands.fitting.fit import scores_of
from services.commands.outcomes import Outcome
from services.core.instants import EPOCH, HOUR_US, hour_of
from tests.support.promises import CATALOGUE, START, WHO, Recount, crossed_lives, said

LATEST_MS = int((START + timedelta(days=60)).timestamp() * 1000)


def file_of(recount: Recount) -> EventFile:
    file = EventFile()
    for event in recount.events:
        file.take(event)
    return file


def outcomes_at(who: str, hours: Sequence[int]) -> list[Outcome]:
    """One in the last instant of each of these hours."""
    ends = [EPOCH + timedelta(hours=hour + 1) - timedelta(microseconds=1) for hour in hours]
    return [Outcome(who, end, bad=False) for end in ends]


@pytest.mark.parametrize("seed", range(20))
async def test_a_file_is_scored_as_all_of_its_events_read_at_once(seed: int) -> None:
    catalogue = CATALOGUE
    recount = Recount.of(crossed_lives(Random(seed), 60), catalogue, at_ms=LATEST_MS)
    file, hours = file_of(recount), [hour_of(START) + later for later in (30, 100, 250, 400)]

    for who in {event.subject for event in recount.events}:
        history, known = await file.before(outcomes_at(who, hours))

        scores = scores_of(history, catalogue)
        wanted = [recount.score(who, {one: one for one in WHO}, at_hour=hour) for hour in hours]
        assert known == [0, 1, 2, 3]
        assert scores.tolist() == wanted


async def test_a_parcel_that_has_not_come_counts_against_the_shop_until_it_has() -> None:
    catalogue = CATALOGUE
    due = {"promised_at": (START + timedelta(hours=48)).isoformat()}
    events = [
        said("e-1", "order.completed", hours=0, order="7", **due),
        said("e-2", "delivery.delivered", hours=100, order="7"),
    ]
    file = file_of(Recount.of(events, catalogue, at_ms=LATEST_MS))

    history, _ = await file.before(outcomes_at(WHO[0], [hour_of(START) + later for later in (40, 99, 100)]))

    waiting, overdue, arrived = scores_of(history, catalogue)
    assert waiting > arrived > overdue


async def test_nothing_at_an_outcomes_instant_is_known_at_it() -> None:
    catalogue = CATALOGUE
    file = file_of(Recount.of([said("e-1", "order.completed", hours=0, order="7")], catalogue, at_ms=LATEST_MS))
    [event] = file.columns
    instant = EPOCH + timedelta(microseconds=event[1])

    history, _ = await file.before(
        [Outcome(WHO[0], instant, bad=True), Outcome(WHO[0], instant + timedelta(seconds=1), bad=True)]
    )

    assert history.heard.tolist() == [False, True]
    assert history.tallies.rows[0, 1] == event[1] // HOUR_US
    assert [len(one.facts) for one in history.facts.people.values()] == [0, 2]
