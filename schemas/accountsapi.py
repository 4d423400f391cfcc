"""The answers of the read API about accounts: companies, and the persons who act for them."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from schemas.changeapi import ChangeEnd, ChangeLeaf, ChangeOthers, Period
from schemas.historyapi import DAYS_MAX, HISTORY_VALUES_MAX, HistoryColumn, HistoryPoint
from schemas.readapi import LEAVES_MAX, PAGE_MAX, Change, Changes, JourneyTouchpoint, ReceiptLeaf, ReceiptOthers
from schemas.score import (
    Band,
    Cell,
    Confidence,
    Customer,
    ModelVersion,
    Points,
    Produced,
    Score,
    StandardError,
    Windows,
)
from schemas.touchpoint import RecordInstant

PEOPLE_MAX: Final = 100
"""Contacts shown one by one: nobody reads more, and they are 20 KiB of JSON."""

ACCOUNTS_CURSOR_PATTERN: Final = r"^([0-9a-f]{2}){8,520}$"
"""A place in a list of accounts: to the caller it means nothing."""

SORTS: Final = ("score", "worst", "account")
"""The lowest score first; the lowest score of a key contact first; by name."""

Account = Annotated[
    str,
    Field(min_length=1, max_length=128, description="The company, as events name it.", examples=["acme"]),
]
Role = Annotated[
    str,
    Field(
        pattern="^(user|champion|decision_maker)$",
        description="The last role that was said of the contact; user when none was, or one that there is not.",
    ),
]
Count = Annotated[int, Field(ge=0)]


class AccountContact(Produced):
    """A person who acts for the account."""

    customer: Customer
    role: Role
    since: RecordInstant
    """The first event that names the account beside any of the person's identities."""
    score: Score
    """The person's own, without the factor of the role."""
    confidence: Confidence
    band: Band
    points: Points
    """What the contact adds to the account's score, or takes from it."""


class OtherContacts(Produced):
    """What the contacts that are not shown add to the score, or take from it, all together."""

    contacts: Count
    points: Points


class AccountAnswer(Produced):
    """An account's score at a moment: what all its contacts have lived through, each by the factor of the role."""

    account: Account
    score: Score
    confidence: Confidence
    se: StandardError
    band: Band
    bands: dict[Band, Score]
    """The bands of the model, the worst first, with the scores at which they begin."""
    change: Changes
    """By the roles of this moment."""
    dimensions: dict[str, dict[str, Cell]]
    """By dimension (touchpoint, channel, stage, …), then by its value: of each at most 200, those most was seen of."""
    left_out: dict[str, Annotated[int, Field(ge=1)]]
    """By dimension, how many more values it has; a dimension that shows all of them is not named."""
    windows: Windows
    contacts: Count
    """How many persons act for the account."""
    unread: Count
    """Of these, those past the first thousand, who are not in the score."""
    worst_key_contact: AccountContact | None
    """The champion or decision maker with the lowest score of their own; null when nothing is known of any."""
    people: Annotated[list[AccountContact], Field(max_length=PEOPLE_MAX)]
    """Those who take most from the score first; with the others, their points add up to the score less the prior."""
    others: OtherContacts
    model_version: ModelVersion
    at: RecordInstant
    """The moment the score is read at; the whole hour that it falls in counts."""


class AccountReceiptAnswer(Produced):
    """Why the account's score is what it is: prior + the sum of the points + those of the others = score."""

    account: Account
    score: Score
    prior: Score
    leaves: Annotated[list[ReceiptLeaf], Field(max_length=LEAVES_MAX)]
    """Those that moved the score most, the first the most; of all contacts together."""
    others: ReceiptOthers
    """The rest of the leaves; zeros when there is none."""
    model_version: ModelVersion
    at: RecordInstant


class AccountChangeAnswer(Produced):
    """Two receipts side by side: what came, faded and fell out of all leaves adds up to the change.

    Both are read with the contacts and the roles of the later moment.
    """

    account: Account
    over: Period
    before: ChangeEnd
    after: ChangeEnd
    change: Change
    leaves: Annotated[list[ChangeLeaf], Field(max_length=LEAVES_MAX)]
    """Those that moved the score most, the first the most; of all contacts together."""
    others: ChangeOthers
    """The rest of the leaves; zeros when there is none."""
    model_version: ModelVersion


class AccountHistoryAnswer(Produced):
    """An account's score once a day, each read with the contacts and the roles of the last moment.

    So the line tells what they lived through, and not who joined or left.
    """

    account: Account
    points: Annotated[list[HistoryPoint], Field(max_length=DAYS_MAX)]
    """The oldest first, 24 hours apart."""
    dimension: str | None
    values: Annotated[dict[str, HistoryColumn], Field(max_length=HISTORY_VALUES_MAX)]
    """By value of the dimension, those that most was seen of; empty when none was asked for."""
    left_out: Count
    """How many more values the dimension has."""
    model_version: ModelVersion


class AccountTouchpoint(JourneyTouchpoint):
    """One event of one of the contacts."""

    customer: Customer
    """The contact."""


class AccountJourneyAnswer(Produced):
    """A page of the contacts' touchpoints: pages go back in time, within a page the newest is last."""

    account: Account
    touchpoints: Annotated[list[AccountTouchpoint], Field(max_length=PAGE_MAX)]
    next: str | None
    """The cursor of the page before this one in time; null when there is none."""


class KeyContact(Produced):
    """The champion or decision maker with the lowest score of their own."""

    customer: Customer
    score: Score


class ListedAccount(Produced):
    """An account as it was read last, a few seconds after its contacts' last event."""

    account: Account
    score: Score
    confidence: Confidence
    se: StandardError
    band: Band
    contacts: Count
    """How many persons act for the account."""
    worst_key_contact: KeyContact | None
    """Null when nothing is known of any."""
    as_of: RecordInstant
    """The hour that the score is of: the last event of any contact. The account's own answer is read at the present."""


class AccountsAnswer(Produced):
    """A page of accounts by their stored scores, all by one model."""

    accounts: Annotated[list[ListedAccount], Field(max_length=PAGE_MAX)]
    next: str | None
    """The cursor of the next page; null when there is none."""
    model_version: ModelVersion
