"""What counting may rely on, of the memory of the tests and of Postgres alike."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

import numpy as np
import pytest

from schemas.topics import EVENTS
from services.aggregator.counting.ports import Store
from services.core.bands import BANDS
from services.core.census import Counted, Group, Sums
from services.core.persons import NO_CROWD
from services.core.scoring import WINDOWS, Reading
from services.core.tallies import Tallies, fold, merge
from services.core.weighing import Calibration, Stretch
from services.infra.catalogue.reading import load_catalogue
from services.state.ageing import Due
from services.state.dead_letters import DeadLetter
from services.state.events import Known, Numbers, signed
from services.state.leaves import Brought, Triple
from services.state.links import LinkRow
from services.state.models import Generation, InUse
from services.state.persons import Locked
from services.state.progress import Mark, Outcomes, Span
from services.state.scores import Scored

DAY_US = 24 * 3_600_000_000
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOON_US = int(NOON.timestamp()) * 1_000_000
TOPIC_PART = (EVENTS, 0)
MODEL = load_catalogue()


class Stored(NamedTuple):
    """An event as the store wants it."""

    event_id: str
    said: str = "body"
    logged_us: int = NOON_US
    source: str = "shop"
    received_us: int = NOON_US

    @property
    def key(self) -> bytes:
        return sha256(self.event_id.encode()).digest()[:16]

    @property
    def body_hash(self) -> bytes:
        return sha256(self.said.encode()).digest()[:8]

    @property
    def body(self) -> bytes:
        return b"{}"


async def add(store: Store, *events: Stored, at_us: int = NOON_US) -> list[Known]:
    """Store events that all happened at one moment, in a transaction of their own."""
    zeros = np.zeros(len(events), dtype=np.int64)
    ordered = sorted(events, key=lambda event: event.key)
    async with store.transaction() as transaction:
        return await transaction.events.add(ordered, Numbers(zeros + 1, zeros + 1, zeros + at_us, zeros, zeros))


def span(first: int, next_: int, *, records: int, mark: Mark | None = None) -> Span:
    return Span(*TOPIC_PART, first, next_, skipped=next_ - first - records, mark=mark)


async def test_a_fence_lets_its_owner_pass_once(store: Store) -> None:
    epoch = (await store.take({TOPIC_PART: 5}, owner="one"))[TOPIC_PART].epoch
    counts = Outcomes(applied=2, duplicate=1)

    async with store.transaction() as transaction:
        assert await transaction.progress.fence(span(5, 9, records=3, mark=Mark(7, -3)), epoch=epoch, outcomes=counts)
    async with store.transaction() as transaction:
        assert not await transaction.progress.fence(span(5, 9, records=3), epoch=epoch, outcomes=counts)
        assert not await transaction.progress.fence(span(9, 10, records=1), epoch=epoch - 1, outcomes=counts)
        assert await transaction.progress.fence(span(9, 11, records=0), epoch=epoch, outcomes=Outcomes())

    (state,) = await store.progress.states()
    assert (state.next, state.start, state.skipped, state.mark) == (11, 5, 3, Mark(7, -3))
    assert state.outcomes == counts
    assert state.account.gap == 0


async def test_whoever_takes_a_partition_fences_the_former_owner_out(store: Store) -> None:
    former = (await store.take({TOPIC_PART: 0}, owner="one"))[TOPIC_PART]
    present = (await store.take({TOPIC_PART: 0}, owner="other"))[TOPIC_PART]

    async with store.transaction() as transaction:
        assert not await transaction.progress.fence(span(0, 1, records=1), epoch=former.epoch, outcomes=Outcomes(1))
        assert await transaction.progress.fence(span(0, 1, records=1), epoch=present.epoch, outcomes=Outcomes(1))

    assert await store.progress.position(TOPIC_PART) == present._replace(next=1)


async def test_counts_that_the_fence_assumed_are_corrected(store: Store) -> None:
    epoch = (await store.take({TOPIC_PART: 0}, owner="one"))[TOPIC_PART].epoch

    async with store.transaction() as transaction:
        await transaction.progress.fence(span(0, 5, records=5), epoch=epoch, outcomes=Outcomes(applied=5))
        await transaction.progress.recount(span(0, 5, records=5), duplicate=2, conflict=1)

    (state,) = await store.progress.states()
    assert state.outcomes == Outcomes(applied=2, duplicate=2, conflict=1)


async def test_what_was_lost_is_noted(store: Store) -> None:
    await store.take({TOPIC_PART: 0}, owner="one")

    await store.progress.note_lost(TOPIC_PART, records=4)
    await store.progress.note_lost(TOPIC_PART, records=6)

    assert [state.lost for state in await store.progress.states()] == [6]


async def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    epoch = (await store.take({TOPIC_PART: 0}, owner="one"))[TOPIC_PART].epoch

    async def fail() -> None:
        async with store.transaction() as transaction:
            await transaction.progress.fence(span(0, 1, records=1), epoch=epoch, outcomes=Outcomes(1))
            zeros = np.zeros(1, dtype=np.int64)
            await transaction.events.add([Stored("e-1")], Numbers(zeros + 1, zeros + 1, zeros + NOON_US, zeros, zeros))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert (await store.progress.position(TOPIC_PART) or (1,))[0] == 0
    assert await add(store, Stored("e-1")) == []


async def test_an_event_is_known_by_source_and_id_whatever_its_time(store: Store) -> None:
    first = Stored("e-1", said="first")
    assert await add(store, first, Stored("e-2")) == []

    assert await add(store, first._replace(said="other"), Stored("e-3"), at_us=NOON_US - 5) == [
        Known(first.key, signed(first.body_hash))
    ]
    assert await add(store, Stored("e-3")) == [Known(Stored("e-3").key, signed(Stored("e-3").body_hash))]


async def test_after_thirty_days_of_log_time_an_id_may_name_another_event(store: Store) -> None:
    first, again = Stored("e-1", said="first"), Stored("e-1", said="other", logged_us=NOON_US + 30 * DAY_US)
    later = again._replace(logged_us=NOON_US + 30 * DAY_US + 1)
    await add(store, first)

    assert await add(store, again, at_us=NOON_US + 7) == [Known(first.key, signed(first.body_hash))]
    assert await add(store, later, at_us=NOON_US + 7) == []
    assert await add(store, later, at_us=NOON_US + 8) == [Known(later.key, signed(later.body_hash))]


async def test_the_same_time_too_names_an_event_for_as_long_as_it_is_kept(store: Store) -> None:
    first, later = Stored("e-1", said="first"), Stored("e-1", said="other", logged_us=NOON_US + 90 * DAY_US)
    await add(store, first)

    assert await add(store, later) == [Known(first.key, signed(first.body_hash))]
    # What counts is the first body, also for the next one that comes by its id alone.
    assert await add(store, later, at_us=NOON_US + 1) == [Known(first.key, signed(first.body_hash))]


async def test_identities_are_numbered_once(store: Store) -> None:
    await store.identities.add(["customer:b", "customer:a"])
    await store.identities.add(["customer:a"])

    found = {row.value: row for row in await store.identities.find(["customer:a", "customer:b", "customer:c"])}

    assert found.keys() == {"customer:a", "customer:b"}
    assert all(row.person == row.number for row in found.values())


async def test_a_model_is_numbered_once_and_says_what_it_weighs_by(store: Store) -> None:
    other = MODEL.weighed_by(replace(MODEL.weighing, version="m2", calibration=Calibration((0.0, 50.0), (0.9, 0.1))))
    stretched = replace(other.weighing, stretches={"order.completed": Stretch(0.5, 2.0)}, place_past=0.2)

    number = await store.models.keep(MODEL.weighing)

    assert number == await store.models.keep(MODEL.weighing) != await store.models.keep(stretched)
    assert await store.models.weighing(number) == MODEL.weighing
    assert await store.models.weighing(await store.models.keep(stretched)) == stretched


async def test_the_first_model_that_is_claimed_weighs(store: Store) -> None:
    numbers = [await store.models.keep(replace(MODEL.weighing, version=version)) for version in ("m1", "m2")]
    async with store.transaction() as transaction:
        nobody = (await transaction.scores.turn()).in_use

    claimed = [await store.models.claim(number) for number in numbers]

    async with store.transaction() as transaction:
        turn = await transaction.scores.turn()
    assert nobody is None
    assert claimed == [numbers[0]] * 2
    assert turn.in_use == InUse(numbers[0], 0)


async def test_leaves_are_numbered_once(store: Store) -> None:
    here, there = ("t", "web", ""), ("t", "web", "store/1")
    await store.leaves.add([Brought(here, "shop", 9), Brought(there, None, 0)])
    await store.leaves.add([Brought(here, "shop", 9)])

    found = await store.leaves.find([here, there, ("t", "web", "store/2")])

    assert sorted(leaf.triple for leaf in found) == [here, there]
    assert len({leaf.number for leaf in found}) == 2
    assert sorted(await store.leaves.numbered([leaf.number for leaf in found] + [99])) == sorted(found)
    assert await store.leaves.find([]) == await store.leaves.numbered([]) == []


async def test_a_source_brings_no_more_leaves_than_its_bound(store: Store) -> None:
    def leaves(*places: str) -> list[Triple]:
        return [("t", "web", place) for place in places]

    async def known() -> list[str]:
        return sorted(leaf.place for leaf in await store.leaves.find(leaves(*"abcdefgh")))

    await store.leaves.add([Brought(leaf, "shop", 3) for leaf in leaves("b", "a")])
    await store.leaves.add([Brought(leaf, "shop", 3) for leaf in leaves("a", "d", "c")])
    assert await known() == ["a", "b", "c"]

    await store.leaves.add([Brought(leaf, "shop", 3) for leaf in leaves("b", "e")])
    await store.leaves.add([*(Brought(leaf, None, 0) for leaf in leaves("f")), Brought(leaves("g")[0], "till", 1)])
    assert await known() == ["a", "b", "c", "f", "g"]

    await store.leaves.add([Brought(leaf, "shop", 4) for leaf in leaves("f", "h", "d")])
    assert await known() == ["a", "b", "c", "d", "f", "g"]


async def test_many_who_bring_at_once_stay_within_the_bound(store: Store) -> None:
    leaves: list[Triple] = [("t", "web", f"store/{number:03}") for number in range(120)]

    await asyncio.gather(
        *(store.leaves.add([Brought(leaf, "shop", 50) for leaf in leaves[n : n + 30]]) for n in range(0, 120, 10))
    )

    assert len(await store.leaves.find(leaves)) == 50


def peers(a: int, b: int, *, level: int = 2, seconds: int = 0) -> LinkRow:
    return LinkRow(a, b, "shop", False, level, NOON + timedelta(seconds=seconds), "e", b"%d %d" % (a, b))  # noqa: FBT003


def claim(customer: int, identity: int, *, level: int = 1, seconds: int = 0) -> LinkRow:
    return peers(customer, identity, level=level, seconds=seconds)._replace(claim=True)


async def numbers(store: Store, *values: str) -> list[int]:
    await store.identities.add(values)
    number_of = {row.value: row.number for row in await store.identities.find(values)}
    return [number_of[value] for value in values]


async def test_of_equal_links_the_best_is_kept_and_reached_from_both_ends(store: Store) -> None:
    a, b, c, d, e = await numbers(store, "anonymous:a", "anonymous:b", "anonymous:c", "anonymous:d", "anonymous:e")

    async with store.transaction() as transaction:
        links = transaction.links
        assert await links.add([peers(a, b, seconds=9), peers(b, c)]) == {(a, b, "shop"), (b, c, "shop")}
        assert await links.add([peers(a, b, seconds=5)]) == {(a, b, "shop")}
        assert await links.add([peers(a, b, seconds=7), peers(a, b, level=3, seconds=0)]) == set()
        assert await links.add([peers(d, e)])
        assert await links.add([peers(a, b, level=1, seconds=8)]) == {(a, b, "shop")}

        around = await links.around([c])
        among = await links.among(around)

    assert sorted(node.number for node in around) == [a, b, c]
    assert sorted(among) == [peers(a, b, level=1, seconds=8), peers(b, c)]


async def test_links_of_a_crowd_are_followed_from_neither_end(store: Store) -> None:
    hub, a, b, friend = await numbers(store, "device:hub", "anonymous:a", "anonymous:b", "email_hash:e")

    async with store.transaction() as transaction:
        links = transaction.links
        await links.add([peers(hub, a, level=8), peers(hub, b, level=8), peers(hub, friend, level=1)])
        await links.mark({hub: 8, a: 8})
        from_hub, from_a, from_b = [await links.around([one]) for one in (hub, a, b)]
        among = await links.among(await links.around([hub, a, b]))

    assert sorted((node.number, node.crowd) for node in from_hub) == sorted([(hub, 8), (friend, NO_CROWD)])
    assert [(node.number, node.value) for node in from_a] == [(a, "anonymous:a")]
    assert [node.number for node in from_b] == [b]
    assert among == [peers(hub, friend, level=1)]


async def test_claims_stand_in_the_order_of_level_and_time_for_both_ends(store: Store) -> None:
    c, d, one, two, three = await numbers(store, "customer:c", "customer:d", "device:1", "device:2", "email_hash:3")
    late, early = claim(c, one, seconds=9), claim(d, one, seconds=1)
    by_browser, strong = claim(c, two, level=7), claim(c, three, level=0, seconds=99)

    async with store.transaction() as transaction:
        links = transaction.links
        await links.add([late, early, by_browser, strong])

        assert sorted(await links.best_claims([one, two, three, c])) == sorted([early, by_browser, strong])
        assert await links.claims_from(1, {c: 1, d: 1}) == [late]
        assert await links.claims_from(2, {c: 5, d: 5}) == [by_browser]
        assert await links.claims_from(0, {d: 1, c: 2}) == [early, strong, late]
        assert [node.number for node in await links.around([c])] == [c]


async def test_a_person_whose_name_belongs_to_another_is_merged(store: Store) -> None:
    await store.identities.add(["anonymous:a", "customer:c"])
    weak, strong = (
        row.number
        for row in sorted(await store.identities.find(["anonymous:a", "customer:c"]), key=lambda row: row.value)
    )

    async with store.transaction() as transaction:
        await transaction.persons.add([weak, strong])
        await transaction.identities.move({weak: strong})
        await transaction.persons.point([weak, strong])
        locked = await transaction.persons.lock([weak, strong])
        members = await transaction.identities.of_persons([strong])

    assert {number: row.merged for number, row in locked.items()} == {weak: True, strong: False}
    assert {row.number for row in members} == {weak, strong}


async def test_tallies_add_up_and_are_read_by_person(store: Store) -> None:
    await store.identities.add(["customer:c"])
    (row,) = await store.identities.find(["customer:c"])
    some = fold(owner=_(0, 0), leaf=_(1, 2), hour=_(7, 7), v=_(500_000, -500_000), q=_(1_000_000, 1_000_000))
    more = fold(owner=_(0), leaf=_(1), hour=_(7), v=_(1_000_000), q=_(1_000_000))

    async with store.transaction() as transaction:
        await transaction.tallies.add(_(row.number, row.number), some.rows, fresh=np.array([True, True]))
        await transaction.tallies.add(_(row.number), more.rows, fresh=np.array([False]))
    async with store.transaction() as transaction:
        read = await transaction.tallies.of_persons([row.person])

    assert set(read.owner.tolist()) == {row.person}
    whole = merge([Tallies(np.zeros_like(read.owner), read.rows)])
    assert whole.rows.tolist() == merge([some, more]).rows.tolist()


async def test_a_written_score_carries_its_version_and_hour(store: Store) -> None:
    await store.identities.add(["customer:c"])
    (row,) = await store.identities.find(["customer:c"])
    model = await store.models.keep(MODEL.weighing)
    reading = Reading(np.array([61.0]), np.array([0.5]), np.array([9.0]))

    async with store.transaction() as transaction:
        await transaction.persons.add([row.person])
        version = (await transaction.scores.turn()).version
        scored = Scored([row.person], [reading] * (1 + len(WINDOWS)), BANDS, version, Generation(model, 0), 99)
        await transaction.scores.write([scored])
    async with store.transaction() as transaction:
        locked = await transaction.persons.lock([row.person])
        later = (await transaction.scores.turn()).version

    assert (locked[row.person].version, locked[row.person].as_of) == (version, 99)
    assert later > version


async def scored(store: Store, *customers: str) -> list[int]:
    """The numbers of persons who have a score of our own catalogue's model."""
    await store.models.claim(await store.models.keep(MODEL.weighing))
    await store.identities.add(customers)
    persons = sorted(row.person for row in await store.identities.find(customers))
    readings = [Reading(*np.full((3, len(persons)), 50.0))] * (1 + len(WINDOWS))
    async with store.transaction() as transaction:
        await transaction.persons.add(persons)
        turn = await transaction.scores.turn()
        await transaction.scores.write([Scored(persons, readings, BANDS, turn.version, Generation(1, 0), 99)])
    return persons


def due_at(hour: int) -> Due:
    return Due(hour, told_points=0.5, whole_h=24, soon_h=3, near_confidence=0.005, near_points=0.5)


async def read_anew(store: Store, persons: list[int], *, at_hour: int, score: float) -> int:
    """Read scores anew; how many followers were told of."""
    cells = np.full(len(persons), 0.5)
    readings = [Reading(np.full(len(persons), score), cells, cells)] * (1 + len(WINDOWS))
    async with store.transaction() as transaction:
        await transaction.persons.lock(persons)
        turn = await transaction.scores.turn()
        one = Scored(persons, readings, BANDS, turn.version, Generation(1, 0), at_hour)
        return await transaction.scores.refresh([one], points=0.5)


async def test_scores_are_old_after_a_day_or_when_followers_know_others(store: Store) -> None:
    persons = await scored(store, "customer:a", "customer:b", "customer:c")
    found = {}
    for hour in (98, 99, 101, 102, 99 + 24):
        async with store.transaction() as transaction:
            walk = await transaction.ageing.held()
            assert walk is not None
            found[hour] = (await transaction.ageing.due(walk, due_at(hour), limit=2)).persons

    # Something was lived in the last day, so three hours are enough.
    assert found == {98: [], 99: [], 101: [], 102: persons[:2], 123: persons[:2]}


async def test_a_score_that_was_read_anew_is_told_when_it_moved_since_it_was_told(store: Store) -> None:
    persons = await scored(store, "customer:a")
    locked = [(await lock_one(store, persons[0])).version]

    told = [await read_anew(store, persons, at_hour=100 + n, score=50 + 0.3 * n) for n in range(5)]
    told.append(await read_anew(store, persons, at_hour=110, score=60))

    assert told == [0, 0, 1, 0, 1, 1]
    locked.append((await lock_one(store, persons[0])).version)
    assert locked[0] == locked[1]
    assert (await lock_one(store, persons[0])).as_of == 110


async def lock_one(store: Store, person: int) -> Locked:
    async with store.transaction() as transaction:
        return (await transaction.persons.lock([person]))[person]


async def test_a_walk_goes_from_person_to_person_and_ends_once(store: Store) -> None:
    persons = await scored(store, "customer:a", "customer:b", "customer:c")
    passed: list[list[int]] = []

    for _ in range(5):
        async with store.transaction() as transaction:
            walk = await transaction.ageing.held()
            assert walk is not None
            if not walk.under_way:
                await transaction.ageing.begin(walk, hour=200)
                continue
            ahead = await transaction.ageing.due(walk, due_at(200), limit=2)
            passed.append(ahead.persons)
            if ahead.last is None:
                await transaction.ageing.end(walk)
            else:
                await transaction.ageing.move(walk, to=ahead.last)

    assert passed[:3] == [persons[:2], persons[2:], []]
    async with store.transaction() as transaction:
        walk = await transaction.ageing.held()
    assert walk is not None
    assert (walk.hour, walk.current) == (200, True)


def census_of(number: int) -> Counted:
    return Counted(Sums(1, number, 50_000_000, number * 7, 0), Sums(1, 1, 1, -number, 1))


async def test_a_census_is_read_when_all_its_portions_are_there(store: Store) -> None:
    persons = await scored(store, "customer:a", "customer:b", "customer:c")
    everyone, place = Group("", "driver", "speed"), Group("place:store/2", "driver", "speed")

    async with store.transaction() as transaction:
        assert await transaction.census.begin(hour=99, rest_s=0, rest_times=0)
        assert not await transaction.census.begin(hour=99, rest_s=0, rest_times=0)
    read = []
    for _portion in range(2):
        async with store.transaction() as transaction:
            held = await transaction.census.held()
            assert held is not None
            assert (held.hour, held.current, await transaction.census.last()) == (99, True, None)
            read.append(await transaction.census.persons(held, limit=2))
            await transaction.census.add(held, {everyone: census_of(read[-1][0]), place: census_of(1)})
            await transaction.census.move(held, read[-1])
    async with store.transaction() as transaction:
        held = await transaction.census.held()
        assert held is not None
        assert await transaction.census.persons(held, limit=2) == []
        await transaction.census.end(held, "whole")
        kept = await transaction.census.last()
        assert kept is not None
        sums = await transaction.census.sums(kept, scope="", by="driver")

    first, third = persons[0], persons[2]
    assert [one for portion in read for one in portion] == persons
    assert (kept.hour, kept.persons, kept.model_version) == (99, 3, MODEL.model_version)
    assert sums == {
        "speed": Counted(Sums(2, first + third, 100_000_000, 7 * (first + third), 0), Sums(2, 2, 2, -first - third, 2))
    }


async def test_a_census_that_another_has_followed_is_forgotten(store: Store) -> None:
    await scored(store, "customer:a")
    kept = []
    for total in (5, 4):
        async with store.transaction() as transaction:
            assert await transaction.census.begin(hour=total, rest_s=0, rest_times=0)
            held = await transaction.census.held()
            assert held is not None
            await transaction.census.add(held, {Group("", "everything", ""): census_of(total)})
            await transaction.census.end(held, "whole")
            kept.append(await transaction.census.last())

    async with store.transaction() as transaction:
        while await transaction.census.forget():
            pass
        last = await transaction.census.last()
        assert last is not None
        assert last == kept[-1]
        assert await transaction.census.sums(last, scope="", by="everything") == {"": census_of(4)}
        assert not await transaction.census.begin(hour=6, rest_s=3600, rest_times=0)


async def test_a_dead_letter_is_kept_once_whatever_it_holds(store: Store) -> None:
    letter = DeadLetter(
        "odd", "a\0b \ud800", None, "e\0", 3, b"\x00", b"\xff", [("h", None), ("nul", b"\\u0000"), ("raw", b"\0\xff")]
    )

    for _again in range(2):
        async with store.transaction() as transaction:
            await transaction.dead_letters.add(TOPIC_PART, [letter], origin="aggregator")


async def test_every_transaction_tells_the_same_generation(store: Store) -> None:
    async with store.transaction() as one:
        first = one.generation
    async with store.transaction() as other:
        assert other.generation == first != ""


def _(*numbers: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(numbers, dtype=np.int64)
