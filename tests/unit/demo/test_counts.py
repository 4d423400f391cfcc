"""The demo's last line: what it says, and when it does not add up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.demo.counts import Counts
from services.demo.traffic import Expected
from services.state.progress import Outcomes

EXPECTED = Expected(applied=95, duplicate=3, conflict=2, rejected=4)


def counts(
    *, accepted: int = 100, in_log: int = 100, applied: int = 95, duplicate: int = 3, conflict: int = 2, dead: int = 0
) -> Counts:
    return Counts(
        accepted=accepted,
        in_log=in_log,
        outcomes=Outcomes(applied=applied, duplicate=duplicate, conflict=conflict, dead=dead, erased=0),
        own=applied,
    )


def test_the_line_names_every_count() -> None:
    assert counts().line() == (
        "accepted 100, in log 100, applied 95, duplicate 3, conflict 2, dead-lettered 0, erased 0, lost 0"
    )


def test_counts_that_are_what_was_sent_have_no_finding() -> None:
    assert counts().settled
    assert counts().findings(EXPECTED, repeated=0) == []


@pytest.mark.parametrize(
    ("found", "finding"),
    [
        (counts(in_log=99, applied=94), "lost is 1"),
        (counts(applied=94), "lost is 1"),
        (counts(applied=94, duplicate=4), "applied is 94"),
        (counts(applied=96, duplicate=2), "applied is 96"),
        (counts(duplicate=4, conflict=1), "conflict is 1"),
        (counts(applied=94, dead=1), "dead-lettered is 1"),
        (counts(accepted=99), "accepted is 99"),
        (counts(in_log=101, duplicate=4), "records beyond those accepted is 1"),
    ],
)
def test_a_count_that_differs_is_a_finding(found: Counts, finding: str) -> None:
    assert any(line.startswith(finding) for line in found.findings(EXPECTED, repeated=0))


def test_what_had_to_be_sent_again_may_be_in_the_log_twice_and_no_more() -> None:
    twice = counts(in_log=105, duplicate=7, conflict=3)

    assert twice.findings(EXPECTED, repeated=5) == []
    assert twice.findings(EXPECTED, repeated=4) != []


def test_what_nobody_has_dealt_with_yet_is_not_settled() -> None:
    assert not counts(applied=94).settled
    assert not counts(in_log=99, applied=94).settled


BESIDE = replace(counts(in_log=138, applied=130, duplicate=6), own=95, others=35)


def test_what_others_send_beside_the_shop_is_no_finding() -> None:
    assert BESIDE.findings(EXPECTED, repeated=0) == []


def test_beside_others_what_the_shop_lost_or_has_twice_is_found_in_its_own_rows() -> None:
    for own in (94, 96):
        [finding] = replace(BESIDE, own=own).findings(EXPECTED, repeated=0)
        assert finding == f"counted of the shop's own is {own}, and should be 95"


def test_others_who_go_on_sending_keep_nothing_from_being_settled() -> None:
    assert replace(BESIDE, in_log=135).settled
    assert not counts(in_log=99).settled
    assert not replace(BESIDE, in_log=141).settled
