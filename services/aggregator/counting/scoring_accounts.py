"""Read the scores of accounts anew, beside the work: chunks only mark them, so that none waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import Enum, auto
from typing import Final, NamedTuple

from services.aggregator.counting.alerting import look_at_account
from services.aggregator.counting.lag import Lag
from services.aggregator.counting.models import OwnModels, Weigher
from services.aggregator.counting.observe import alerts_told
from services.aggregator.counting.occasions import Occasion
from services.aggregator.counting.ports import ChunkTransaction, Store
from services.aggregator.counting.telling_alerts import Step as AlertStep
from services.aggregator.counting.writing_scores import WINDOWS_H
from services.core.accounts import Contact, positions, read_contacts, worst_key_contact
from services.core.catalogue import Catalogue
from services.core.facts import NO_FACTS, Facts
from services.core.instants import HOUR_US
from services.core.roles import factors_of
from services.core.scoring import read_together
from services.core.tallies import HOUR_BITS, LEAF, Tallies, merge
from services.infra.background import Background
from services.infra.logs import get_logger
from services.infra.metrics import ACCOUNTS_SCORED, ACCOUNTS_WAITING
from services.state.account_scores import AccountScore
from services.state.facts import facts_of_persons
from services.state.scores import Turn

log = get_logger(__name__)

EVERY_S: Final = 2.0
"""How far a stored score of an account may be behind its contacts, beside the time that reading it takes."""

AGAIN_S: Final = 10.0
"""After a round that failed."""

PORTION: Final = 20
"""Accounts in one transaction: of a dozen contacts each, some tens of milliseconds."""

ROWS_MAX: Final = 400_000
"""Tallies of one account's contacts: 32 MiB, as many as the API reads. One with more has no stored score."""

FACT_ROWS: Final = 50
"""A fact takes the room and the time of so many tallies."""

LAST_HOUR: Final = (1 << HOUR_BITS) - 1


class Step(Enum):
    """What a step has come to."""

    IDLE = auto()
    """There is nothing to read, or another worker does it."""
    MOVED = auto()
    """There may be more to do."""


class ScoringAccounts:
    """The task that reads accounts for as long as the worker lives; one worker of all does it at a time."""

    def __init__(self, store: Store, catalogue: Catalogue, lag: Lag, *, portion: int = PORTION) -> None:
        self._store = store
        self._lag = lag
        self._portion = portion
        self._background = Background("accounts", self._round, again_s=AGAIN_S)
        self._models = OwnModels(store, catalogue)

    def start(self) -> None:
        """Go on in the background."""
        self._background.start(pause_s=EVERY_S)

    async def stop(self) -> None:
        """Leave off; what is marked stays so, and another worker or start reads it."""
        await self._background.stop()

    async def step(self) -> Step:
        """Read some accounts that are marked, or that a model which takes over has not read; raises UnavailableError."""
        late = not await self._lag.is_small()
        told: list[AlertStep] = []
        async with self._store.transaction() as transaction:
            if not await transaction.account_scores.hold():
                return Step.IDLE
            accounts = await self._chosen(transaction)
            if not accounts:
                return Step.IDLE
            turn = await transaction.scores.turn()
            for account in accounts:
                outcome = await self._score(transaction, account, turn, told, late=late)
                ACCOUNTS_SCORED.labels(outcome=outcome).inc()
            ACCOUNTS_WAITING.set(await transaction.account_scores.waiting())
        alerts_told(told)
        return Step.MOVED

    async def _round(self) -> float:
        """One step; how long to pause after it."""
        began_s = asyncio.get_running_loop().time()
        step = await self.step()
        # As long as it took: the other half of the time belongs to events.
        return asyncio.get_running_loop().time() - began_s if step is Step.MOVED else EVERY_S

    async def _chosen(self, transaction: ChunkTransaction) -> list[str]:
        """Take what is marked; when nothing is, what a model that takes over still lacks."""
        marked = await transaction.account_scores.take(limit=self._portion)
        if marked or not await transaction.activations.under_way():
            return marked
        in_use = (await transaction.scores.turn()).in_use
        if in_use is None or in_use.filling is None:
            return []
        return await transaction.account_scores.behind(in_use.filling, limit=self._portion)

    async def _score(
        self, transaction: ChunkTransaction, account: str, turn: Turn, told: list[AlertStep], *, late: bool
    ) -> str:
        """Write an account's score by each model that is in use, and what alerts follow from it; tells the outcome."""
        lived = await lived_of(transaction, account)
        if lived is None or not lived.contacts:
            await transaction.account_scores.write(account, [])
            return "too_large" if lived is None else "nobody"
        models, as_of = self._models.of(transaction), await transaction.account_scores.as_of(lived.persons)
        scores, weighers = [], []
        for generation in (await models.in_use(turn)).generations:
            weigher = await models.weigher(generation.model, lived.tallies.rows[:, LEAF])
            key = (account, generation.model, turn.version, as_of)
            scores.append(_scored(key, lived, weigher))
            weighers.append(weigher)
        await transaction.account_scores.write(account, scores)
        occasion = occasion_of(account, lived, weighers[0], at_us=as_of * HOUR_US)
        told += await look_at_account(transaction, occasion._replace(late=late))
        return "written"


class Lived(NamedTuple):
    """Contacts in the order of sums, by name, and their tallies; owners are places among them."""

    contacts: Sequence[Contact]
    persons: Sequence[int]
    every: int
    tallies: Tallies
    facts: Facts


async def lived_of(transaction: ChunkTransaction, account: str) -> Lived | None:
    """Read what an account's contacts have lived through; None when it is too much."""
    contacts = await transaction.accounts.contacts(account, until_hour=LAST_HOUR)
    named = sorted((Contact(one.customer, one.role), one.person) for one in contacts.people)
    persons = [person for _, person in named]
    if not persons:
        return Lived([], [], 0, merge([]), NO_FACTS)
    stored = await transaction.tallies.of_persons(persons, rows_max=ROWS_MAX + 1)
    if len(stored.rows) > ROWS_MAX:
        return None
    tallies = merge([Tallies(positions(persons, stored.owner), stored.rows)])
    beside = await facts_of_persons(transaction.facts, persons, facts_max=ROWS_MAX // FACT_ROWS + 1)
    if sum(len(one.facts) for one in beside.values()) > ROWS_MAX // FACT_ROWS:
        return None
    facts = Facts({place: beside[person] for place, person in enumerate(persons) if person in beside})
    return Lived([contact for contact, _ in named], persons, contacts.every, tallies, facts)


def occasion_of(account: str, lived: Lived, weigher: Weigher, *, at_us: int) -> Occasion:
    """Take an account's contacts as what its alerts may follow from."""
    factors = factors_of([one.role for one in lived.contacts], weigher.parameters)
    return Occasion(
        lived.persons, lived.tallies, lived.facts, weigher, at_us, frozenset(), account=account, factors=factors
    )


def _scored(key: tuple[str, int, int, int], lived: Lived, weigher: Weigher) -> AccountScore:
    """Read an account at an hour; the key is the account, the model, the version and that hour."""
    *_, at_hour = key
    parameters, leaves = weigher.parameters, weigher.leaves
    overall, *windows = read_together(
        lived.tallies,
        facts=lived.facts,
        leaves=leaves,
        at_hour=at_hour,
        parameters=parameters,
        windows_h=WINDOWS_H,
        factors=factors_of([one.role for one in lived.contacts], parameters),
    )
    each = read_contacts(
        lived.tallies,
        contacts=lived.contacts,
        facts=lived.facts,
        leaves=leaves,
        at_hour=at_hour,
        parameters=parameters,
    )
    worst = worst_key_contact(each)
    day, week, month, quarter = (float(window.score[0]) for window in windows)
    return AccountScore(
        *key,
        band=int(leaves.catalogue.bands.numbers(overall.score, overall.confidence)[0]),
        score=float(overall.score[0]),
        confidence=float(overall.confidence[0]),
        se=float(overall.se[0]),
        score_24h=day,
        score_7d=week,
        score_30d=month,
        score_90d=quarter,
        contacts=lived.every,
        worst=None if worst is None else lived.persons[lived.contacts.index(worst.contact)],
        worst_score=None if worst is None else worst.score,
    )
