"""What `make storms` says of many storms."""

from __future__ import annotations

from typing import Any

import psutil
import pytest

from tests.faults.load import loops
from tests.faults.storm import QUIET_S
from tests.faults.storms import Outcome, distribution, judge
from tests.support.waiting import wait_until


def report(*, recovered_s: float = 5.0, lost: int = 0, twice: int = 0) -> dict[str, Any]:
    kinds = {"lost": lost, "lost_from_store": 0, "counted_twice": twice}
    return {"recovered_s": recovered_s, "oracle": {"violations": lost + twice, "by_kind": kinds}}


def test_a_storm_that_lost_nothing_in_time_has_not_failed() -> None:
    assert judge(7, code=0, report=report(), busy=6.0) == Outcome(7, 5.0, 0, 0, 6.0, None)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        pytest.param(report(lost=1), 1, id="lost"),
        pytest.param(report(twice=1), 1, id="counted twice"),
        pytest.param(report(recovered_s=QUIET_S + 0.1), 1, id="late"),
        pytest.param(report(), 1, id="broken off after the report"),
        pytest.param(None, -15, id="no report"),
    ],
)
def test_every_other_storm_has_failed(told: dict[str, Any] | None, code: int) -> None:
    assert judge(7, code=code, report=told, busy=6.0).failure


def test_the_distribution_tells_the_figures_and_the_seeds_that_failed() -> None:
    outcomes = [judge(seed, code=0, report=report(recovered_s=float(seed)), busy=6.0) for seed in range(1, 22)]

    told = distribution([*outcomes, judge(99, code=1, report=None, busy=6.0)])

    assert told == (
        "22 storms; seconds until all was counted after the last blow: "
        "min 1.0, p50 11.0, p90 19.0, p95 20.0, max 21.0\n"
        "failures 1: seeds 99"
    )


def test_storms_of_which_none_could_be_measured_are_told_too() -> None:
    assert distribution([judge(99, code=1, report=None, busy=6.0)]).endswith("failures 1: seeds 99")


def test_the_load_ends_with_its_block() -> None:
    with loops(times=1, seconds=60) as pids:
        assert len(pids) == psutil.cpu_count()
        wait_until(lambda: all(psutil.Process(pid).cpu_times().user > 0 for pid in pids), what="the loops run")

    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_the_load_ends_by_itself_in_time() -> None:
    with loops(times=1, seconds=0.1) as pids:
        wait_until(
            lambda: all(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE for pid in pids),
            what="the loops have ended",
        )
