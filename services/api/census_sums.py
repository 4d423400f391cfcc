"""Where the sums of an answer come from: the last census of everybody, or an account's contacts, counted as they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

import numpy as np

from services.api.large_reads import LargeReads
from services.core.catalogue import Catalogue
from services.core.census import EVERYTHING, PERIOD_H, Census, Counted, count_up
from services.core.facts import Facts
from services.core.instants import hour_of
from services.core.tallies import Tallies
from services.state.census import KeptCensus
from services.state.database import Snapshot
from services.state.experience import FACT_ROWS, NAMES_MAX, Stored, experience_of
from services.state.facts import facts_of_persons

Ranked = Mapping[str, Counted]
"""Sums by value, those that lost most first."""


class Taken(Protocol):
    """A census, wherever it was taken."""

    @property
    def of(self) -> KeptCensus:
        """Of when it is, of how many people, by which model."""

    async def by(self, along: str, *, scope: str) -> Ranked:
        """The sums of a scope along one thing."""

    async def scopes(self, *, beginning: str, limit: int) -> Ranked:
        """The sums of each scope that begins so as a whole."""


class Kept(NamedTuple):
    """The last census of everybody, as workers keep it."""

    snapshot: Snapshot
    of: KeptCensus

    async def by(self, along: str, *, scope: str) -> Ranked:
        """The sums of a scope along one thing."""
        return await self.snapshot.census.sums(self.of, scope=scope, by=along)

    async def scopes(self, *, beginning: str, limit: int) -> Ranked:
        """The sums of each scope that begins so as a whole."""
        return await self.snapshot.census.scopes(self.of, beginning=beginning, limit=limit)


class Recounted(NamedTuple):
    """A census of a few people, counted for this answer."""

    census: Census
    of: KeptCensus

    async def by(self, along: str, *, scope: str) -> Ranked:
        """The sums of a scope along one thing."""
        return _ranked({group.value: sums for group, sums in self.census.items() if group[:2] == (scope, along)})

    async def scopes(self, *, beginning: str, limit: int) -> Ranked:
        """The sums of each scope that begins so as a whole."""
        found = {
            group.scope: sums
            for group, sums in self.census.items()
            if group.scope.startswith(beginning) and group.by == EVERYTHING
        }
        return dict([*_ranked(found).items()][:limit])


class Contacted(NamedTuple):
    """What the contacts of an account have lived through in two periods; owners are positions among the persons."""

    persons: int
    stored: Stored


async def contacts_of(snapshot: Snapshot, account: str, *, hour: int, rows_max: int) -> Contacted | None:
    """Read the contacts that an account has at an hour; None when there is more of it than may be read."""
    contacts = await snapshot.accounts.contacts(account, until_hour=hour)
    persons = sorted(one.person for one in contacts.people)
    hours = (hour - 2 * PERIOD_H, hour)
    tallies = await snapshot.tallies.of_persons(persons, hours=hours, rows_max=rows_max + 1)
    if len(tallies.rows) > rows_max:
        return None
    beside = await facts_of_persons(snapshot.facts, persons, facts_max=rows_max // FACT_ROWS + 1)
    facts = Facts({place: beside[person] for place, person in enumerate(persons) if person in beside})
    leaves = await snapshot.leaves.of_persons(persons, hours=hours, rows_max=NAMES_MAX + 1)
    owner = np.searchsorted(np.array(persons, dtype=np.int64), tallies.owner)
    stored = Stored(Tallies(owner, tallies.rows), facts, leaves)
    return None if len(leaves) > NAMES_MAX or stored.size > rows_max else Contacted(len(persons), stored)


async def recount(contacted: Contacted, large: LargeReads, *, catalogue: Catalogue, at: datetime) -> Recounted:
    """Count the contacts as a census counts everybody: each by their own score, whatever the role."""

    def work() -> Census:
        experience = experience_of(contacted.stored, catalogue=catalogue)
        return count_up(
            experience.tallies,
            facts=experience.facts,
            owners=contacted.persons,
            leaves=experience.leaves,
            at_hour=hour_of(at),
            parameters=catalogue.parameters,
        )

    census = await large.compute(work, rows=contacted.stored.size)
    return Recounted(census, KeptCensus(0, hour_of(at), contacted.persons, catalogue.model_version, at))


def _ranked(sums: Ranked) -> Ranked:
    return dict(sorted(sums.items(), key=lambda item: (-item[1].now.lost, item[0])))
