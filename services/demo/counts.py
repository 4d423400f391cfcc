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

    @property
    def lost(self) -> int:
        """What was accepted and is not in the log, and what is in the log and was not dealt with."""
        return max(self.accepted - self.in_log, 0) + max(self.in_log - self.outcomes.total, 0)

    @property
    def settled(self) -> bool:
        """Whether every accepted event is in the log and every record has been dealt with."""
        return self.accepted <= self.in_log == self.outcomes.total

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
        more may be in the log, each of them a duplicate, or a conflict again.
        """
        twice = self.in_log - self.accepted
        outcomes = self.outcomes
        again = outcomes.duplicate + outcomes.conflict
        checks = (
            ("lost", self.lost, self.lost == 0, "0"),
            ("accepted", self.accepted, self.accepted == expected.accepted, str(expected.accepted)),
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
        return [f"{name} is {found}, and should be {right}" for name, found, good, right in checks if not good]
