"""An account's score: the laws of a score hold for all its contacts together, each by the factor of its role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.accounts import Contact, ContactReading, in_turn, read_contacts, worst_key_contact
from services.core.catalogue import Parameters
from services.core.change import read_changes
from services.core.dimensions import Leaf, Leaves
from services.core.facts import KEEPS, NO_FACTS, STATES, Fact, Facts, PersonFacts
from services.core.instants import HOUR_US
from services.core.promise_kinds import PromiseKind, PromiseKinds
from services.core.roles import ROLES, factors_of, role_of
from services.core.scoring import Reading, read, read_dimensions, read_together, receipt
from services.core.tallies import MICRO, Tallies, merge
from services.core.valence import Late
from services.infra.catalogue.reading import load_catalogue
from tests.reference.scoring import Event
from tests.unit.core.histories import (
    LEAVES_OF,
    MODELS,
    NOW,
    WINDOWS_H,
    Family,
    event_of,
    families,
    octets_of,
    parameters_of,
    tallied,
)

USER, CHAMPION, DECISION_MAKER = range(len(ROLES))
HOURS_KEPT = 9600

roles = st.lists(st.integers(USER, DECISION_MAKER), min_size=3, max_size=3)


class Account(NamedTuple):
    """Contacts, their histories and the model that they are read by."""

    roles: Sequence[int]
    family: Family

    @property
    def contacts(self) -> list[Contact]:
        return [Contact(f"customer:c{place}", role) for place, role in enumerate(self.roles)]

    @property
    def tallies(self) -> Tallies:
        return merge([tallied(history, owner=place) for place, history in enumerate(self.family.histories)])

    @property
    def parameters(self) -> Parameters:
        return parameters_of(self.family.model)

    @property
    def leaves(self) -> Leaves:
        return LEAVES_OF[id(self.family.model)]

    def read(self, window_h: int | None = None) -> Reading[float]:
        [reading] = read_together(
            self.tallies,
            facts=NO_FACTS,
            leaves=self.leaves,
            at_hour=NOW,
            parameters=self.parameters,
            windows_h=[window_h],
            factors=factors_of(self.roles, self.parameters),
        )
        return Reading(*(float(column[0]) for column in reading))

    def by_contact(self) -> list[ContactReading]:
        return read_contacts(
            self.tallies,
            contacts=self.contacts,
            facts=NO_FACTS,
            leaves=self.leaves,
            at_hour=NOW,
            parameters=self.parameters,
        )


def account_of(roles: Sequence[int], family: Family) -> Account:
    return Account(roles[: len(family.histories)], family)


accounts = st.builds(account_of, roles, families)


def plain_score(account: Account, window_h: int | None) -> float:
    """The same by the book: each contact's hours capped by themselves, then multiplied, then added."""
    p = account.parameters
    factor = dict(zip(ROLES, (p.factor_user, p.factor_champion, p.factor_decision_maker), strict=True))
    good = bad = 0.0
    for role, history in zip(account.roles, account.family.histories, strict=True):
        cells: dict[tuple[object, int], list[Event]] = {}
        for event in history:
            cells.setdefault((event.leaf, event.hour), []).append(event)
        for (_, hour), events in cells.items():
            age = NOW - hour
            if not 0 <= age < min(window_h or HOURS_KEPT, HOURS_KEPT):
                continue
            fading = 2 ** (-age / (24 * p.half_life_days)) if window_h is None else 1
            weight = account.family.model.weights[events[0].leaf[0]] * factor[ROLES[role]] * fading
            v = [(e.q / MICRO, e.v / MICRO) for e in events]
            good += weight * min(sum(q * ((1 - p.beta) * x + p.beta * x * x) for q, x in v if x > 0), p.cap)
            bad += weight * min(sum(q * ((1 - p.beta) * -x + p.beta * x * x) for q, x in v if x < 0), p.cap)
    a, b = p.kappa * p.prior + good, p.kappa * (1 - p.prior) + p.lambda_ * bad
    return 100 * a / (a + b)


@given(accounts, st.sampled_from(WINDOWS_H))
def test_an_account_reads_every_contact_capped_by_itself_and_by_its_roles_factor(
    account: Account, window_h: int | None
) -> None:
    assert account.read(window_h).score == pytest.approx(plain_score(account, window_h), abs=1e-3)


@given(accounts)
def test_the_points_of_contacts_and_those_of_leaves_add_up_to_the_account(account: Account) -> None:
    whole, prior = account.read(), 100 * account.parameters.prior

    explained = receipt(
        account.tallies,
        facts=NO_FACTS,
        leaves=account.leaves,
        at_hour=NOW,
        parameters=account.parameters,
        factors=factors_of(account.roles, account.parameters),
    )

    assert explained.score == whole.score
    assert sum(one.points for one in account.by_contact()) == pytest.approx(whole.score - prior, abs=1e-9)
    assert sum(one.points for one in explained.leaves) == pytest.approx(whole.score - prior, abs=1e-9)


@given(accounts, octets_of(4), st.integers(0, 2))
def test_a_good_event_of_any_contact_never_lowers_the_account_and_a_bad_one_never_raises_it(
    account: Account, octets: bytes, whose: int
) -> None:
    event = event_of(octets)
    histories = [list(history) for history in account.family.histories]
    if not histories:
        return
    histories[whose % len(histories)].append(event)

    after = account._replace(family=account.family._replace(histories=histories)).read()

    before = account.read()
    assert 0 < after.score < 100
    assert after.score >= before.score or event.v < 0
    assert after.score <= before.score or event.v > 0
    assert after.confidence >= before.confidence or event.hour > NOW


@given(accounts, st.integers(0, 255))
def test_the_order_in_which_contacts_came_changes_no_bit(account: Account, seed: int) -> None:
    lived = list(zip(account.contacts, account.family.histories, strict=True))
    came = Random(seed).sample(lived, len(lived))
    order = in_turn(contact for contact, _ in came)
    history_of = dict(came)

    again = Account([one.role for one in order], account.family._replace(histories=[history_of[one] for one in order]))

    assert order == account.contacts
    assert [again.read(window_h) for window_h in WINDOWS_H] == [account.read(window_h) for window_h in WINDOWS_H]


@given(families)
def test_an_account_of_one_user_is_that_customer_bit_for_bit(family: Family) -> None:
    alone = Account([USER], family._replace(histories=[*family.histories, []][:1]))

    [own] = read(
        alone.tallies,
        facts=NO_FACTS,
        owners=1,
        leaves=alone.leaves,
        at_hour=NOW,
        parameters=alone.parameters,
        windows_h=[None],
    )

    assert alone.read() == tuple(float(column[0]) for column in own)
    assert alone.by_contact()[0][1:3] == alone.read()[:2]


def test_a_decision_maker_counts_three_times_a_user_and_a_champion_twice() -> None:
    missed = Event(("delivery.missed", "web", ""), NOW, -MICRO, MICRO)
    family = Family([[missed]], MODELS[0])

    bad = [account_of([role], family).read() for role in (USER, CHAMPION, DECISION_MAKER)]

    # By hand: kappa 3, prior .5, weight 3, lambda 2, so b/a = (1.5 + 6·factor) / 1.5.
    assert [one.score for one in bad] == pytest.approx([100 / 6, 100 / 10, 100 / 14])
    assert [one.confidence for one in bad] == pytest.approx([3 / 6, 6 / 9, 9 / 12])


def test_what_two_contacts_live_through_in_one_hour_is_capped_for_each_and_not_together() -> None:
    placed = Event(("order.placed", "web", ""), NOW, MICRO, 2 * MICRO)

    two = account_of([USER, USER], Family([[placed], [placed]], MODELS[0])).read()
    one = account_of([USER], Family([[placed, placed]], MODELS[0])).read()

    assert one.score == pytest.approx(100 * 3.5 / 5)
    assert two.score == pytest.approx(100 * 5.5 / 7)


def test_the_worst_key_contact_is_the_unhappiest_of_those_that_the_account_hangs_on() -> None:
    bad, good = (Event(("delivery.missed", "web", ""), NOW, v, MICRO) for v in (-MICRO, MICRO))
    account = account_of([USER, CHAMPION, DECISION_MAKER], Family([[bad, bad], [bad], [good]], MODELS[0]))

    worst = worst_key_contact(account.by_contact())

    assert worst is not None
    assert worst.contact == Contact("customer:c1", CHAMPION)
    assert worst.score == pytest.approx(100 / 6)


def test_of_key_contacts_of_whom_nothing_is_known_none_is_the_worst() -> None:
    bad = Event(("delivery.missed", "web", ""), NOW, -MICRO, MICRO)

    assert worst_key_contact(account_of([USER, CHAMPION], Family([[bad], []], MODELS[0])).by_contact()) is None


@given(accounts)
def test_the_dimensions_and_the_change_of_an_account_weigh_by_role_as_its_score_does(account: Account) -> None:
    factors = factors_of(account.roles, account.parameters)
    dimensions = partial(read_dimensions, account.tallies, facts=NO_FACTS, leaves=account.leaves, factors=factors)
    moved = partial(read_changes, account.tallies, facts=NO_FACTS, leaves=account.leaves, factors=factors)

    cells = dimensions(at_hour=NOW, parameters=account.parameters).cells["control"]
    (change,) = moved(at_hour=NOW, periods_h=[HOURS_KEPT + 1], parameters=account.parameters)

    whole = account.read()
    assert [cell.score for cell in cells.values()] in ([], [whole.score])
    assert change.points == pytest.approx(whole.score - 100 * account.parameters.prior, abs=1e-9) or any(
        event.hour <= NOW - HOURS_KEPT for history in account.family.histories for event in history
    )


MISSED = "delivery.promise_missed"
WITH_PROMISES = replace(
    OURS := load_catalogue(),
    entries={**OURS.entries, MISSED: replace(OURS.entries["delivery.damaged"], name=MISSED, weight=3.0)},
    promises=PromiseKinds(
        {
            "order": PromiseKind(
                name="order",
                shares="order",
                key="order",
                due="promised_at",
                states=("order.completed",),
                keeps=("delivery.delivered",),
                missed=MISSED,
                felt=Late(None),
            )
        }
    ),
)


def fact(role: str, *, occurred: int, due: int | None) -> Fact:
    touchpoint = "order.completed" if role == STATES else "delivery.delivered"
    return Fact(
        identity=1,
        kind="order",
        key="order/1001",
        part="",
        role=role,
        source="shop",
        event_id=role,
        occurred_us=occurred * HOUR_US,
        received_hour=occurred,
        due_us=None if due is None else due * HOUR_US,
        v=0,
        q=MICRO,
        leaf=Leaf(touchpoint, "delivery", ""),
    )


def promised(roles: Sequence[int], facts: Sequence[Fact]) -> float:
    people = Facts({0: PersonFacts([1], facts)})
    [reading] = read_together(
        merge([]),
        facts=people,
        leaves=Leaves.of(WITH_PROMISES, sorted(people.leaves(WITH_PROMISES))),
        at_hour=NOW,
        parameters=WITH_PROMISES.parameters,
        windows_h=[None],
        factors=factors_of(roles, WITH_PROMISES.parameters),
    )
    return float(reading.score[0])


def test_a_promise_that_is_open_weighs_by_the_role_of_whoever_waits() -> None:
    waits = fact(STATES, occurred=NOW - 200, due=NOW - 100)

    scores = [promised([role], [waits]) for role in (USER, CHAMPION, DECISION_MAKER)]

    assert 50 > scores[0] > scores[1] > scores[2]


def test_a_promise_that_is_kept_never_lowers_the_account_whatever_the_role() -> None:
    waits, came = fact(STATES, occurred=NOW - 200, due=NOW - 100), fact(KEEPS, occurred=NOW - 10, due=None)

    for role in (USER, CHAMPION, DECISION_MAKER):
        assert promised([role], [waits, came]) > promised([role], [waits])


@pytest.mark.parametrize("word", ["decision_maker", "Decision Maker", "decision-maker", "  DECISION  maker "])
def test_a_role_is_known_however_its_word_is_written(word: str) -> None:
    assert role_of(word) == DECISION_MAKER


@pytest.mark.parametrize("word", ["", "cfo", "decisionmaker", "user2", "\0"])
def test_what_is_no_role_is_none(word: str) -> None:
    assert role_of(word) is None
