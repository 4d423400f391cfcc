"""What a person is told of a model that takes over."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.commands.activating import Standing, told
from services.commands.examine import Level
from services.commands.examine_model import judge_activation, judge_model
from services.state.activation import Status, Writer
from services.state.models import ActiveModel

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
WAY = Status("v2", "gentle", NOON, NOON, None, None, 0, None, known=False, begun=False, still_s=0.0)


def standing(status: Status | None, *, workers: int = 4, waits_for: Writer | None = None) -> Standing:
    return Standing("v1", "catalogue", status, workers, waits_for)


def test_of_one_that_is_done_nothing_is_told() -> None:
    done = WAY._replace(outcome="active", ended_at=NOON)

    assert told(standing(None)) == told(standing(done)) == ["active: v1 (catalogue)"]


@pytest.mark.parametrize(
    ("status", "workers", "writer", "says"),
    [
        (WAY, 0, None, "no worker is connected"),
        (WAY, 4, None, "no worker has taken it up yet"),
        (WAY._replace(known=True), 4, Writer(77, "psql", NOON), "the oldest is of psql, pid 77: docs/runbooks/Model"),
        (WAY._replace(known=True, begun=True, done=50, total=200), 4, None, "50 of 200 persons written (25 %)"),
        (WAY._replace(known=True, begun=True, done=9, total=0), 4, None, "of 0 persons written (100 %)"),
        (WAY._replace(known=True, begun=True, done=205, total=200), 4, None, "200 of 200 persons written (100 %)"),
    ],
)
def test_of_one_under_way_it_is_told_for_what_it_waits(
    status: Status, workers: int, writer: Writer | None, says: str
) -> None:
    lines = told(standing(status, workers=workers, waits_for=writer))

    assert lines[1] == "takes over: v2 (gentle), since 2026-06-01 12:00:00 UTC"
    assert says in lines[2]


def test_the_doctor_names_the_fix_when_another_catalogue_weighs() -> None:
    other, own = judge_model(ActiveModel("v1", None), own="v2"), judge_model(ActiveModel("v2", None), own="v2")
    file, nothing = judge_model(ActiveModel("v9", "gentle"), own="v2"), judge_model(None, own="v2")

    assert (other.level, other.fix) == (Level.WARNING, "let this one weigh: `tactus model activate`")
    assert {own.level, file.level, nothing.level} == {Level.OK}


def test_the_doctor_tells_of_one_that_does_not_move() -> None:
    [moving], [still] = judge_activation(WAY), judge_activation(WAY._replace(still_s=90.0))

    assert judge_activation(None) == []
    assert moving.level is Level.OK
    assert still.level is Level.WARNING
    assert "ModelActivationStuck" in still.fix
