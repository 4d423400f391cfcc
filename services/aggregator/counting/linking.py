"""Links inside a chunk's transaction: keep them, and let identities follow to their persons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from services.aggregator.counting.numbering import Directory
from services.aggregator.counting.ports import ChunkTransaction
from services.aggregator.counting.records import Event
from services.core.identity import Link, persons
from services.core.instants import instant_of, micros_of
from services.state.identities import IdentityRow
from services.state.links import LinkRow

KNOWN_MAX: Final = 200_000
"""Links remembered as stored, so that an event that repeats one costs no statement."""

LinkKey = tuple[int, int, str]


class Move(NamedTuple):
    """An identity that leaves one person for another; numbers."""

    identity: int
    before: int
    after: int


class Linker:
    """Finds the links of a chunk that are not known to be stored, and moves identities accordingly."""

    def __init__(self) -> None:
        self._known: dict[LinkKey, tuple[datetime, str]] = {}

    def news(self, events: Iterable[Event], directory: Directory) -> list[LinkRow]:
        """The least link of each pair and source that is earlier than what is known to be stored."""
        least: dict[LinkKey, LinkRow] = {}
        for event in events:
            for other in event.others:
                a, b = sorted((directory[event.subject].number, directory[other].number))
                key, mark = ((a, b, event.source), (instant_of(event.occurred_us), event.event_id))
                if key in self._known and self._known[key] <= mark:
                    continue
                if key not in least or (least[key].occurred_at, least[key].event_id) > mark:
                    least[key] = LinkRow(a, b, event.source, alias=False, occurred_at=mark[0], event_id=mark[1])
        return sorted(least.values())

    def stored(self, links: Sequence[LinkRow]) -> None:
        """Remember links whose transaction committed."""
        if len(self._known) > KNOWN_MAX:
            self._known.clear()
        for link in links:
            self._known[link.a, link.b, link.source] = (link.occurred_at, link.event_id)


async def follow(transaction: ChunkTransaction, links: Sequence[LinkRow]) -> list[Move]:
    """Keep the links and tell which identities now belong to another person.

    One transaction at a time does this (an advisory lock), so what is read of the neighbourhood is complete.
    """
    await transaction.links.lock()
    if not await transaction.links.add(links):
        return []
    near = await transaction.links.around({number for link in links for number in (link.a, link.b)})
    members = await transaction.identities.numbered({number for link in near for number in (link.a, link.b)})
    moves = _moves(near, members)
    if moves:
        await transaction.identities.move({move.identity: move.after for move in moves})
    return moves


def _moves(links: Iterable[LinkRow], members: Sequence[IdentityRow]) -> list[Move]:
    value_of = {number: value for number, value, _ in members}
    number_of = {value: number for number, value in value_of.items()}
    person_of = persons(
        Link(
            a=value_of[link.a],
            b=value_of[link.b],
            occurred_at_us=micros_of(link.occurred_at),
            event_id=link.event_id,
            source=link.source,
            alias=link.alias,
        )
        for link in links
    )
    belongs = [(number, person, number_of[person_of[value]]) for number, value, person in members]
    return [Move(*one) for one in belongs if one[1] != one[2]]
