"""Turn what moved a score into the answer of the read API. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from schemas.changeapi import ChangeAnswer, ChangeEnd, ChangeLeaf, ChangeOthers
from schemas.instant import write_instant
from schemas.readapi import LEAVES_MAX, Change
from schemas.score import parts_as_told
from services.api.answers import Moment, latest_event, promises_told, told_change
from services.core.bands import Bands
from services.core.catalogue import Catalogue
from services.core.change import PERIODS, Move, Moves, read_moves
from services.core.dimensions import Leaf
from services.infra.catalogue.reading import Labels
from services.state.events import LatestEvent
from services.state.experience import FIRST_INSTANT, Experience
from services.state.persons import Person

Floats = NDArray[np.float64]

POINTS: Final = ("before", "after", "came", "faded", "fell_out", "diluted")


class Moved(NamedTuple):
    """What moved a score, with its leaves, and their stored numbers."""

    moves: Moves
    leaves: Sequence[Leaf]
    stored_leaves: Sequence[int]


def moved(
    experience: Experience, *, over: str, catalogue: Catalogue, moment: Moment, factors: Floats | None = None
) -> Moved:
    """Find the leaves that moved a score most within a period before a moment; with factors, that of several as one."""
    moves = read_moves(
        experience.tallies,
        facts=experience.facts,
        leaves=experience.leaves,
        at_hour=moment.hour,
        hours=PERIODS[over],
        parameters=catalogue.parameters,
        leaves_max=LEAVES_MAX,
        factors=factors,
    )
    return Moved(
        moves,
        [experience.leaves.triples[line.leaf] for line in moves.leaves],
        [experience.stored_leaves[line.leaf] for line in moves.leaves],
    )


class Sides(TypedDict):
    """The receipts of both ends side by side, as the answers about customers and accounts have them."""

    over: str
    before: ChangeEnd
    after: ChangeEnd
    change: Change
    leaves: list[ChangeLeaf]
    others: ChangeOthers
    model_version: str


def change_answer(  # noqa: PLR0913 -- whose, over what, and how it is told
    person: Person,
    found: Moved,
    latest: Mapping[int, Sequence[LatestEvent]],
    *,
    over: str,
    catalogue: Catalogue,
    labels: Labels,
    moment: Moment,
) -> ChangeAnswer:
    """Tell what moved a person's score."""
    sides = sides_of(found, latest, over=over, catalogue=catalogue, labels=labels, moment=moment)
    return ChangeAnswer(customer=person.customer, version=person.version, **sides)


def sides_of(
    found: Moved,
    latest: Mapping[int, Sequence[LatestEvent]],
    *,
    over: str,
    catalogue: Catalogue,
    labels: Labels,
    moment: Moment,
) -> Sides:
    """Set the receipts of both ends side by side; rounded parts still add up."""
    moves = found.moves
    told = _told([*moves.leaves, moves.others], prior=100 * catalogue.parameters.prior)
    leaves = [
        ChangeLeaf(
            touchpoint=leaf.touchpoint,
            label=labels.touchpoints.get(leaf.touchpoint, leaf.touchpoint),
            channel=leaf.channel,
            place=leaf.place,
            events=line.events,
            events_before=line.events_before,
            latest=[latest_event(event) for event in latest.get(number, ())],
            promises=promises_told(line.about),
            **points,
        )
        for line, points, leaf, number in zip(moves.leaves, told[:-1], found.leaves, found.stored_leaves, strict=True)
    ]
    others = moves.others
    return Sides(
        over=over,
        before=_end(moves.score_before, moves.confidence_before, moment, bands=catalogue.bands, hours=PERIODS[over]),
        after=_end(moves.score, moves.confidence, moment, bands=catalogue.bands, hours=0),
        change=told_change(moves.change),
        leaves=leaves,
        others=ChangeOthers(leaves=others.leaf, events=others.events, events_before=others.events_before, **told[-1]),
        model_version=catalogue.model_version,
    )


def _end(score: float, confidence: float, moment: Moment, *, bands: Bands, hours: int) -> ChangeEnd:
    return ChangeEnd(
        score=score,
        confidence=confidence,
        band=bands.name(score, confidence),
        at=write_instant(max(moment.at, FIRST_INSTANT + timedelta(hours=hours)) - timedelta(hours=hours)),
    )


def _told(lines: Sequence[Move], *, prior: float) -> list[dict[str, float]]:
    """Round each column so that its sum is what it adds up to."""
    columns = {
        name: parts_as_told(prior if name in {"before", "after"} else 0.0, [getattr(line, name) for line in lines])
        for name in POINTS
    }
    return [{name: column[place] for name, column in columns.items()} for place in range(len(lines))]
