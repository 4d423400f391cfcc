"""What is kept of accounts' contacts, in the memory of the tests and in Postgres alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from services.aggregator.counting.ports import Store
from services.core.instants import hour_of
from services.infra.catalogue.reading import load_catalogue
from services.state.account_scores import AccountScore
from services.state.accounts import ACCOUNTS_MAX, ContactRow, RoleRow

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
USER, CHAMPION, DECISION_MAKER = 0, 1, 2


async def numbers_of(store: Store, *names: str) -> list[int]:
    await store.identities.add(names)
    number_of = {row.value: row.number for row in await store.identities.find(names)}
    return [number_of[name] for name in names]


def role(identity: int, number: int, *, at: datetime = NOON, event_id: str = "e-1", account: str = "acme") -> RoleRow:
    return RoleRow(account, identity, hour_of(at), at, "crm", event_id, number)


async def people_of(store: Store, account: str = "acme", *, at: datetime = NOON) -> list[tuple[str, int, datetime]]:
    async with store.transaction() as transaction:
        contacts = await transaction.accounts.contacts(account, until_hour=hour_of(at))
    return [(one.customer, one.role, one.since) for one in contacts.people]


async def test_contacts_stand_in_the_order_of_their_first_time_whatever_order_it_was_noted_in(store: Store) -> None:
    anna, ben = await numbers_of(store, "customer:anna", "customer:ben")
    rows = [
        ContactRow("acme", anna, NOON),
        ContactRow("acme", ben, NOON - HOUR),
        ContactRow("acme", anna, NOON - 2 * HOUR),
    ]

    for row in rows:
        async with store.transaction() as transaction:
            await transaction.accounts.note([row], [])

    assert await people_of(store) == [("customer:anna", USER, NOON - 2 * HOUR), ("customer:ben", USER, NOON - HOUR)]
    assert await people_of(store, at=NOON - 2 * HOUR) == [("customer:anna", USER, NOON - 2 * HOUR)]
    assert await people_of(store, "beta") == []


async def test_the_role_at_an_hour_is_the_last_that_was_said_by_then_in_any_order_of_noting(store: Store) -> None:
    said = [
        (NOON - 3 * HOUR, "e-1", USER),
        (NOON - 3 * HOUR, "e-2", CHAMPION),
        (NOON - HOUR, "e-3", DECISION_MAKER),
    ]
    for place, order in enumerate(permutations(said)):
        account = f"acme-{place}"
        [anna] = await numbers_of(store, "customer:anna")
        for at, event_id, number in order:
            async with store.transaction() as transaction:
                await transaction.accounts.note(
                    [ContactRow(account, anna, NOON - 4 * HOUR)],
                    [role(anna, number, at=at, event_id=event_id, account=account)],
                )

        roles = [(await people_of(store, account, at=NOON - hours * HOUR))[0][1] for hours in range(5)]

        assert roles == [DECISION_MAKER, DECISION_MAKER, CHAMPION, CHAMPION, USER]


async def test_identities_of_one_person_are_one_contact_in_the_last_role_that_any_of_them_has(store: Store) -> None:
    anna, card = await numbers_of(store, "customer:anna", "loyalty:l1")
    async with store.transaction() as transaction:
        await transaction.accounts.note(
            [ContactRow("acme", anna, NOON - HOUR), ContactRow("acme", card, NOON - 2 * HOUR)],
            [role(anna, CHAMPION, at=NOON - HOUR), role(card, DECISION_MAKER, at=NOON - 2 * HOUR)],
        )
        apart = [one.customer for one in (await transaction.accounts.contacts("acme", until_hour=hour_of(NOON))).people]
        await transaction.identities.move({card: anna})

    assert apart == ["loyalty:l1", "customer:anna"]
    assert await people_of(store) == [("customer:anna", CHAMPION, NOON - 2 * HOUR)]


async def test_an_identity_counts_in_the_first_accounts_that_it_names_and_in_no_more(store: Store) -> None:
    [agent] = await numbers_of(store, "customer:agent")
    names = [f"account-{place:02}" for place in range(ACCOUNTS_MAX + 2)]
    async with store.transaction() as transaction:
        for place, name in reversed([*enumerate(names)]):
            await transaction.accounts.note([ContactRow(name, agent, NOON - (100 - place) * HOUR)], [])

    assert [len(await people_of(store, name)) for name in names] == [1] * ACCOUNTS_MAX + [0, 0]


def scored(account: str, model: int, *, version: int) -> AccountScore:
    return AccountScore(account, model, version, 7, 3, 50.0, 0.5, 9.0, 50.0, 50.0, 50.0, 50.0, 2, None, None)


async def test_an_account_is_marked_by_any_identity_of_a_contact_and_taken_once(store: Store) -> None:
    anna, card, zoe = await numbers_of(store, "customer:anna", "loyalty:l1", "customer:zoe")
    async with store.transaction() as transaction:
        await transaction.accounts.note([ContactRow("acme", card, NOON), ContactRow("beta", zoe, NOON)], [])
        await transaction.identities.move({card: anna})

    async with store.transaction() as transaction:
        await transaction.account_scores.mark([anna])
        await transaction.account_scores.mark([anna, zoe])
        waiting = await transaction.account_scores.waiting()
        first = await transaction.account_scores.take(limit=1)
        rest = await transaction.account_scores.take(limit=5)
        nothing = await transaction.account_scores.take(limit=5)

    assert (waiting, first, rest, nothing) == (2, ["acme"], ["beta"], [])


async def test_what_a_transaction_that_failed_has_taken_is_still_marked(store: Store) -> None:
    [anna] = await numbers_of(store, "customer:anna")
    async with store.transaction() as transaction:
        await transaction.accounts.note([ContactRow("acme", anna, NOON)], [])
        await transaction.account_scores.mark([anna])

    async def fail() -> None:
        async with store.transaction() as transaction:
            await transaction.account_scores.take(limit=5)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()

    async with store.transaction() as transaction:
        assert await transaction.account_scores.take(limit=5) == ["acme"]


async def test_an_account_is_behind_until_a_model_that_takes_over_has_written_it_as_often(store: Store) -> None:
    active, other = [
        await store.models.keep(replace(load_catalogue().weighing, version=version)) for version in ("one", "other")
    ]
    await store.models.claim(active)
    async with store.transaction() as transaction:
        table = transaction.account_scores
        await table.write("acme", [scored("acme", active, version=5)])
        await table.write("beta", [scored("beta", active, version=6), scored("beta", other, version=6)])
        before = await table.behind(other, limit=5)
        await table.write("acme", [scored("acme", active, version=8), scored("acme", other, version=8)])
        after = await table.behind(other, limit=5)
        await table.write("beta", [scored("beta", active, version=9)])
        again = await table.behind(other, limit=5)

    assert (before, after, again) == (["acme"], [], ["beta"])
