"""Turn what is stored of an account's contacts into the answers of the read API. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypedDict

from schemas.accountsapi import (
    PEOPLE_MAX,
    AccountAnswer,
    AccountContact,
    AccountJourneyAnswer,
    AccountReceiptAnswer,
    AccountTouchpoint,
    OtherContacts,
)
from schemas.instant import write_instant
from schemas.readapi import LEAVES_MAX, VALUES_MAX, Changes
from schemas.score import Cell, parts_as_told
from services.api.answers import Moment, Reasons, receipt_leaves, told_change, touchpoint_told, windows_told
from services.core.accounts import Contact, ContactReading, read_contacts, worst_key_contact
from services.core.bands import Bands
from services.core.catalogue import Catalogue, Parameters
from services.core.change import PERIODS, read_changes
from services.core.dimensions import Leaves
from services.core.facts import Facts
from services.core.roles import ROLES, factors_of
from services.core.scoring import WINDOWS, Reading, read_dimensions, read_together, receipt
from services.infra.catalogue.reading import Labels
from services.state.accounts import ContactPerson
from services.state.events import JourneyEvent
from services.state.events import LatestEvent as StoredEvent
from services.state.experience import Experience
from services.state.identities import IdentityRow


class _Given(TypedDict):
    """What every reading is given."""

    facts: Facts
    leaves: Leaves
    at_hour: int
    parameters: Parameters


class Company(NamedTuple):
    """An account's contacts in the order of sums, and how many there are beside those that are read."""

    account: str
    contacts: Sequence[Contact]
    people: Mapping[Contact, ContactPerson]
    every: int


def account_answer(
    company: Company, experience: Experience, *, facts: Facts, catalogue: Catalogue, moment: Moment
) -> AccountAnswer:
    """Score an account along everything that can be read from its contacts' tallies; owners are the contacts."""
    parameters, tallies = catalogue.parameters, experience.tallies
    given = _Given(facts=facts, leaves=experience.leaves, at_hour=moment.hour, parameters=parameters)
    factors = factors_of([one.role for one in company.contacts], parameters)
    both = read_together(tallies, **given, factors=factors, windows_h=[None, *WINDOWS.values()])
    overall, *windows = [Reading(*(float(column[0]) for column in reading)) for reading in both]
    dimensions = read_dimensions(tallies, **given, factors=factors, values_max=VALUES_MAX)
    changes = read_changes(tallies, **given, factors=factors, periods_h=[*PERIODS.values()])
    readings = read_contacts(tallies, **given, contacts=company.contacts)
    worst = worst_key_contact(readings)
    people, others = _people(company, readings, catalogue.bands)
    return AccountAnswer(
        account=company.account,
        score=overall.score,
        confidence=overall.confidence,
        se=overall.se,
        band=catalogue.bands.name(overall.score, overall.confidence),
        bands=catalogue.bands.begins,
        change=Changes(**dict(zip(PERIODS, map(told_change, changes), strict=True))),
        dimensions={
            name: {value: Cell(score=cell.score, confidence=cell.confidence) for value, cell in cells.items()}
            for name, cells in dimensions.cells.items()
        },
        left_out=dimensions.left_out,
        windows=windows_told(windows),
        contacts=company.every,
        unread=company.every - len(company.contacts),
        worst_key_contact=None if worst is None else _contact(company, worst, catalogue.bands, points=worst.points),
        people=people,
        others=others,
        model_version=catalogue.model_version,
        at=write_instant(moment.at),
    )


def _people(
    company: Company, readings: Sequence[ContactReading], bands: Bands
) -> tuple[list[AccountContact], OtherContacts]:
    """Show those who take most, and the others as one sum; rounded, the points still add up."""
    order = sorted(readings, key=lambda one: (one.points, one.contact))
    shown, rest = order[:PEOPLE_MAX], order[PEOPLE_MAX:]
    *points, others = parts_as_told(0.0, [*(one.points for one in shown), math.fsum(one.points for one in rest)])
    people = [_contact(company, one, bands, points=told) for one, told in zip(shown, points, strict=True)]
    return people, OtherContacts(contacts=len(rest), points=others)


def _contact(company: Company, reading: ContactReading, bands: Bands, *, points: float) -> AccountContact:
    return AccountContact(
        customer=reading.contact.customer,
        role=ROLES[reading.contact.role],
        since=write_instant(company.people[reading.contact].since),
        score=reading.score,
        confidence=reading.confidence,
        band=bands.name(reading.score, reading.confidence),
        points=points,
    )


def account_reasons(
    company: Company, experience: Experience, *, facts: Facts, catalogue: Catalogue, moment: Moment
) -> Reasons:
    """Find the leaves that moved an account's score most."""
    explained = receipt(
        experience.tallies,
        facts=facts,
        leaves=experience.leaves,
        at_hour=moment.hour,
        parameters=catalogue.parameters,
        leaves_max=LEAVES_MAX,
        factors=factors_of([one.role for one in company.contacts], catalogue.parameters),
    )
    return Reasons.of(explained, experience)


def account_receipt_answer(
    company: Company,
    reasons: Reasons,
    latest: Mapping[int, Sequence[StoredEvent]],
    *,
    catalogue: Catalogue,
    labels: Labels,
    moment: Moment,
) -> AccountReceiptAnswer:
    """Explain an account's score leaf by leaf, with the newest events behind each."""
    leaves, others = receipt_leaves(reasons, latest, labels=labels)
    return AccountReceiptAnswer(
        account=company.account,
        score=reasons.receipt.score,
        prior=reasons.receipt.prior,
        leaves=leaves,
        others=others,
        model_version=catalogue.model_version,
        at=write_instant(moment.at),
    )


def account_journey_answer(  # noqa: PLR0913 - a page, and all that its words come from
    account: str,
    events: Sequence[JourneyEvent],
    *,
    identities: Mapping[int, IdentityRow],
    customers: Mapping[int, str],
    catalogue: Catalogue,
    labels: Labels,
    next_cursor: str | None,
) -> AccountJourneyAnswer:
    """Show a page of events, which come the newest first, in the order of time; customers by their persons' numbers."""
    shown = []
    for event in reversed(events):
        identity = identities[event.identity]
        told = touchpoint_told(event, identity=identity.value, catalogue=catalogue, labels=labels)
        shown.append(AccountTouchpoint(**dict(told), customer=customers[identity.person]))
    return AccountJourneyAnswer(account=account, touchpoints=shown, next=next_cursor)
