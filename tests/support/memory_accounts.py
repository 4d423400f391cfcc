"""Contacts of accounts in memory, by the rules of the real tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.core.instants import hour_of
from services.state.account_scores import AccountScore
from services.state.accounts import ACCOUNTS_MAX, CONTACTS_MAX, ContactPerson, ContactRow, Contacts, RoleRow

if TYPE_CHECKING:
    from tests.support.memory_store import MemoryStore


@dataclass
class AccountState:
    """What a transaction may change."""

    contacts: dict[tuple[str, int], ContactRow] = field(default_factory=dict)
    roles: dict[tuple[str, int, int], RoleRow] = field(default_factory=dict)
    marks: list[str] = field(default_factory=list)
    scores: dict[tuple[str, int], AccountScore] = field(default_factory=dict)


class MemoryAccounts:
    """The statements of the tables."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def note(self, contacts: Sequence[ContactRow], roles: Sequence[RoleRow]) -> None:
        state = self._store.state.accounts
        for contact in contacts:
            known = state.contacts.setdefault(contact.key, contact)
            state.contacts[contact.key] = min(known, contact, key=lambda one: one.since)
        for role in roles:
            former = state.roles.setdefault(role.key, role)
            state.roles[role.key] = max(former, role, key=lambda one: one.turn)

    async def contacts(self, account: str, *, until_hour: int) -> Contacts:
        state, person_of = self._store.state.accounts, self._store.state.person_of
        since: dict[int, list[ContactRow]] = {}
        for contact in state.contacts.values():
            if contact.account == account and hour_of(contact.since) <= until_hour and self._counts(contact):
                since.setdefault(person_of[contact.identity], []).append(contact)
        people = []
        for person, rows in since.items():
            mine = {row.identity for row in rows}
            said = [
                role
                for role in state.roles.values()
                if role.account == account and role.identity in mine and role.hour <= until_hour
            ]
            last = max(said, key=lambda role: role.turn).role if said else 0
            [named] = self._store.rows([person])
            people.append(ContactPerson(person, named.value, last, min(row.since for row in rows)))
        people.sort(key=lambda one: (one.since, one.customer))
        return Contacts(people[:CONTACTS_MAX], len(people))

    def _counts(self, contact: ContactRow) -> bool:
        state = self._store.state.accounts
        named = [one for one in state.contacts.values() if one.identity == contact.identity]
        before = [one for one in named if (one.since, one.account) < (contact.since, contact.account)]
        return len(before) < ACCOUNTS_MAX


class MemoryAccountScores:
    """The statements of the marks and of the stored scores."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def mark(self, persons: Sequence[int]) -> None:
        state, wanted = self._store.state, set(persons)
        named = {one.account for one in state.accounts.contacts.values() if state.person_of[one.identity] in wanted}
        state.accounts.marks += sorted(named)

    async def hold(self) -> bool:
        return True  # transactions come one after another here

    async def take(self, *, limit: int) -> list[str]:
        state = self._store.state.accounts
        chosen = sorted(set(state.marks))[:limit]
        state.marks = [one for one in state.marks if one not in chosen]
        return chosen

    async def behind(self, model: int, *, limit: int) -> list[str]:
        in_use, scores = self._store.state.in_use, self._store.state.accounts.scores
        active = None if in_use is None else in_use.active
        wanted = {account: score.version for (account, number), score in scores.items() if number == active}
        filled = {account: score.version for (account, number), score in scores.items() if number == model}
        return sorted(one for one, version in wanted.items() if filled.get(one, -1) < version)[:limit]

    async def as_of(self, persons: Sequence[int]) -> int:
        return max((self._store.state.persons[person][2] or 0 for person in persons), default=0)

    async def write(self, account: str, scores: Sequence[AccountScore]) -> None:
        kept = self._store.state.accounts.scores
        for key in [key for key in kept if key[0] == account]:
            del kept[key]
        kept.update({(account, score.model): score for score in scores})

    async def waiting(self) -> int:
        return len(set(self._store.state.accounts.marks))
