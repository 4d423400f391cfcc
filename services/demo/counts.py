"""The counts a demo ends with, and whether they add up with what was sent."""

from __future__ import annotations

from dataclasses import dataclass

from services.demo.traffic import Expected
from services.state.progress import Outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The conservation law of one run."""

    accepted: int
    in_log: int
    outcomes: Outcomes
    own: int
    """Rows of the shop's own sources."""
    others: int = 0
    """Rows of whoever else sends to this stack while it shows the shop."""

    @property
    def lost(self) -> int:
        """What was accepted and is not in the log, and what is in the log and was not dealt with."""
        return max(self.accepted - self.in_log, 0) + max(self.in_log - self.outcomes.total, 0)

    @property
    def settled(self) -> bool:
        """Whether every accepted event is in the log and every record has been dealt with; more may come of others."""
        ahead = self.outcomes.total - self.in_log
        return self.accepted <= self.in_log and (ahead == 0 or (ahead > 0 and self.others > 0))

    def line(self) -> str:
        """The one line that a run ends with."""
        outcomes = self.outcomes
        return (
            f"accepted {self.accepted}, in log {self.in_log}, applied {outcomes.applied}, "
            f"duplicate {outcomes.duplicate}, conflict {outcomes.conflict}, dead-lettered {outcomes.dead}, "
            f"erased {outcomes.erased}, lost {self.lost}"
        )

    def findings(self, expected: Expected, *, repeated: int) -> list[str]:
        """Where the counts differ from what was sent.

        `repeated` events were sent again without knowing whether the first attempt had arrived: so many records
        more may be in the log, each of them a duplicate, or a conflict again. What others send beside the shop stands in
        the same counts: then only what the shop's own rows tell is checked.
        """
        checks = (
            ("lost", self.lost, self.lost == 0, "0"),
            ("accepted", self.accepted, self.accepted == expected.accepted, str(expected.accepted)),
            ("counted of the shop's own", self.own, self.own == expected.applied, str(expected.applied)),
            *(() if self.others else self._checks(expected, repeated=repeated)),
        )
        return [f"{name} is {found}, and should be {right}" for name, found, good, right in checks if not good]

    def _checks(self, expected: Expected, *, repeated: int) -> tuple[tuple[str, int, bool, str], ...]:
        """What must hold of counts that are the shop's alone: what it is, the count, whether it is right, what is right."""
        twice = self.in_log - self.accepted
        outcomes = self.outcomes
        again = outcomes.duplicate + outcomes.conflict
        return (
            ("records beyond those accepted", twice, 0 <= twice <= repeated, f"0 to {repeated}"),
            ("applied", outcomes.applied, outcomes.applied == expected.applied, str(expected.applied)),
            (
                "duplicate and conflict",
                again,
                again == expected.duplicate + expected.conflict + twice,
                str(expected.duplicate + expected.conflict + twice),
            ),
            (
                "conflict",
                outcomes.conflict,
                expected.conflict <= outcomes.conflict <= expected.conflict + twice,
                str(expected.conflict),
            ),
            ("dead-lettered", outcomes.dead, outcomes.dead == 0, "0"),
            ("erased", outcomes.erased, outcomes.erased == 0, "0"),
        )
