"""A worker's database in memory, which keeps the rules of the real one: one contract suite runs on both."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from schemas.topics import Partition
from services.core.census import NOT_COUNTED, Census, Counted, Group, together
from services.core.facts import Fact
from services.core.persons import NO_CROWD
from services.core.tallies import BEST, HOUR, LEAF, WIDTH, WORST, N, Tallies
from services.core.weighing import Weighing
from services.state.activation import Held
from services.state.census import HeldCensus, KeptCensus
from services.state.dead_letters import DeadLetter
from services.state.events import Known, LatestEvent, Numbers, Storable, signed
from services.state.feeds import Letter
from services.state.housekeeping import Chores
from services.state.identities import IdentityRow
from services.state.leaves import LEAVES_MAX, Brought, LeafRow, Triple
from services.state.links import LinkRow, Node
from services.state.models import InUse
from services.state.persons import Locked
from services.state.progress import Mark, Outcomes, PartitionState, Position, Span
from services.state.retention import Busy, Round
from services.state.scores import Scored, Turn
from services.state.source_notes import SourceNote
from services.state.tallies import ALL_HOURS
from tests.support.clocks import NOON
from tests.support.memory_accounts import AccountState, MemoryAccounts, MemoryAccountScores
from tests.support.memory_ageing import AgeingState, MemoryAgeing
from tests.support.memory_alerts import AlertRow, MemoryAlerts, MemoryFeeds
from tests.support.memory_facts import MemoryFacts
from tests.support.memory_place_past import AwaitedState, MemoryPlacePast

DAYS_US = 30 * 24 * 3_600_000_000


@dataclass
class Row:
    """One partition's progress."""

    next: int
    start: int
    epoch: int = 0
    lost: int = 0
    skipped: int = 0
    mark: Mark | None = None
    outcomes: Outcomes = field(default_factory=Outcomes)


@dataclass
class CensusState:
    """One census, with what was counted in it."""

    held: HeldCensus
    persons: int = 0
    outcome: str | None = None
    sums: Census = field(default_factory=dict)


@dataclass
class State:
    """Everything that a transaction may change."""

    progress: dict[Partition, Row] = field(default_factory=dict)
    seen: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    events: dict[tuple[int, bytes], int] = field(default_factory=dict)
    links: dict[tuple[int, int, str], LinkRow] = field(default_factory=dict)
    crowds: dict[int, int] = field(default_factory=dict)
    person_of: dict[int, int] = field(default_factory=dict)
    persons: dict[int, list[int | None]] = field(default_factory=dict)
    tallies: dict[tuple[int, int, int], NDArray[np.int64]] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    turns: dict[int, int] = field(default_factory=dict)
    scores: dict[int, tuple[float, int]] = field(default_factory=dict)
    sets: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """Of a person and a slot: the model and the version of the scores there."""
    in_use: InUse | None = None
    activation: Held | None = None
    censuses: dict[int, CensusState] = field(default_factory=dict)
    letters: dict[tuple[str, int, int], DeadLetter] = field(default_factory=dict)
    notes: list[SourceNote] = field(default_factory=list)
    accounts: AccountState = field(default_factory=AccountState)
    alerts: dict[UUID, AlertRow] = field(default_factory=dict)
    watched: dict[int, int] = field(default_factory=dict)
    letters_out: list[Letter] = field(default_factory=list)
    awaited: dict[UUID, AwaitedState] = field(default_factory=dict)
    ageing: AgeingState = field(default_factory=AgeingState)


class MemoryStore:
    """The store, its transactions and its tables in one; a transaction works on a copy that the commit puts in place."""

    def __init__(self) -> None:
        self.state = State()
        self.generation = "first"
        self._names: dict[str, int] = {}
        self._leaves: dict[Triple, int] = {}
        self._brought: dict[str, int] = {}
        self._models: dict[str, Weighing] = {}
        self._version = 0
        self._one_at_a_time = asyncio.Lock()
        self.identities = _Identities(self)
        self.leaves = _Leaves(self)
        self.models = _Models(self)
        self.progress = _Progress(self)
        self.events = _Events(self)
        self.links = _Links(self)
        self.persons = _Persons(self)
        self.tallies = _Tallies(self)
        self.facts = MemoryFacts(self)
        self.scores = _Scores(self)
        self.dead_letters = _DeadLetters(self)
        self.notes = _Notes(self)
        self.activations = _Activations(self)
        self.census = _Census(self)
        self.accounts = MemoryAccounts(self)
        self.account_scores = MemoryAccountScores(self)
        self.alerts = MemoryAlerts(self)
        self.feeds = MemoryFeeds(self)
        self.place_past = MemoryPlacePast(self)
        self.ageing = MemoryAgeing(self)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[MemoryStore]:
        async with self._one_at_a_time:
            before = copy.deepcopy(self.state)
            try:
                yield self
            except BaseException:
                self.state = before
                raise

    async def take(self, partitions: Mapping[Partition, int], *, owner: str) -> dict[Partition, Position]:
        del owner
        for partition, start in partitions.items():
            self.state.progress.setdefault(partition, Row(start, start)).epoch += 1
        rows = {partition: self.state.progress[partition] for partition in partitions}
        return {partition: Position(row.next, row.epoch, row.mark) for partition, row in rows.items()}

    async def keep_house(self) -> Chores:
        return Chores([], 0, 0)

    async def retire(self, *, again_after_s: float) -> Round | Busy | None:
        del again_after_s
        return None  # a test is over before anything is old

    async def announce(self, *, limit: int) -> int | None:
        del limit
        return None  # nobody follows

    async def fold_notes(self) -> bool:
        return False

    async def close(self) -> None:
        """Nothing is held."""

    def number(self, value: str) -> int:
        """The number of an identity, given when it has none."""
        number = self._names.setdefault(value, len(self._names) + 1)
        self.state.person_of.setdefault(number, number)
        return number

    def rows(self, numbers: Iterable[int]) -> list[IdentityRow]:
        wanted = set(numbers)
        return [
            IdentityRow(number, value, self.state.person_of[number])
            for value, number in self._names.items()
            if number in wanted
        ]


class _Table:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    @property
    def _state(self) -> State:
        return self._store.state


class _Identities(_Table):
    async def find(self, values: Sequence[str]) -> list[IdentityRow]:
        return self._store.rows(self._store._names[value] for value in values if value in self._store._names)

    async def add(self, values: Iterable[str]) -> None:
        for value in sorted(values):
            self._store.number(value)

    async def of_persons(self, persons: Iterable[int]) -> list[IdentityRow]:
        wanted = set(persons)
        return self._store.rows(number for number, person in self._state.person_of.items() if person in wanted)

    async def move(self, persons: Mapping[int, int]) -> None:
        self._state.person_of.update(persons)


class _Leaves(_Table):
    async def find(self, leaves: Collection[Triple]) -> list[LeafRow]:
        return [LeafRow(self._store._leaves[leaf], *leaf) for leaf in leaves if leaf in self._store._leaves]

    async def add(self, brought: Collection[Brought]) -> None:
        for leaf, source, bound in sorted(brought, key=lambda one: one.leaf):
            if leaf in self._store._leaves:
                continue
            if source is not None:
                if self._store._brought.get(source, 0) >= bound or len(self._store._leaves) >= LEAVES_MAX:
                    continue
                self._store._brought[source] = self._store._brought.get(source, 0) + 1
            self._store._leaves[leaf] = len(self._store._leaves) + 1

    async def numbered(self, numbers: Iterable[int]) -> list[LeafRow]:
        wanted = set(numbers)
        return [LeafRow(known, *leaf) for leaf, known in self._store._leaves.items() if known in wanted]


class _Models(_Table):
    async def keep(self, weighing: Weighing) -> int:
        self._store._models.setdefault(weighing.version, weighing)
        return 1 + list(self._store._models).index(weighing.version)

    async def claim(self, number: int) -> int:
        if self._state.in_use is None:
            self._state.in_use = InUse(number, 0)
        return self._state.in_use.active

    async def weighing(self, number: int) -> Weighing:
        return list(self._store._models.values())[number - 1]


class _Activations(_Table):
    async def under_way(self) -> bool:
        return self._state.activation is not None

    async def begin(self, model: int) -> InUse | None:
        before = self._state.in_use
        if before is None:
            self._state.in_use = InUse(model, 0)
        elif before.active != model != before.filling:
            self._state.in_use = before._replace(filling=model)
            self._state.activation = Held(1, model, before.slot, None, None, 0)
        return before

    async def held(self) -> Held | None:
        return self._state.activation

    async def set_horizon(self, held: Held) -> None:
        self._state.activation = held._replace(horizon="now")

    async def past_horizon(self, held: Held) -> bool:
        return held.horizon is not None  # transactions come one after another here

    async def set_out(self, held: Held) -> None:
        self._state.activation = held._replace(last=max(self._state.persons, default=0))

    async def persons(self, held: Held, *, limit: int) -> list[int]:
        return sorted(one for one in self._state.persons if held.cursor < one <= (held.last or 0))[:limit]

    async def behind(self, held: Held, *, limit: int) -> list[int]:
        sets = self._state.sets
        wanted = {one: row[0] or 0 for one, row in self._state.persons.items()}
        filled = {one: sets.get((one, 1 - held.slot), (0, -1)) for one in wanted}
        return sorted(one for one in wanted if filled[one][0] != held.model or filled[one][1] < wanted[one])[:limit]

    async def move(self, held: Held, written: Sequence[int]) -> None:
        self._state.activation = held._replace(cursor=max(held.cursor, *written))

    async def flip(self, held: Held) -> None:
        self._state.in_use = InUse(held.model, 1 - held.slot)
        self._state.activation = None


class _Census(_Table):
    async def begin(self, *, hour: int, rest_s: float, rest_times: float) -> bool:
        del rest_times
        censuses, in_use = self._state.censuses, self._state.in_use
        due = not rest_s or not any(
            one.outcome == "whole" and in_use and one.held.model == in_use.active for one in censuses.values()
        )
        known = [number for number, row in self._state.persons.items() if row[0]]
        if in_use is None or not known or not due or any(one.outcome is None for one in censuses.values()):
            return False
        number = max(censuses, default=0) + 1
        censuses[number] = CensusState(
            HeldCensus(number, hour, in_use.active, last=max(self._state.persons), cursor=0, current=True)
        )
        return True

    async def held(self) -> HeldCensus | None:
        in_use = self._state.in_use
        under_way = [one.held for one in self._state.censuses.values() if one.outcome is None]
        return (
            under_way[0]._replace(current=in_use is not None and under_way[0].model == in_use.active)
            if under_way
            else None
        )

    async def persons(self, held: HeldCensus, *, limit: int) -> list[int]:
        rows = self._state.persons.items()
        return sorted(one for one, row in rows if held.cursor < one <= held.last and row[0] and row[1] is None)[:limit]

    async def values(
        self, persons: Sequence[int], *, name: str, declared: Collection[str], hours: tuple[int, int]
    ) -> dict[int, str]:
        del persons, name, declared, hours
        return {}  # no event is kept whole here

    async def add(self, held: HeldCensus, counted: Mapping[Group, Counted]) -> None:
        census = self._state.censuses[held.number]
        census.sums = together(census.sums, dict(counted))

    async def move(self, held: HeldCensus, counted: Sequence[int]) -> None:
        census = self._state.censuses[held.number]
        census.held, census.persons = held._replace(cursor=max(counted)), census.persons + len(counted)

    async def end(self, held: HeldCensus, outcome: str) -> None:
        self._state.censuses[held.number].outcome = outcome

    async def forget(self) -> bool:
        last = await self.last()
        old = [number for number in self._state.censuses if last and number < last.number]
        for number in old:
            del self._state.censuses[number]
        return bool(old)

    async def last(self) -> KeptCensus | None:
        whole = [one for one in self._state.censuses.values() if one.outcome == "whole"]
        if not whole:
            return None
        number, hour, model, *_ = whole[-1].held
        version = list(self._store._models)[model - 1]
        return KeptCensus(number, hour, whole[-1].persons, version, NOON)

    async def sums(self, census: KeptCensus, *, scope: str, by: str) -> dict[str, Counted]:
        sums = self._state.censuses[census.number].sums
        found = {group.value: sums.get(group, NOT_COUNTED) for group in sums if group[:2] == (scope, by)}
        return dict(sorted(found.items(), key=lambda item: (-item[1].now.lost, item[0])))

    async def of_scopes(self, census: KeptCensus, *, scopes: Sequence[str], by: str) -> dict[str, Counted]:
        found = {scope: await self.sums(census, scope=scope, by=by) for scope in scopes}
        return {scope: sums[""] for scope, sums in found.items() if sums}


class _Progress(_Table):
    async def fence(self, span: Span, *, epoch: int, outcomes: Outcomes) -> bool:
        row = self._state.progress.get((span.topic, span.part))
        if row is None or (row.next, row.epoch) != (span.first, epoch):
            return False
        row.next, row.skipped, row.mark = span.next, row.skipped + span.skipped, span.mark or row.mark
        row.outcomes = Outcomes(*map(sum, zip(row.outcomes, outcomes, strict=True)))
        return True

    async def recount(self, span: Span, *, duplicate: int, conflict: int) -> None:
        row = self._state.progress[span.topic, span.part]
        told = row.outcomes
        row.outcomes = told._replace(
            applied=told.applied - duplicate - conflict,
            duplicate=told.duplicate + duplicate,
            conflict=told.conflict + conflict,
        )

    async def position(self, partition: Partition) -> Position | None:
        row = self._state.progress.get(partition)
        return None if row is None else Position(row.next, row.epoch, row.mark)

    async def note_lost(self, partition: Partition, *, records: int) -> None:
        self._state.progress[partition].lost = records

    async def states(self) -> list[PartitionState]:
        return [
            PartitionState(*partition, row.next, row.start, row.lost, 0, row.skipped, row.mark, row.outcomes, 0.0)
            for partition, row in sorted(self._state.progress.items())
        ]


class _Events(_Table):
    async def add(self, events: Sequence[Storable], numbers: Numbers) -> list[Known]:
        known = []
        for event, occurred_us in zip(events, numbers.occurred_us.tolist(), strict=True):
            seen = self._state.seen.get(event.key)
            if seen and seen[1] >= event.logged_us - DAYS_US:
                known.append(Known(event.key, seen[0]))
                continue
            stored = self._state.events.get((occurred_us, event.key))
            if stored is not None:
                known.append(Known(event.key, stored))
            else:
                self._state.events[occurred_us, event.key] = signed(event.body_hash)
            counts = signed(event.body_hash) if stored is None else stored
            self._state.seen[event.key] = (counts, event.logged_us)
        return known

    async def latest(self, identities: Sequence[int], **when: object) -> dict[int, list[LatestEvent]]:
        del identities, when
        return {}  # no event is kept whole here


class _Links(_Table):
    async def add(self, links: Sequence[LinkRow]) -> set[tuple[int, int, str]]:
        known = self._state.links
        new = [link for link in links if link.key not in known or link.turn < known[link.key].turn]
        known.update({link.key: link for link in new})
        return {link.key for link in new}

    async def nodes(self, identities: Iterable[int]) -> list[Node]:
        crowds = self._state.crowds
        return [Node(*row, crowds.get(row.number, NO_CROWD)) for row in self._store.rows(identities)]

    async def around(self, identities: Iterable[int]) -> list[Node]:
        reach = set(identities)
        links = [link for link in self._state.links.values() if not link.claim and self._counts(link)]
        while more := {end for link in links if {link.a, link.b} & reach for end in link[:2]} - reach:
            reach |= more
        return await self.nodes(reach)

    async def among(self, nodes: Sequence[Node]) -> list[LinkRow]:
        numbers = {node.number for node in nodes}
        links = [link for link in self._state.links.values() if not link.claim and self._counts(link)]
        return [link for link in links if {link.a, link.b} <= numbers]

    async def best_claims(self, identities: Iterable[int]) -> list[LinkRow]:
        mine = [self._claims(1, one) for one in identities]
        return [claims[0] for claims in mine if claims]

    async def claims_from(self, skipped: int, counts: Mapping[int, int]) -> list[LinkRow]:
        return [claim for one, count in counts.items() for claim in self._claims(0, one)[skipped:][:count]]

    async def mark(self, crowds: Mapping[int, int]) -> None:
        self._state.crowds.update(crowds)

    def _counts(self, link: LinkRow) -> bool:
        return all(link.level < self._state.crowds.get(end, NO_CROWD) for end in (link.a, link.b))

    def _claims(self, end: int, number: int) -> list[LinkRow]:
        claims = [link for link in self._state.links.values() if link.claim and link[end] == number]
        return sorted(claims, key=lambda link: link.turn)


class _Persons(_Table):
    async def add(self, persons: Iterable[int]) -> None:
        for person in persons:
            self._state.persons.setdefault(person, [0, None, 0])

    async def lock(self, persons: Iterable[int]) -> dict[int, Locked]:
        rows = {person: self._state.persons[person] for person in sorted(persons) if person in self._state.persons}
        return {
            person: Locked(row[0] or 0, row[1] is not None, row[2] or 0, self._state.watched.get(person, 0))
            for person, row in rows.items()
        }

    async def turning(self, hour: int, *, limit: int) -> list[int]:
        rows = self._state.persons
        due = {one: turn for one, turn in self._state.turns.items() if 0 < turn <= hour and (rows[one][2] or 0) <= hour}
        return sorted((one for one in due if rows[one][1] is None), key=due.__getitem__)[:limit]

    async def point(self, persons: Iterable[int]) -> None:
        for person in persons:
            into = self._state.person_of[person]
            self._state.persons[person][1] = None if into == person else into


class _Tallies(_Table):
    async def add(self, identity: NDArray[np.int64], rows: NDArray[np.int64], *, fresh: NDArray[np.bool_]) -> None:
        for number, row, is_fresh in zip(identity.tolist(), rows, fresh.tolist(), strict=True):
            key = (number, int(row[LEAF]), int(row[LEAF + 1]))
            known = self._state.tallies.get(key)
            if is_fresh and known is not None:
                raise AssertionError(f"{key} was said to be fresh")
            self._state.tallies[key] = row.copy() if known is None else _merged(known, row)

    async def of_persons(
        self, persons: Sequence[int], *, hours: tuple[int, int] = ALL_HOURS, rows_max: int | None = None
    ) -> Tallies:
        del rows_max
        wanted = set(persons)
        found = [
            (self._state.person_of[number], row)
            for (number, _, _), row in self._state.tallies.items()
            if self._state.person_of[number] in wanted and hours[0] < row[HOUR] <= hours[1]
        ]
        owners = np.array([owner for owner, _ in found], dtype=np.int64)
        return Tallies(owners, np.array([row for _, row in found], dtype=np.int64).reshape(-1, WIDTH))


class _Scores(_Table):
    async def turn(self) -> Turn:
        self._store._version += 1
        return Turn(self._store._version, self._state.in_use)

    async def write(self, generations: Sequence[Scored], *, merged: Iterable[int] = ()) -> None:
        del merged  # for followers, of whom memory has none
        for scored in generations:
            await self.fill(scored)
        for place, person in enumerate(generations[0].persons):
            scored = generations[0]
            self._state.persons[person][0] = scored.version
            self._state.turns[person] = 0 if scored.turns_at is None else int(scored.turns_at[place])
            self._state.persons[person][2] = int(np.broadcast_to(scored.at_hour, len(scored.persons))[place])
            self._state.scores[person] = (float(scored.readings[0].score[place]), scored.version)
        self._state.ageing.keep(generations[0], points=0)

    async def fill(self, scored: Scored) -> None:
        for person in scored.persons:
            self._state.sets[person, scored.generation.slot] = (scored.generation.model, scored.version)

    async def refresh(self, generations: Sequence[Scored], *, points: float) -> int:
        for scored in generations:
            await self.fill(scored)
        [first, *_], hours = generations, np.broadcast_to(generations[0].at_hour, len(generations[0].persons))
        for place, person in enumerate(first.persons):
            self._state.persons[person][2] = int(hours[place])
            self._state.scores[person] = (float(first.readings[0].score[place]), first.version)
        return self._state.ageing.keep(first, points=points)


class _DeadLetters(_Table):
    async def add(self, partition: Partition, letters: Sequence[DeadLetter], *, origin: str) -> None:
        del origin
        for letter in letters:
            self._state.letters.setdefault((*partition, letter.offset), letter)


class _Notes(_Table):
    async def add(self, note: SourceNote) -> None:
        self._state.notes.append(note)


def _merged(known: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[np.int64]:
    merged = known.copy()
    merged[N:BEST] += row[N:BEST]
    merged[BEST : WORST + 1] = np.maximum(known[BEST : WORST + 1], row[BEST : WORST + 1])
    return merged
