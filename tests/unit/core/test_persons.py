"""Who is one person: the same whatever order the links came in, and never two customers by accident."""

from __future__ import annotations

from itertools import groupby, pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.identity import strength
from services.core.persons import ALIAS, BOUNDS, TRUST_OF_KEY, Bounds, Link, level_of, persons

IDENTITIES = (
    "customer:c1",
    "customer:c2",
    "customer:c3",
    "customer:c4",
    "loyalty:l1",
    "email_hash:e1",
    "email_hash:e2",
    "x-app:7",
    "anonymous:a1",
    "anonymous:a2",
    "device:d1",
)
PAIRS = tuple((a, b) for a in IDENTITIES for b in IDENTITIES if a != b)
LINKS_MAX = 12
NARROW = Bounds(peers=2, peers_of_servers=3, claims=2, aliases=2)


def link(  # noqa: PLR0913 - each is a fact of the link that some test varies
    a: str, b: str, at: int = 0, *, event_id: str = "1", source: str = "shop", key: str = "server", alias: bool = False
) -> Link:
    level = ALIAS if alias else level_of(a, b, trust=TRUST_OF_KEY[key])
    return Link(a, b, level, at, event_id, f"{source} {event_id}".encode(), source)


def links_of(octets: bytes) -> list[Link]:
    """Decode some links among eleven identities; few moments and ids, so that ties are common."""
    return [
        link(
            *PAIRS[pair % len(PAIRS)],
            rest % 2,
            event_id=str(rest // 2 % 2),
            source=("shop", "till")[rest // 4 % 2],
            key=("server", "signed", "browser", "browser")[rest // 8 % 4],
            alias=rest // 32 % 4 > 0 and all(map(is_customer, PAIRS[pair % len(PAIRS)])),
        )
        for pair, rest in zip(octets[1::2], octets[2::2], strict=True)
    ][: octets[0] % (LINKS_MAX + 1)]


SIZE = 1 + 2 * LINKS_MAX
links_sets = st.binary(min_size=SIZE, max_size=SIZE).map(links_of)
bounds_or_narrow = st.sampled_from([BOUNDS, NARROW])


def groups(named: dict[str, str]) -> list[set[str]]:
    by_person = sorted(named, key=lambda identity: named[identity])
    return [set(group) for _, group in groupby(by_person, key=lambda identity: named[identity])]


def is_customer(identity: str) -> bool:
    return identity.startswith("customer:")


def ends_of(one: Link) -> set[str]:
    return {one.a, one.b}


def hanging_together(start: str, links: list[Link]) -> set[str]:
    """Everything that these links reach from one identity."""
    reached: set[str] = set()
    beyond = {start}
    while beyond:
        reached |= beyond
        beyond = {end for one in links if ends_of(one) & reached for end in ends_of(one)} - reached
    return reached


def in_a_crowd(one: Link, peers: list[Link], bounds: Bounds) -> bool:
    """Whether too many hang together by links of some level up to this one's; a crowd stays one at lesser levels."""
    return any(
        len(hanging_together(one.a, [other for other in peers if other.level <= level])) > bounds.peers_at(level)
        for level in range(one.level + 1)
    )


def is_heard(one: Link, links: list[Link], bounds: Bounds) -> bool:
    """The rules once more, for one link among those that each pair and source keeps."""
    between = [other for other in links if not other.alias]
    customers = [end for end in ends_of(one) if is_customer(end)]
    if len(customers) == 2:
        same = hanging_together(one.a, [other for other in links if other.alias])
        return one.alias and len(same) <= bounds.aliases
    if not customers:
        return not in_a_crowd(one, [other for other in between if not any(map(is_customer, ends_of(other)))], bounds)
    (claimed,) = ends_of(one) - set(customers)
    of_customer = [
        other for other in between if customers[0] in ends_of(other) and not all(map(is_customer, other[:2]))
    ]
    of_claimed = [other for other in between if claimed in ends_of(other) and any(map(is_customer, ends_of(other)))]
    before = [other for other in of_customer if other.turn < one.turn]
    better = [o for o in of_claimed if (o.turn, min(ends_of(o), key=strength)) < (one.turn, customers[0])]
    return len(before) < bounds.claims and not better


def slow_persons(links: list[Link], bounds: Bounds) -> list[set[str]]:
    """The rules once more, with sets that are searched."""
    kept = [
        one
        for one in links
        if not any(ends_of(o) == ends_of(one) and o.source == one.source and o.turn < one.turn for o in links)
    ]
    # Equal ones, turned or not, are one.
    kept = list({(*sorted(ends_of(one)), *one[2:]): one for one in kept}.values())
    people = [set(person) for person in {frozenset({end}) for one in links for end in ends_of(one)}]
    heard = [one for one in kept if is_heard(one, kept, bounds)]
    for one in sorted(heard, key=lambda one: (not one.alias, one.turn, *sorted(ends_of(one)))):
        left = next(person for person in people if one.a in person)
        right = next(person for person in people if one.b in person)
        if left is not right and (one.alias or not (any(map(is_customer, left)) and any(map(is_customer, right)))):
            left |= right
            people.remove(right)
    return people


@given(links_sets, st.integers(0, 2**16), bounds_or_narrow)
def test_any_order_and_direction_of_links_and_any_repeats_give_the_same_persons(
    links: list[Link], seed: int, bounds: Bounds
) -> None:
    random = Random(seed)
    shuffled = random.choices(links, k=3) + random.sample(links, len(links)) if links else []
    turned = [one._replace(a=one.b, b=one.a) if random.random() < 0.5 else one for one in shuffled]

    assert persons(turned, bounds) == persons(links, bounds)


@given(links_sets, bounds_or_narrow)
def test_persons_follow_the_rules_as_sets_tell_them(links: list[Link], bounds: Bounds) -> None:
    found = groups(persons(links, bounds))

    assert sorted(map(sorted, found)) == sorted(map(sorted, slow_persons(links, bounds)))


@given(links_sets, bounds_or_narrow)
def test_customers_never_merge_but_by_alias(links: list[Link], bounds: Bounds) -> None:
    joined_by_alias = persons([one for one in links if one.alias])

    for person in groups(persons(links, bounds)):
        customers = {identity for identity in person if is_customer(identity)}
        assert len({joined_by_alias.get(customer, customer) for customer in customers}) <= 1


@given(links_sets)
def test_a_person_is_named_by_its_strongest_then_smallest_identity(links: list[Link]) -> None:
    named = persons(links)

    for person in groups(named):
        assert {named[identity] for identity in person} == {min(person, key=strength)}


@given(links_sets, bounds_or_narrow)
def test_keeping_only_a_sources_best_link_of_a_pair_changes_no_person(links: list[Link], bounds: Bounds) -> None:
    best: dict[tuple[object, ...], Link] = {}
    for one in links:
        key = (frozenset((one.a, one.b)), one.source)
        best[key] = min(best.get(key, one), one, key=lambda each: each.turn)

    assert persons(best.values(), bounds) == persons(links, bounds)


@given(links_sets, links_sets)
def test_no_browser_takes_from_a_customer_what_a_server_gave_it(said: list[Link], posted: list[Link]) -> None:
    """Whatever strangers post, and however far they date it back."""
    said = [link(one.a, one.b, one.occurred_at_us + 10, event_id=one.event_id) for one in said]
    posted = [link(one.a, one.b, one.occurred_at_us, event_id=one.event_id, key="browser") for one in posted]
    before = persons(said)

    after = persons([*said, *posted])

    for identity, person in before.items():
        if is_customer(person):
            assert after[identity] == person


@given(st.permutations([(1, "1"), (1, "2"), (2, "1"), (3, "0")]), st.sampled_from(["anonymous:x", "device:x"]))
def test_a_weak_identity_belongs_to_the_customer_with_the_least_time_and_id(
    moments: list[tuple[int, str]], weak: str
) -> None:
    customers = [f"customer:{i}" for i in range(len(moments))]
    links = [link(weak, c, at, event_id=i) for c, (at, i) in zip(customers, moments, strict=True)]

    named = persons(links)

    assert named[weak] == customers[moments.index((1, "1"))]
    assert [named[customer] for customer in customers] == customers


@given(st.permutations(["server", "signed", "browser"]), st.sampled_from(["device:x", "loyalty:x", "email_hash:x"]))
def test_an_identity_belongs_to_the_customer_of_the_most_trusted_key_whatever_the_times(
    keys: list[str], identity: str
) -> None:
    links = [link(f"customer:{key}", identity, at, key=key) for at, key in enumerate(keys)]

    assert persons(links)[identity] == "customer:server"


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


def customers(*names: str, at: int = 0) -> list[Link]:
    """Aliases along a row of customers, the last ones first in time."""
    return [
        link(f"customer:{a}", f"customer:{b}", at - place, alias=True) for place, (a, b) in enumerate(pairwise(names))
    ]


@pytest.mark.parametrize("row", [["c3", "c1", "c2"], ["c1", "c2", "c3", "c1"], ["c2", "c1", "c2", "c3", "c3"]])
def test_aliases_in_a_row_and_in_a_circle_make_one_person(row: list[str]) -> None:
    whose = [link(f"customer:{name}", f"loyalty:{name}") for name in set(row)]

    named = persons([*customers(*row), *whose])

    assert set(named.values()) == {"customer:c1"}
    assert len(named) == 6


def test_taking_an_alias_back_parts_the_customers_exactly_as_they_were() -> None:
    own = [link(f"customer:{name}", f"{kind}:{name}") for name in ("c1", "c2") for kind in ("loyalty", "device")]
    shared = link("loyalty:c1", "loyalty:c2", 9)
    (alias,) = customers("c2", "c1")

    assert set(persons([*own, shared, alias]).values()) == {"customer:c1"}
    assert persons([*own, shared]) == {one: f"customer:{one[-2:]}" for one in persons([*own, alias])}


def test_aliases_of_too_many_customers_say_nothing_about_any_of_them() -> None:
    names = [f"c{number:02}" for number in range(BOUNDS.aliases + 1)]
    card = link("customer:c07", "loyalty:l")

    assert set(persons([*customers(*names[:-1]), card]).values()) == {"customer:c00"}
    apart = persons([*customers(*names), card])

    assert apart.pop("loyalty:l") == "customer:c07"
    assert all(identity == person for identity, person in apart.items())


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


def test_a_chain_within_the_bound_is_one_person_and_a_longer_one_is_nobody_in_particular() -> None:
    def chain(length: int) -> list[Link]:
        return [link(f"anonymous:{i:05}", f"device:{i:05}", i) for i in range(length // 2)] + [
            link(f"device:{i:05}", f"anonymous:{i + 1:05}", -i) for i in range((length - 1) // 2)
        ]

    whole, longer = persons(chain(BOUNDS.peers)), persons(chain(BOUNDS.peers + 2))

    assert set(whole.values()) == {"anonymous:00000"}
    assert all(identity == person for identity, person in longer.items())


def test_a_tills_device_beside_hundreds_of_cards_joins_none_of_them_and_cuts_no_card_from_its_owner() -> None:
    cards = [f"loyalty:{i:03}" for i in range(300)]
    links = [link(card, "device:till-7", i, key="till") for i, card in enumerate(cards)]
    links += [link(card, f"email_hash:{card[8:]}", 0) for card in cards]
    links += [link(f"customer:{card[8:]}", card, 0) for card in cards[::2]]

    named = persons(links)

    assert named["device:till-7"] == "device:till-7"
    assert named["email_hash:007"] == named["loyalty:007"] == "loyalty:007"
    assert named["email_hash:008"] == named["loyalty:008"] == "customer:008"


def test_a_kiosks_customers_stay_apart_and_the_kiosk_is_of_the_first() -> None:
    links = [link(f"customer:{i:03}", "device:kiosk", i) for i in range(500)]
    links += [link(f"customer:{i:03}", f"email_hash:{i:03}", i) for i in range(500)]

    named = persons(links)

    assert named["device:kiosk"] == "customer:000"
    assert all(named[f"email_hash:{i:03}"] == f"customer:{i:03}" for i in range(500))


def test_strangers_who_crowd_around_a_visitor_undo_nothing_that_a_better_key_has_said() -> None:
    links = [
        link("customer:c", "anonymous:a", 9, key="browser"),
        link("email_hash:e", "anonymous:b", 9),
        link("loyalty:l", "email_hash:e", 9),
    ]
    crowd = [
        link(victim, f"device:{victim[-1]}-{i}", key="browser")
        for victim in ("anonymous:a", "anonymous:b", "email_hash:e")
        for i in range(BOUNDS.peers)
    ]

    named = persons([*links, *crowd])

    assert named["anonymous:a"] == "customer:c"
    assert named["anonymous:b"] == named["email_hash:e"] == "loyalty:l"


def test_of_a_customer_the_first_claims_count_and_a_servers_before_a_browsers() -> None:
    strangers = [link("customer:c", f"anonymous:{i:04}", -i, key="browser") for i in range(2 * BOUNDS.claims)]
    own = [link("customer:c", f"email_hash:{i}", i) for i in range(3)]

    named = persons([*strangers, *own])

    assert [named[f"email_hash:{i}"] for i in range(3)] == ["customer:c"] * 3
    assert sum(person == "customer:c" for person in named.values()) == 1 + BOUNDS.claims


def test_no_links_name_nobody() -> None:
    assert persons([]) == {}
