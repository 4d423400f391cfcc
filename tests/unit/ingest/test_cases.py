"""Inputs that failed elsewhere, judged; they lie beside a checkout where it is developed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.instant import parse_instant
from services.infra.sources import Source
from services.ingest.judge import Accepted, arrival
from services.ingest.rejection import Reason, Rejected
from tests.support.senders import SERVER, judge_of_test

CASES = Path(__file__).parents[4] / "shared" / "cases" / "meaning"
POLISH = SERVER.model_copy(update={"region": "PL"})

pytestmark = pytest.mark.skipif(not CASES.exists(), reason=f"the inputs that failed elsewhere are not at {CASES}")


def judged(name: str, source: Source = SERVER) -> dict[str, Accepted | Rejected]:
    (path,) = CASES.glob(f"{name}-*.json")
    found = json.loads(path.read_text(encoding="utf-8"))
    events = found if isinstance(found, list) else [found]
    received = arrival(round(parse_instant("2026-11-25T15:00:00Z").timestamp() * 1_000_000))
    return {one["id"]: judge_of_test().judge(one, source=source, received=received) for one in events}


def persons(outcomes: dict[str, Accepted | Rejected]) -> set[bytes]:
    return {outcome.key for outcome in outcomes.values() if isinstance(outcome, Accepted)}


@pytest.mark.parametrize("source", [SERVER, POLISH], ids=["no region", "a region"])
def test_forms_of_one_phone_number_are_one_person_or_refused(source: Source) -> None:
    outcomes = judged("06", source)

    assert len(persons(outcomes)) == 1
    assert {name for name, outcome in outcomes.items() if isinstance(outcome, Rejected)} == {"p5", "p6", "p7"}


@pytest.mark.parametrize("name", ["07", "14"])
def test_forms_of_one_address_or_id_are_one_person(name: str) -> None:
    outcomes = judged(name)

    assert len(persons(outcomes)) == 1
    assert all(isinstance(outcome, Accepted) for outcome in outcomes.values())


def test_placeholders_of_templates_name_nobody() -> None:
    outcomes = judged("12")

    reasons = {outcome.reason for outcome in outcomes.values() if isinstance(outcome, Rejected)}
    assert (persons(outcomes), reasons) == (set(), {Reason.IDENTITY})


def test_an_address_that_serves_as_an_id_is_not_kept_in_clear() -> None:
    (outcome,) = judged("18").values()

    assert isinstance(outcome, Accepted)
    assert b"example.com" not in outcome.key + outcome.value
