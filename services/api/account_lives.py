"""What an account's contacts have lived through: read as it is stored, or as it was known at an hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from schemas.readapi import KNOWN_THEN_MAX
from services.api.account_answers import Company
from services.core.accounts import Contact, positions
from services.core.facts import Facts
from services.core.tallies import Tallies, fold
from services.state.accounts import Contacts
from services.state.database import Snapshot
from services.state.experience import FACT_ROWS, NAMES_MAX, Stored, start_of
from services.state.facts import facts_of_persons
from services.state.identities import IdentityRow


class Hours(NamedTuple):
    """Which hours are read, (after, until], and by the end of which one it must have been received to count."""

    after_hour: int
    until_hour: int
    by_hour: int | None = None
    """None: all that is known counts."""


class Lived(NamedTuple):
    """What an account's contacts have lived through; owners of the tallies are positions in contacts."""

    company: Company
    stored: Stored
    identities: Mapping[int, IdentityRow]


async def lived_of(snapshot: Snapshot, account: str, *, hours: Hours, rows_max: int) -> Lived | None:
    """Read what the contacts of the last hour have lived through; None when there is more of it than may be read."""
    contacts = await snapshot.accounts.contacts(account, until_hour=hours.until_hour)
    named = sorted((Contact(one.customer, one.role), one) for one in contacts.people)
    company = Company(account, [contact for contact, _ in named], dict(named), contacts.every)
    persons = [one.person for _, one in named]
    if hours.by_hour is None:
        stored = await _stored(snapshot, persons, hours=hours, rows_max=rows_max)
    else:
        rows_max = min(rows_max, KNOWN_THEN_MAX)
        stored = await _known(snapshot, persons, hours=hours, by_hour=hours.by_hour, rows_max=rows_max)
    if stored is None or len(stored.leaves) > NAMES_MAX or stored.size > rows_max:
        return None
    return Lived(company, stored, await identities_of(snapshot, contacts))


async def identities_of(snapshot: Snapshot, contacts: Contacts) -> dict[int, IdentityRow]:
    """All identities of the contacts, by number."""
    rows = await snapshot.accounts.identities([one.person for one in contacts.people])
    return {row.number: row for row in rows}


async def _stored(snapshot: Snapshot, persons: Sequence[int], *, hours: Hours, rows_max: int) -> Stored | None:
    both = (hours.after_hour, hours.until_hour)
    tallies = await snapshot.tallies.of_persons(persons, hours=both, rows_max=rows_max + 1)
    if len(tallies.rows) > rows_max:
        return None
    beside = await _beside(snapshot, persons, rows_max=rows_max)
    leaves = await snapshot.leaves.of_persons(persons, hours=both, rows_max=NAMES_MAX + 1)
    return Stored(Tallies(positions(persons, tallies.owner), tallies.rows), beside, leaves)


async def _known(
    snapshot: Snapshot, persons: Sequence[int], *, hours: Hours, by_hour: int, rows_max: int
) -> Stored | None:
    """Read what `_stored` would have read at the end of an hour, event by event: a tally does not know its arrivals."""
    felt = await snapshot.felt.of_persons(
        persons,
        since=start_of(hours.after_hour + 1),
        until=start_of(hours.until_hour + 1),
        received_before=start_of(by_hour + 1),
        rows_max=rows_max + 1,
    )
    if len(felt.leaf) > rows_max:
        return None
    tallies = fold(owner=positions(persons, felt.person), leaf=felt.leaf, hour=felt.hour, v=felt.v, q=felt.q)
    leaves = await snapshot.leaves.numbered(np.unique(felt.leaf).tolist())
    beside = (await _beside(snapshot, persons, rows_max=rows_max)).known_by(by_hour)
    return Stored(tallies, beside, sorted(leaves, key=lambda leaf: leaf.triple))


async def _beside(snapshot: Snapshot, persons: Sequence[int], *, rows_max: int) -> Facts:
    beside = await facts_of_persons(snapshot.facts, persons, facts_max=rows_max // FACT_ROWS + 1)
    return Facts({place: beside[person] for place, person in enumerate(persons) if person in beside})
