"""Alerts follow from what persons live through: in the transaction that changed the score, once for a cause."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from schemas.alert import AlertRecord
from schemas.topics import EVENTS, LATE
from services.aggregator.counting.pipeline import Pipeline
from services.core.thresholds import SENSITIVE
from services.infra.catalogue.reading import load_catalogue
from tests.support.chunks import chunk
from tests.support.memory_store import MemoryStore
from tests.support.promises import START, said
from tests.unit.aggregator.counting.test_promises import worker_on

START_MS = int(START.timestamp() * 1000)
HOUR_MS = 3_600_000


class Life:
    """A worker that is told what happens, hour by hour of the log."""

    def __init__(self, store: MemoryStore, worker: Pipeline) -> None:
        self.store = store
        self.worker = worker
        self._next = {EVENTS: 0, LATE: 0}

    async def hears(self, *values: bytes, hours: float = 0, topic: str = EVENTS) -> None:
        at_ms = START_MS + int(hours * HOUR_MS)
        await self.worker.process(chunk(values, first=self._next[topic], topic=topic, at_ms=at_ms))
        self._next[topic] += len(values)

    @property
    def told(self) -> list[AlertRecord]:
        return [AlertRecord.model_validate_json(one.value or b"") for one in self.store.state.letters_out]

    @property
    def steps(self) -> list[tuple[str, str, str]]:
        return [(one.rule, one.state, one.severity) for one in self.told]


@pytest.fixture
async def life() -> Life:
    store = MemoryStore()
    return Life(store, await worker_on(store))


def lost(number: int, *, hours: float = 0, who: Sequence[str] = ("customer:a",)) -> bytes:
    return said(f"lost-{number}", "delivery.lost_or_returned", hours=hours, who=who, order=f"{number}")


def viewed(number: int, *, hours: float, who: Sequence[str] = ("customer:a",)) -> bytes:
    return said(f"view-{number}", "web.page_viewed", hours=hours, who=who)


def praised(number: int, *, hours: float) -> bytes:
    return said(f"praise-{number}", "referral.made", hours=hours)


async def test_a_lost_parcel_opens_an_alert_that_names_it(life: Life) -> None:
    await life.hears(viewed(1, hours=0), lost(1))

    [alert] = life.told
    assert (alert.rule, alert.state, alert.customer) == ("drop", "opened", "customer:a")
    assert alert.tipped is not None
    assert alert.tipped.id == "lost-1"
    assert alert.score_before - alert.score >= 10
    assert alert.reasons[0].touchpoint == "delivery.lost_or_returned"
    assert sum(reason.points for reason in alert.reasons) == pytest.approx(alert.score - alert.score_before)
    assert life.store.state.letters_out[0].key == "customer:a"


async def test_one_queue_opens_nothing(life: Life) -> None:
    await life.hears(said("e-1", "call.abandoned", hours=0))

    assert life.told == []


async def test_a_deployment_that_wants_to_hear_of_smaller_falls_does() -> None:
    store = MemoryStore()
    catalogue = replace(load_catalogue(), thresholds=SENSITIVE)
    life = Life(store, await worker_on(store, catalogue))

    await life.hears(said("e-1", "call.abandoned", hours=0))

    assert life.steps == [("drop", "opened", "warning")]


async def test_the_same_events_again_raise_no_second_alert(life: Life) -> None:
    await life.hears(lost(1))
    await life.hears(lost(1), hours=1)

    assert len(life.told) == 1


async def test_more_of_the_same_fires_once_more_when_it_becomes_critical_and_then_no_more(life: Life) -> None:
    await life.hears(*(said(f"good-{one}", "referral.made", hours=-one - 200) for one in range(3)), hours=-100)
    await life.hears(lost(1))
    assert life.steps == [("drop", "opened", "warning")]
    for number in range(2, 6):
        await life.hears(lost(number, hours=number), hours=number)

    assert life.steps == [("drop", "opened", "warning"), ("drop", "worsened", "critical")]
    assert len({one.alert for one in life.told}) == 1


async def test_what_comes_late_opens_nothing_and_makes_nothing_worse(life: Life) -> None:
    await life.hears(lost(1), topic=LATE)
    assert life.told == []

    await life.hears(*(said(f"good-{one}", "referral.made", hours=-one - 200) for one in range(3)), hours=-100)
    await life.hears(lost(2))
    steps = life.steps
    await life.hears(*(lost(number, hours=-30) for number in range(3, 9)), topic=LATE, hours=1)

    assert life.steps == steps


async def test_a_score_that_regained_half_for_a_day_closes_its_alert(life: Life) -> None:
    await life.hears(lost(1))
    await life.hears(*(praised(one, hours=3 * one) for one in range(1, 5)), hours=12)
    assert [one.state for one in life.told] == ["opened"]
    await life.hears(viewed(1, hours=35), hours=35)
    assert [one.state for one in life.told] == ["opened"]

    await life.hears(viewed(2, hours=36), hours=36)

    assert [one.state for one in life.told] == ["opened", "closed"]
    assert life.told[1].score >= (life.told[0].score + life.told[0].score_before) / 2


async def test_an_alert_is_given_up_after_a_fortnight_without_another_reason(life: Life) -> None:
    await life.hears(lost(1))
    await life.hears(viewed(1, hours=24 * 14 - 1), hours=24 * 14 - 1)
    assert [one.state for one in life.told] == ["opened"]

    await life.hears(viewed(2, hours=24 * 14), hours=24 * 14)

    assert [one.state for one in life.told] == ["opened", "closed"]


async def test_for_four_days_after_one_has_closed_none_opens(life: Life) -> None:
    await life.hears(lost(1))
    await life.hears(viewed(1, hours=24 * 18), hours=24 * 18)
    assert [one.state for one in life.told] == ["opened", "closed"]

    await life.hears(*(lost(one, hours=24 * 18 + 95) for one in (2, 3, 4)), hours=24 * 18 + 95)
    assert [one.state for one in life.told] == ["opened", "closed"]
    await life.hears(lost(5, hours=24 * 18 + 96), hours=24 * 18 + 96)

    assert [one.state for one in life.told] == ["opened", "closed", "opened"]


async def test_what_is_told_later_and_shows_that_there_was_no_reason_withdraws_it(life: Life) -> None:
    await life.hears(lost(1))

    await life.hears(*(said(f"good-{one}", "referral.made", hours=-50 - one) for one in range(30)), topic=LATE, hours=2)

    assert [one.state for one in life.told] == ["opened", "withdrawn"]


async def test_a_bad_answer_opens_an_alert_of_its_own_and_no_drop(life: Life) -> None:
    answer = json.loads(said("a-1", "survey.nps", hours=0))
    answer["data"]["rating"] = {"scale": "nps", "value": 0}

    await life.hears(json.dumps(answer).encode())

    assert [(one.rule, one.state) for one in life.told] == [("bad_answer", "opened")]


async def test_a_login_takes_a_visitors_alert_along(life: Life) -> None:
    visitor = ("anonymous:v-1",)
    await life.hears(lost(1, who=visitor))
    await life.hears(said("login", "identity.linked", hours=1, who=("customer:a", *visitor)), hours=1)

    await life.hears(lost(2, hours=2), hours=2)
    assert [one.state for one in life.told if one.state == "opened"] == ["opened"]
    await life.hears(viewed(1, hours=24 * 20), hours=24 * 20)

    assert (life.told[-1].state, life.told[-1].customer) == ("closed", "customer:a")
    assert life.told[-1].alert == life.told[0].alert


async def test_two_persons_who_share_a_chunk_have_alerts_of_their_own(life: Life) -> None:
    await life.hears(lost(1), lost(2, who=("customer:b",)), viewed(1, hours=0, who=("customer:c",)))

    assert sorted(one.customer or "" for one in life.told) == ["customer:a", "customer:b"]
