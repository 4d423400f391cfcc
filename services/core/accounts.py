"""An account's score: what all its contacts have lived through, each by the factor of its role."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from services.core import scoring
from services.core.bands import CONFIDENCE_KNOWN
from services.core.evidence import as_one, balance, by_owner, evidence_of
from services.core.roles import factors_of, is_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from services.core.catalogue import Parameters
    from services.core.dimensions import Leaves
    from services.core.facts import Facts
    from services.core.tallies import Tallies


class Contact(NamedTuple):
    """A person who acts for the account, and in which role (its number among ROLES)."""

    customer: str
    role: int


class ContactReading(NamedTuple):
    """A contact's own score, and what the contact adds to the account's, or takes from it, in points."""

    contact: Contact
    score: float
    confidence: float
    points: float


def in_turn(contacts: Iterable[Contact]) -> list[Contact]:
    """Put contacts in the order in which they are summed: by name, which no order of arrival can change."""
    return sorted(contacts)


def positions(persons: Sequence[int], owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number owners, which are among these persons, by their places there."""
    numbers = np.array(persons, dtype=np.int64)
    by_number = np.argsort(numbers)
    places: NDArray[np.int64] = by_number[np.searchsorted(numbers[by_number], owner)]
    return places


def read_contacts(
    tallies: Tallies,
    *,
    contacts: Sequence[Contact],
    facts: Facts,
    leaves: Leaves,
    at_hour: int,
    parameters: Parameters,
) -> list[ContactReading]:
    """Read each contact's own score, without its factor, and its points of the account's.

    Owners of the tallies are positions in `contacts`. The points add up to the account's score less the prior.
    """
    own = scoring.read(
        tallies,
        facts=facts,
        owners=len(contacts),
        leaves=leaves,
        at_hour=at_hour,
        parameters=parameters,
        windows_h=[None],
    )[0]
    factors = factors_of([one.role for one in contacts], parameters)
    evidence = evidence_of(tallies, leaves=leaves, facts=facts, at_hour=at_hour, parameters=parameters, factors=factors)
    one = as_one(evidence)
    whole, parts = (
        balance(evidence, groups, capped_in=one, window_h=None, parameters=parameters)
        for groups in (one, by_owner(evidence, len(contacts)))
    )
    prior = parameters.prior
    points = 100 * ((1 - prior) * parts.good - prior * parts.bad) / (parameters.kappa + whole.good + whole.bad)
    columns = (column.tolist() for column in (own.score, own.confidence, points))
    return [ContactReading(*row) for row in zip(contacts, *columns, strict=True)]


def worst_key_contact(readings: Iterable[ContactReading]) -> ContactReading | None:
    """Give the key contact that lives through most harm: of those of whom enough is known, the lowest score."""
    known = [one for one in readings if is_key(one.contact.role) and one.confidence >= CONFIDENCE_KNOWN]
    return min(known, key=lambda one: (one.score, one.contact), default=None)
