"""Who acts for which company since when, and in which role: contacts by identity, and persons when they are read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from services.core.instants import EPOCH, HOUR_US, instant_of
from services.state.identities import IdentityRow
from services.state.pool import Statements

CONTACTS_MAX: Final = 1000
"""Of one account, the first of them: a company has a dozen of those that count, and a large reseller some hundreds."""

ACCOUNTS_MAX: Final = 20
"""That an identity is a contact of, the first of them: a consultant has a few. Whoever names each event's company anew
would let one experience count in every one of them."""


class ContactRow(NamedTuple):
    """An identity that acts for a company, and the first time that an event says so."""

    account: str
    identity: int
    since: datetime

    @property
    def key(self) -> tuple[str, int]:
        """What is kept once."""
        return self.account, self.identity


class RoleRow(NamedTuple):
    """The last role that was said of a contact in an hour."""

    account: str
    identity: int
    hour: int
    occurred_at: datetime
    source: str
    event_id: str
    role: int

    @property
    def key(self) -> tuple[str, int, int]:
        """What is kept once."""
        return self.account, self.identity, self.hour

    @property
    def turn(self) -> tuple[datetime, str, str]:
        """Its place among what is said of the same."""
        return self.occurred_at, self.source, self.event_id


class ContactPerson(NamedTuple):
    """A person who acts for an account, by the number and the name that it has at present."""

    person: int
    customer: str
    role: int
    since: datetime


class Contacts(NamedTuple):
    """An account's contacts at an hour, in the order of their first time; of more than CONTACTS_MAX, the first."""

    people: Sequence[ContactPerson]
    every: int
    """How many there are."""


class AccountTable:
    """The statements of `contact` and of `contact_role`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def note(self, contacts: Sequence[ContactRow], roles: Sequence[RoleRow]) -> None:
        """Keep who acts for whom, and as what; the first time and the last role of each hour stand in any order."""
        await self._say.run("note_contacts", *map(list, zip(*contacts, strict=True)))
        if roles:
            await self._say.run("note_roles", *map(list, zip(*roles, strict=True)))

    async def contacts(self, account: str, *, until_hour: int) -> Contacts:
        """The persons who have acted for an account by the end of this hour, each in the last role said of it."""
        rows = await self._say.rows(
            "contacts_of_account", account, until_hour, _end_of(until_hour), CONTACTS_MAX, ACCOUNTS_MAX
        )
        return Contacts([ContactPerson(*row[:4]) for row in rows], rows[0]["every"] if rows else 0)

    async def known(self, account: str) -> bool:
        """Whether anybody has ever acted for it."""
        return bool(await self._say.value("account_known", account))

    async def identities(self, persons: Sequence[int]) -> list[IdentityRow]:
        """All identities of these persons."""
        return [IdentityRow(*row) for row in await self._say.rows("identities_of_persons", list(persons))]


def _end_of(hour: int) -> datetime:
    try:
        return instant_of((hour + 1) * HOUR_US)
    except OverflowError:
        return datetime.max.replace(tzinfo=EPOCH.tzinfo)
