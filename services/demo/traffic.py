"""What the simulated shop puts on the wire: its events, and now and then a repeat, a conflict or a bad one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from services.client.events import Outgoing
from services.demo.shop import SOURCE, Happening

DUPLICATE_EVERY: Final = 100
"""One event in a hundred is sent twice: what a cautious client does after a timeout."""

CONFLICT_EVERY: Final = 350
"""Now and then a sender uses an id again for something else."""

REJECTED_EVERY: Final = 450
"""Now and then a sender gets the format wrong."""


FIRST_ODD: Final = 30
"""The odd ones start here, so that a run of seconds has each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must become of everything sent."""

    applied: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0

    @property
    def accepted(self) -> int:
        """How many the door takes."""
        return self.applied + self.duplicate + self.conflict

    @property
    def sent(self) -> int:
        """How many go out."""
        return self.accepted + self.rejected


@dataclass(slots=True)
class Traffic:
    """Turns happenings into events to send, and counts what must become of them."""

    _mixed: int = 0
    _plain: int = 0
    _duplicate: int = 0
    _conflict: int = 0
    _rejected: int = 0

    @property
    def expected(self) -> Expected:
        """What must become of everything sent so far."""
        return Expected(
            applied=self._mixed + self._plain,
            duplicate=self._duplicate,
            conflict=self._conflict,
            rejected=self._rejected,
        )

    def mix(self, happenings: Iterable[Happening]) -> Iterator[Outgoing]:
        """Each happening as an event, each repeat right behind its original.

        An event is repeated, contradicted or neither, never both: so the counts do not depend on who comes first.
        """
        for happening in happenings:
            self._mixed += 1
            event = wire(happening)
            yield event
            if self._mixed % DUPLICATE_EVERY == 0:
                self._duplicate += 1
                yield event
            elif self._mixed % CONFLICT_EVERY == FIRST_ODD:
                self._conflict += 1
                yield wire(happening, changes={"order": "another-order"})
            elif self._mixed % REJECTED_EVERY == FIRST_ODD + 1:
                self._rejected += 1
                off_scale = {"rating": {"scale": "csat5", "value": 9}}
                yield wire(happening, suffix="-bad", changes=off_scale)

    def plain(self, happening: Happening) -> Outgoing:
        """A happening as one event that nothing is done to."""
        self._plain += 1
        return wire(happening)


def wire(happening: Happening, *, suffix: str = "", changes: Mapping[str, object] | None = None) -> Outgoing:
    """A happening as the event that is sent, with its id lengthened and parts of its body changed."""
    return Outgoing.of(
        event_id=happening.id + suffix,
        source=SOURCE,
        occurred_at=happening.at,
        body={**happening.body, **(changes or {})},
    )
