"""Who is one person: the same whatever order the links came in, and never two customers by accident."""

from __future__ import annotations

from itertools import groupby
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.identity import NAMELESS, Link, persons, refusal, strength, strongest

IDENTITIES = (
    "customer:c1",
    "customer:c2",
    "customer:c3",
    "loyalty:l1",
    "email_hash:e1",
    "email_hash:e2",
    "x-app:7",
    "anonymous:a1",
    "anonymous:a2",
    "device:d1",
)
PAIRS = tuple((a, b) for a in IDENTITIES for b in IDENTITIES if a != b)
LINKS_MAX = 9


def link(a: str, b: str, at: int = 0, *, event_id: str = "1", source: str = "shop", alias: bool = False) -> Link:
    return Link(a, b, at, event_id, source, alias)


def links_of(octets: bytes) -> list[Link]:
    """Decode up to nine links among ten identities; few moments and ids, so that ties are common."""
    return [
        link(
            *PAIRS[pair % len(PAIRS)],
            rest % 2,
            event_id=str(rest // 2 % 2),
            source=("shop", "till")[rest // 4 % 2],
            alias=rest // 8 % 8 == 0,
        )
        for pair, rest in zip(octets[1::2], octets[2::2], strict=True)
    ][: octets[0] % (LINKS_MAX + 1)]


SIZE = 1 + 2 * LINKS_MAX
links_sets = st.binary(min_size=SIZE, max_size=SIZE).map(links_of)


def groups(named: dict[str, str]) -> list[set[str]]:
    by_person = sorted(named, key=lambda identity: named[identity])
    return [set(group) for _, group in groupby(by_person, key=lambda identity: named[identity])]


def slow_persons(links: list[Link]) -> list[set[str]]:
    """The rules once more, with sets that are searched."""
    people: list[set[str]] = [{identity} for a, b, *_ in links for identity in (a, b)]
    people = [set(person) for person in {frozenset(person) for person in people}]

    def weak(identity: str) -> bool:
        return identity.startswith(("anonymous:", "device:"))

    def customers(person: set[str]) -> int:
        return sum(identity.startswith("customer:") for identity in person)

    def turn(one: Link) -> tuple[object, ...]:
        phase = 0 if one.alias else 1 + weak(one.a) + weak(one.b)
        return (phase, one.occurred_at_us, one.event_id, one.source, *sorted((one.a, one.b)))

    for one in sorted(links, key=turn):
        left = next(person for person in people if one.a in person)
        right = next(person for person in people if one.b in person)
        if left is not right and (one.alias or not (customers(left) and customers(right))):
            left |= right
            people.remove(right)
    return people


@given(links_sets, st.integers(0, 2**16))
def test_any_order_and_direction_of_links_and_any_repeats_give_the_same_persons(links: list[Link], seed: int) -> None:
    random = Random(seed)
    shuffled = random.choices(links, k=3) + random.sample(links, len(links)) if links else []
    turned = [one._replace(a=one.b, b=one.a) if random.random() < 0.5 else one for one in shuffled]

    assert persons(turned) == persons(links)


@given(links_sets)
def test_persons_follow_the_rules_as_sets_tell_them(links: list[Link]) -> None:
    found = groups(persons(links))

    assert sorted(map(sorted, found)) == sorted(map(sorted, slow_persons(links)))


@given(links_sets)
def test_customers_never_merge_but_by_alias(links: list[Link]) -> None:
    joined_by_alias = persons([one for one in links if one.alias])

    for person in groups(persons(links)):
        customers = {identity for identity in person if identity.startswith("customer:")}
        assert len({joined_by_alias.get(customer, customer) for customer in customers}) <= 1


@given(links_sets)
def test_a_person_is_named_by_its_strongest_then_smallest_identity(links: list[Link]) -> None:
    named = persons(links)

    for person in groups(named):
        assert {named[identity] for identity in person} == {min(person, key=strength)}


@given(links_sets)
def test_keeping_only_a_sources_earliest_link_of_a_pair_changes_no_person(links: list[Link]) -> None:
    earliest: dict[tuple[object, ...], Link] = {}
    for one in links:
        key = (frozenset((one.a, one.b)), one.source, one.alias)
        kept = earliest.get(key, one)
        earliest[key] = min(kept, one, key=lambda each: (each.occurred_at_us, each.event_id))

    assert persons(earliest.values()) == persons(links)


@given(st.permutations([(1, "1"), (1, "2"), (2, "1"), (3, "0")]), st.sampled_from(["anonymous:x", "device:x"]))
def test_a_weak_identity_belongs_to_the_customer_with_the_least_time_and_id(
    moments: list[tuple[int, str]], weak: str
) -> None:
    customers = [f"customer:{i}" for i in range(len(moments))]
    links = [link(weak, c, at, event_id=i) for c, (at, i) in zip(customers, moments, strict=True)]

    named = persons(links)

    assert named[weak] == customers[moments.index((1, "1"))]
    assert [named[customer] for customer in customers] == customers


@pytest.mark.parametrize("turned", [False, True])
def test_a_tie_in_every_respect_is_settled_by_the_identities_whatever_the_direction(*, turned: bool) -> None:
    links = [link("anonymous:a", "customer:c2"), link("customer:c1", "anonymous:a")]

    named = persons([one._replace(a=one.b, b=one.a) for one in links] if turned else links)

    assert named["anonymous:a"] == "customer:c1"


def test_removing_a_link_splits_a_person_exactly() -> None:
    kept = [link("customer:c1", "email_hash:e1"), link("loyalty:l1", "device:d1")]
    bridge = link("email_hash:e1", "loyalty:l1", 5)

    assert len(groups(persons([*kept, bridge]))) == 1
    assert groups(persons(kept)) == [{"customer:c1", "email_hash:e1"}, {"loyalty:l1", "device:d1"}]


def test_an_alias_joins_two_customers_and_the_smaller_one_names_them() -> None:
    named = persons([link("customer:c2", "customer:c1", alias=True), link("anonymous:a", "customer:c2", 1)])

    assert set(named.values()) == {"customer:c1"}


def test_a_strong_link_is_heard_before_an_earlier_weak_one() -> None:
    """A shared tablet seen first must not keep a customer from the customer's own card."""
    links = [
        link("device:tablet", "loyalty:l1", 1),
        link("device:tablet", "customer:c2", 2),
        link("loyalty:l1", "customer:c1", 9),
    ]

    named = persons(links)

    assert named == {
        "customer:c1": "customer:c1",
        "loyalty:l1": "customer:c1",
        "device:tablet": "customer:c1",
        "customer:c2": "customer:c2",
    }


def test_a_chain_of_ten_thousand_links_is_one_person() -> None:
    links = [link(f"x-n:{i:05}", f"x-n:{i + 1:05}", 10_000 - i) for i in range(10_000)]

    assert set(persons(links).values()) == {"x-n:00000"}


def test_no_links_name_nobody() -> None:
    assert persons([]) == {}


def test_identities_rank_customer_loyalty_email_phone_extensions_anonymous_device() -> None:
    ranked = [
        "customer:b",
        "loyalty:a",
        "email_hash:a",
        "phone_hash:a",
        "x-app:1",
        "x-web:0",
        "anonymous:a",
        "device:a",
    ]

    assert sorted(set(ranked), key=strength) == ranked
    assert strongest(["device:a", "customer:b", "customer:a"]) == "customer:a"


def test_the_strongest_of_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="empty"):
        strongest([])


@pytest.mark.parametrize(
    "value",
    [
        *sorted(NAMELESS),
        "",
        "   ",
        '""',
        "null\n",
        "NULL",
        "'undefined'",
        "Anonymous",
        "[object Object]",
        "NaN",
        "None",
        "0",
        "000",
        "0000-00",
        "-",
        "00000000-0000-0000-0000-000000000000",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "x" * 257,
        "\u200b",
        "\u00a0\u2060 \u00ad",
    ],
)
def test_a_placeholder_never_names_anyone(value: str) -> None:
    reason = refusal("customer", value)

    assert reason is not None
    assert reason.startswith("customer")


@pytest.mark.parametrize("value", ["c1", "10", "zero", "nobody", "Null Island", "0a", "Jan Nowak", "ü", "x" * 256])
def test_an_ordinary_value_may_name_somebody(value: str) -> None:
    assert refusal("customer", value) is None
