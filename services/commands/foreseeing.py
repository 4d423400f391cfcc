"""How well scores foresaw outcomes: each is read from what had happened before it, and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from time import monotonic
from typing import Final, NamedTuple

import numpy as np

from services.commands.outcomes import Outcome
from services.commands.reading_people import PeopleReader
from services.commands.telling import say
from services.core.comparison import area_under_curve
from services.core.facts import Facts
from services.core.instants import EPOCH, hour_of, micros_of
from services.core.tallies import N, Tallies, fold, merge
from services.infra.errors import ConfigurationError, InvalidEventError
from services.infra.pseudonyms import hash_key, known_identities
from services.infra.settings import Settings
from services.state.comparing import People
from services.state.pool import Statements

PORTION: Final = 500
"""Outcomes read together."""

LINE_EVERY_S: Final = 2.0


class Foresight(NamedTuple):
    """How well each model foresaw outcomes: how often the customer who was to have a bad one had the lower score."""

    outcomes: int
    bad: int
    auc_one: float
    auc_other: float
    unknown: int
    """Outcomes left out, of customers that nobody knows."""
    unheard: int
    """Outcomes left out, before anything had happened to the customer."""

    def told(self) -> list[str]:
        """Say it in lines."""
        lines = [
            f"{self.outcomes} outcomes, {self.bad} of them bad; AUC {self.auc_one:.3f} (one), {self.auc_other:.3f} (other)"
        ]
        if self.unknown:
            lines.append(f"{self.unknown} outcomes left out: no customer has this identity; write kind:value")
        if self.unheard:
            lines.append(
                f"{self.unheard} outcomes left out: nothing had happened to the customer before; check the times"
            )
        return lines


class LivedBefore(NamedTuple):
    """What persons had lived before an outcome each, by its place; leaves as they are stored."""

    tallies: Tallies
    facts: Facts


async def foresee(
    statements: Statements, reader: PeopleReader, outcomes: Sequence[Outcome], *, settings: Settings
) -> Foresight:
    """Read both models just before each outcome; raises ConfigurationError when those that are left are of one kind."""
    scores: list[np.ndarray[tuple[int, int], np.dtype[np.float64]]] = []
    bad: list[bool] = []
    unknown, told_s = 0, monotonic()
    for first in range(0, len(outcomes), PORTION):
        portion = outcomes[first : first + PORTION]
        persons = await persons_of(People(statements), portion, settings=settings)
        known = [(person, outcome) for person, outcome in zip(persons, portion, strict=True) if person is not None]
        unknown += len(portion) - len(known)
        if known:
            scores.append(await _scores(statements, reader, known))
            bad += [outcome.bad for _, outcome in known]
        if monotonic() - told_s >= LINE_EVERY_S:
            say(f"{first + len(portion)} of {len(outcomes)} outcomes read")
            told_s = monotonic()
    one, other, seen = np.concatenate(scores, axis=1) if scores else np.empty((3, 0))
    heard = seen > 0
    kinds = np.array(bad, dtype=np.bool_)[heard]
    if not len(kinds) or kinds.all() or not kinds.any():
        raise ConfigurationError(
            f"of the outcomes none of one kind can be read: {unknown} are of unknown customers, {int((~heard).sum())} lie "
            "before anything happened to the customer; check the column customer (kind:value) and the column time"
        )
    return Foresight(
        outcomes=len(kinds),
        bad=int(kinds.sum()),
        auc_one=area_under_curve(one[heard], kinds),
        auc_other=area_under_curve(other[heard], kinds),
        unknown=unknown,
        unheard=int((~heard).sum()),
    )


async def _scores(
    statements: Statements, reader: PeopleReader, known: Sequence[tuple[int, Outcome]]
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Rows: the score by each model, and how many events are behind it."""
    lived = await lived_before(statements, reader, known)
    if lived is None:
        half = len(known) // 2
        parts = [await _scores(statements, reader, part) for part in (known[:half], known[half:])]
        return np.concatenate(parts, axis=1)
    events = np.bincount(lived.tallies.owner, weights=lived.tallies.rows[:, N], minlength=len(known))
    hours = [hour_of(outcome.at) for _, outcome in known]
    one, other = await reader.read_tallies(lived.tallies, facts=lived.facts, at_hours=hours)
    return np.stack([one.score, other.score, events])


async def lived_before(
    statements: Statements, reader: PeopleReader, known: Sequence[tuple[int, Outcome]]
) -> LivedBefore | None:
    """Give what persons had lived before an outcome each, by its place here; None when there is too much at once."""
    persons = [person for person, _ in known]
    hours = [hour_of(outcome.at) for _, outcome in known]
    whole = await reader.before(persons, hours=hours)
    if whole is None:
        return None
    # Tallies are of whole hours: of the outcome's own hour only the events before it count.
    since = [EPOCH + timedelta(hours=hour) for hour in hours]
    happened = await People(statements).happened(persons, since=since, until=[outcome.at for _, outcome in known])
    hour = np.array(hours, dtype=np.int64)[happened.place]
    partly = fold(owner=happened.place, leaf=happened.leaf, hour=hour, v=happened.v, q=happened.q)
    facts = await reader.facts_before(persons, until_us=[micros_of(outcome.at) for _, outcome in known])
    return LivedBefore(merge([whole, partly]), facts)


async def persons_of(people: People, portion: Sequence[Outcome], *, settings: Settings) -> list[int | None]:
    """Find the persons of outcomes; None where nobody has the identity."""
    names = [_names(outcome.identity, settings) for outcome in portion]
    known = await people.named(sorted({name for several in names for name in several}))
    return [next((known[name] for name in several if name in known), None) for several in names]


def _names(identity: str, settings: Settings) -> tuple[str, ...]:
    """Under what a customer may be kept: mail and phone as their hashes."""
    kind, _, value = identity.partition(":")
    if kind not in {"email", "phone"}:
        return (identity,)
    try:
        return tuple(":".join(one) for one in known_identities(hash_key(settings.hash_key), kind, value))
    except InvalidEventError:
        return ()
