"""The model that answers are read by: the one that is in use in the snapshot of the answer."""

from __future__ import annotations

from typing import Final

from services.core.catalogue import Catalogue
from services.state.database import Snapshot
from services.state.persons import Person

HELD_MAX: Final = 3
"""The one in use, the one before, and one that takes over; each is some hundred touchpoints."""


class Models:
    """Our own catalogue, weighed by the models that the database has in use; each is read once.

    A process whose files are older or newer than the model weighs by the model all the same, so all answers agree.
    """

    def __init__(self, own: Catalogue) -> None:
        self._own = own
        self._weighed: dict[int, Catalogue] = {}

    async def in_use(self, snapshot: Snapshot) -> Catalogue:
        """The catalogue as it weighs in this snapshot; before anybody has scored, our own."""
        in_use = await snapshot.models.in_use()
        return await self._numbered(snapshot, None if in_use is None else in_use.active)

    async def of_person(self, snapshot: Snapshot, person: Person) -> Catalogue:
        """The same, of a person that was found in this snapshot."""
        return await self._numbered(snapshot, person.active_model)

    async def _numbered(self, snapshot: Snapshot, number: int | None) -> Catalogue:
        if number is None:
            return self._own
        known = self._weighed.get(number)
        if known is None:
            weighing = await snapshot.models.weighing(number)
            same = weighing.version == self._own.model_version
            known = self._own if same else self._own.weighed_by(weighing)
            while len(self._weighed) >= HELD_MAX:
                del self._weighed[next(iter(self._weighed))]
            self._weighed[number] = known
        return known
