"""Store what a chunk's events leave beside their tallies, and find whom else it concerns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from services.aggregator.counting.dedup import Sifted
from services.aggregator.counting.ports import ChunkTransaction
from services.core.facts import Fact, PersonFacts
from services.state.facts import asked_by, others_of


class Noted(NamedTuple):
    """What was stored."""

    of_identity: Mapping[int, Sequence[Fact]]
    """Facts by the identity that they are of."""
    shared: frozenset[int]
    """Identities of which facts are others' business, too: what is remembered of their persons is not all there is."""
    concerned: Mapping[int, int]
    """Identities of others whose facts share a name with these, each with its person as it was looked up."""

    @property
    def reread(self) -> frozenset[int]:
        """Identities whose persons' facts must be read anew."""
        return self.shared | self.concerned.keys()


NOTHING_NOTED = Noted({}, frozenset(), {})


async def note_facts(transaction: ChunkTransaction, sifted: Sifted) -> Noted:
    """Store the facts of new events; their names stay locked, so whoever shares one of them waits or is found here.

    Comes before any person is locked: names are locked first everywhere.
    """
    of_identity: dict[int, list[Fact]] = {}
    person_of: dict[int, int] = {}
    facts: list[Fact] = []
    leaves: list[int] = []
    columns = sifted.columns
    places = [place for place, event in enumerate(sifted.fresh) if event.facts]
    if not places:
        return NOTHING_NOTED
    whose = zip(*(column[places].tolist() for column in (columns.identity, columns.person, columns.leaf)), strict=True)
    for place, (identity, person, leaf) in zip(places, whose, strict=True):
        mine = [fact._replace(identity=identity) for fact in sifted.fresh[place].facts]
        of_identity.setdefault(identity, []).extend(mine)
        person_of[identity] = person
        facts += mine
        leaves += [leaf] * len(mine)
    known = await transaction.facts.lock(facts) | _in_several(facts)
    await transaction.facts.add(facts, leaves)
    if not known:
        return Noted(of_identity, frozenset(), {})
    asked = {
        one
        for identity, mine in of_identity.items()
        for one in asked_by(person_of[identity], mine)
        if one.name in known
    }
    found = await others_of(transaction.facts, asked) if asked else []
    askers = {one.asker for one in found}
    return Noted(
        of_identity,
        frozenset(identity for identity, person in person_of.items() if person in askers),
        {one.fact.identity: one.person for one in found},
    )


def _in_several(facts: Iterable[Fact]) -> set[str]:
    """Give the names that more than one of these facts have."""
    names = Counter(name for fact in facts for name in fact.shared_names)
    return {name for name, count in names.items() if count > 1}


def with_noted(before: PersonFacts | None, mine: Sequence[Fact]) -> PersonFacts:
    """Add a person's new facts, whose names no others share, to what is remembered of the person."""
    identities = {fact.identity for fact in mine}
    if before is None:
        return PersonFacts(identities, mine)
    return PersonFacts(before.identities | identities, (*before.facts, *mine))
