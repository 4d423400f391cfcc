"""People are told apart by what events said last of a declared property; their sums are those of its people alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from services.aggregator.counting.census_taking import CensusTaking, Step
from services.aggregator.counting.pipeline import Pipeline
from services.aggregator.processor import Bounds
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import SystemClock
from services.infra.settings import AggregatorSettings, PostgresSettings
from services.state.database import Database
from services.state.roles import WORKER
from tests.support.chunks import chunk
from tests.support.clocks import StandingClock
from tests.support.databases import as_role
from tests.support.openapi import Contract
from tests.support.promises import START, said
from tests.support.readapi import read_client
from tests.support.said_log import END, PARTITIONS, SaidLog

pytestmark = pytest.mark.integration

CONTRACT = Contract("openapi-read.json")
NOW = START + timedelta(days=10)
NOW_MS = int(NOW.timestamp() * 1000)

EVENTS = [
    said("e-1", "delivery.damaged", hours=1, who=["customer:anna"], plan="free"),
    said("e-2", "order.completed", hours=5, who=["customer:anna"], plan="gold"),
    said("e-3", "web.page_viewed", hours=9, who=["customer:anna"]),
    said("e-4", "call.abandoned", hours=2, who=["customer:ben"], plan="free", country="pl"),
    said("e-5", "delivery.damaged", hours=2, who=["customer:cleo", "device:d-1"], country="pl"),
    said("e-6", "web.page_viewed", hours=4, who=["device:d-1"], plan="gold"),
    said("e-7", "delivery.damaged", hours=4, who=["customer:dan"], plan="platinum, as agreed with Eve"),
    said("e-8", "delivery.damaged", hours=4, who=["customer:eve"]),
    said("e-9", "web.page_viewed", hours=-1300, who=["customer:eve"], plan="gold"),
]
"""Anna upgraded, Cleo's device tells her plan, Dan's nobody declared, and what was said of Eve is too long ago."""


async def counted(dsn: str, *, segments: str, values: list[bytes]) -> None:
    store = await Database.open(PostgresSettings(dsn=SecretStr(as_role(dsn, WORKER))), lanes=1)
    worker = await Pipeline.on(
        store, SaidLog(store), load_catalogue(), cache_rows_max=10_000, clock=SystemClock(), segments=segments
    )
    await worker._census.stop()
    await worker.take_ownership({("cx.touchpoints.v1", part): Bounds(0, END) for part in range(PARTITIONS)})
    await worker.process(chunk(values, at_ms=NOW_MS))
    taking = CensusTaking(store, load_catalogue(), StandingClock(NOW), segments=segments, portion=2)
    while await taking.step(rest_s=0, rest_times=0) is not Step.DONE:
        pass
    await worker.close()


async def ask(dsn: str, path: str, *, status: int = 200) -> Any:  # noqa: ANN401 - an answer as it is written
    async with read_client(dsn, catalogue=load_catalogue(), now=NOW) as client:
        answer = await client.get(path)
    CONTRACT.assert_holds(answer)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.parametrize("step", [1, -1])
async def test_people_are_in_the_segment_that_was_said_last_of_them(step: int, postgres_dsn: str) -> None:
    await counted(postgres_dsn, segments="plan=free,gold country=pl", values=EVENTS[::step])

    answers = {
        segment: await ask(postgres_dsn, f"/v1/touchpoints?segment={segment}")
        for segment in ("plan:gold", "plan:free", "plan:other", "country:pl")
    }

    touched = {segment: one["everything"]["period"]["customers"] for segment, one in answers.items()}
    assert touched == {"plan:gold": 2, "plan:free": 1, "plan:other": 1, "country:pl": 2}
    scores = {
        who: (await ask(postgres_dsn, f"/v1/customers/customer:{who}"))["windows"]["30d"]["score"]
        for who in ("anna", "ben", "cleo")
    }
    for segment, people in {
        "plan:gold": ("anna", "cleo"),
        "plan:free": ("ben",),
        "country:pl": ("ben", "cleo"),
    }.items():
        whole = answers[segment]["everything"]["period"]
        moved = sum(scores[who] - 50 for who in people)
        assert whole["points_won"] - whole["points_lost"] == pytest.approx(moved, abs=1e-5)
    assert (answers["plan:gold"]["segment"], answers["plan:gold"]["persons"]) == ("plan:gold", 5)


async def test_a_segment_that_nobody_is_in_is_unknown_and_others_are_named(postgres_dsn: str) -> None:
    await counted(postgres_dsn, segments="plan=free,gold", values=EVENTS)

    unknown = await ask(postgres_dsn, "/v1/drivers?segment=plan:silver", status=404)
    wrong = await ask(postgres_dsn, "/v1/drivers?segment=gold", status=400)
    both = await ask(postgres_dsn, "/v1/drivers?segment=plan:gold&place=store/2", status=400)

    assert unknown["type"] == "urn:tactus:problem:unknown-segment"
    assert unknown["faults"] == [
        {"field": "segment", "reason": "the last census knows these: plan:free, plan:gold, plan:other"}
    ]
    assert wrong["faults"][0]["reason"].startswith("must be property:value")
    assert both["faults"][0]["field"] == "segment"


@pytest.mark.parametrize("text", ["plan", "plan=", "Plan=a", "plan=a:b", "plan=a,b country", "a=1 b=1 c=1 d=1"])
def test_a_declaration_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="segments"):
        AggregatorSettings(segments=text)
