"""Who acts for which company, and in which role: what a chunk's new events say of it."""

from __future__ import annotations

from collections.abc import Sequence

from services.aggregator.counting.event_columns import EventColumns
from services.aggregator.counting.ports import AccountsPort
from services.aggregator.counting.records import Event
from services.core.instants import HOUR_US, instant_of
from services.state.accounts import ContactRow, RoleRow


async def note_contacts(accounts: AccountsPort, fresh: Sequence[Event], columns: EventColumns) -> None:
    """Keep it, under the locks of the persons that these events were counted for; nearly no chunk says anything."""
    contacts, roles = said(fresh, columns.identity.tolist())
    if contacts:
        await accounts.note(contacts, roles)


def said(events: Sequence[Event], identities: Sequence[int]) -> tuple[list[ContactRow], list[RoleRow]]:
    """Fold what events say, each of the identity beside it; pure, and the same for any order of the events.

    Of a contact the first time is kept, and of each hour the last role that was said in it: so that a score of any hour
    knows the role of that hour, whenever what was said of it comes.
    """
    contacts: dict[tuple[str, int], ContactRow] = {}
    roles: dict[tuple[str, int, int], RoleRow] = {}
    for event, identity in zip(events, identities, strict=True):
        if not event.account:
            continue
        at = instant_of(event.occurred_us)
        contact = ContactRow(event.account, identity, at)
        known = contacts.get(contact.key)
        if known is None or at < known.since:
            contacts[contact.key] = contact
        if event.role is not None:
            hour = event.occurred_us // HOUR_US
            role = RoleRow(event.account, identity, hour, at, event.source, event.event_id, event.role)
            former = roles.get(role.key)
            if former is None or former.turn < role.turn:
                roles[role.key] = role
    return sorted(contacts.values()), sorted(roles.values())
