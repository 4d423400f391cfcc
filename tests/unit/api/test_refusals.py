"""Refusals are counted, and told within bounds."""

from __future__ import annotations

import structlog
from prometheus_client import REGISTRY

from schemas.problem import PROBLEMS
from services.api.refusals import LINES, Refusals
from services.infra.http.answer import Answer
from services.infra.http.problems import Refused, refusal


def counted(reason: str) -> float:
    return REGISTRY.get_sample_value("tactus_api_refusals_total", {"reason": reason}) or 0.0


def test_every_refusal_is_counted_by_its_problem() -> None:
    before = {slug: counted(slug) for slug in PROBLEMS}
    refusals = Refusals(lambda: 0.0)

    for slug in PROBLEMS:
        refusals.note(refusal(Refused(slug)).with_headers({"Cache-Control": "no-store"}))
    refusals.note(Answer(200, b"{}"))

    assert {slug: counted(slug) - before[slug] for slug in PROBLEMS} == dict.fromkeys(PROBLEMS, 1)


def test_a_flood_of_refusals_writes_few_lines_that_tell_of_all() -> None:
    now_s = 0.0
    refusals = Refusals(lambda: now_s)

    with structlog.testing.capture_logs() as lines:
        for _ in range(10_000):
            refusals.note(refusal(Refused("unauthorized")))
        refusals.note(refusal(Refused("unavailable"))._replace(because="Postgres is away"))
        now_s = 1 / LINES.per_s
        refusals.note(refusal(Refused("unauthorized")))

    told = [line for line in lines if line["reason"] == "unauthorized"]
    assert len(told) == LINES.at_once + 1
    assert sum(1 + line["untold"] for line in told) == 10_001
    (away,) = [line for line in lines if line["reason"] == "unavailable"]
    assert (away["log_level"], away["because"], away["status"]) == ("warning", "Postgres is away", 503)
    assert {name for line in lines for name in line} <= {"event", "log_level", "reason", "status", "untold", "because"}
