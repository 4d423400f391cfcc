"""Hold persons: their rows are the locks of all that belongs to them, tallies, score and links."""

from __future__ import annotations

from collections.abc import Iterable

from services.aggregator.counting.cache import PersonCache
from services.aggregator.counting.ports import ChunkTransaction
from services.state.persons import Locked


class StaleNamesError(Exception):
    """Identities moved to other persons since they were looked up: run the chunk again with fresh names."""

    def __init__(self, persons: Iterable[int] = (), *, gone: Iterable[int] = ()) -> None:
        super().__init__()
        self.persons = frozenset(persons)
        """Whom to hold from the start, beside those whom the chunk's events touch."""
        self.gone = frozenset(gone)
        """Who was forgotten meanwhile: whoever of their names comes again is somebody new."""


async def hold(transaction: ChunkTransaction, persons: Iterable[int], *, cache: PersonCache) -> dict[int, Locked]:
    """Lock the rows of these persons, those that have none included, until the transaction ends.

    Raises StaleNamesError when retention has removed one of them.
    """
    # Rows are made before any is locked, and both in the order of the numbers: no two transactions wait in a circle.
    wanted = set(persons)
    await transaction.persons.add(person for person in wanted if person not in cache)
    held = await transaction.persons.lock(wanted)
    if len(held) < len(wanted):
        raise StaleNamesError(gone=wanted - held.keys())
    return held
