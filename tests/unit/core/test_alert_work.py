"""What people do about an alert: who was first counts, nothing is changed twice, and every act has its line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from services.core.alert_work import Done, Whose, Work, acknowledge, assign, close, note, reopen, set_due, snooze
from tests.support.clocks import NOON

ANNA = Whose("anna", NOON)
BEN = Whose("ben", NOON + timedelta(hours=1))

ACTS: dict[str, Callable[[Work], Done | None]] = {
    "acknowledged": lambda work: acknowledge(work, ANNA),
    "assigned": lambda work: assign(work, "ben"),
    "due": lambda work: set_due(work, NOON),
    "snoozed": lambda work: snooze(work, NOON),
    "done": lambda work: close(work, ANNA, outcome="real", text=""),
}


@pytest.mark.parametrize("what", ACTS)
def test_an_act_that_is_repeated_changes_nothing(what: str) -> None:
    done = ACTS[what](Work())

    assert done is not None
    assert (done.what, done.work.revision) == (what, 1)
    assert ACTS[what](done.work) is None


def test_who_has_seen_it_first_stays_first() -> None:
    seen = acknowledge(Work(), ANNA)

    assert seen is not None
    closed = close(seen.work, BEN, outcome="false", text="")

    assert closed is not None
    assert (closed.work.acknowledged_by, closed.work.acknowledged_at) == ("anna", NOON)
    assert (closed.work.done_by, closed.work.outcome) == ("ben", "false")


def test_whoever_closes_it_has_seen_it() -> None:
    closed = close(Work(), BEN, outcome="known", text="told by the carrier")

    assert closed is not None
    assert closed.work.acknowledged_by == "ben"
    assert closed.detail == "known: told by the carrier"


def test_an_outcome_can_be_put_right_and_taken_back() -> None:
    closed = close(Work(), ANNA, outcome="real", text="")
    assert closed is not None
    righted = close(closed.work, BEN, outcome="false", text="")
    assert righted is not None

    reopened = reopen(righted.work)

    assert righted.work.outcome == "false"
    assert reopened is not None
    assert (reopened.work.outcome, reopened.work.done_at, reopened.work.revision) == (None, None, 3)
    assert reopen(reopened.work) is None


def test_two_notes_are_two() -> None:
    first = note(Work(), "called")

    second = note(first.work, "called")

    assert (first.work.revision, second.work.revision) == (1, 2)


def test_nobody_deals_with_what_is_taken_from_somebody() -> None:
    given = assign(Work(), "ben")
    assert given is not None

    taken = assign(given.work, None)

    assert taken is not None
    assert (taken.work.assigned_to, taken.detail) == (None, "")
