"""A score at many hours in one pass, overall and along a dimension, as reads at each of these hours have it."""

from __future__ import annotations

from bisect import bisect_left
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from services.core.beside import FELT_HOUR, FELT_Q, folded
from services.core.evidence import NOTHING, Balance, Groups, Harmed, as_one, balance, by_code, evidence_of
from services.core.scoring import Reading, reading_of
from services.core.tallies import HOURS_KEPT, MICRO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from services.core.beside import Beside
    from services.core.catalogue import Parameters
    from services.core.dimensions import Leaves
    from services.core.evidence import Evidence
    from services.core.facts import Facts
    from services.core.tallies import Tallies

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

CELLS_MAX: Final = 1 << 20
"""Rows times hours that are taken at a time: some 100 MiB, and a year of a usual person at once."""


class History(NamedTuple):
    """Scores hour by hour; along a dimension by its values, in text order."""

    overall: Reading[Floats]
    values: dict[str, Reading[Floats]]
    left_out: int
    """For how many values of the dimension there was no room."""


class _Along(NamedTuple):
    """A dimension as it is told: by leaf the place of its value, the values, and for how many there is no room."""

    slots: Integers
    values: list[str]
    left_out: int


class _Piece(NamedTuple):
    """Hours at which the same is felt, and what is felt then."""

    at_hours: Integers
    evidence: Evidence


def read_history(  # noqa: PLR0913 -- what is read, when, and under what model
    tallies: Tallies,
    *,
    facts: Facts,
    leaves: Leaves,
    at_hours: Sequence[int],
    parameters: Parameters,
    dimension: str | None = None,
    values_max: int | None = None,
    factors: Floats | None = None,
) -> History:
    """Read one owner at rising hours: bit for bit what `read` and `read_dimensions` say at each of them.

    With factors, several as one, as `read_together` does.

    `leaves` numbers those of the facts as well (`Facts.leaves`); raises LookupError when it does not.
    """
    stretches = partial(
        _stretches, tallies, facts=facts, leaves=leaves, at_hours=at_hours, parameters=parameters, factors=factors
    )
    along = None if dimension is None else _along(stretches(), leaves, dimension, values_max)
    overall: list[Reading[Floats]] = []
    by_value: list[Reading[Floats]] = []
    for piece in (piece for stretch in stretches() for piece in _cut(stretch)):
        repeated = _repeated(piece)
        overall.append(_read(repeated, as_one(piece.evidence), parameters, hours=len(piece.at_hours)))
        if along is not None:
            used, groups = by_code(piece.evidence, along.slots, leaves)
            read = _read(repeated, groups, parameters, hours=len(piece.at_hours))
            by_value.append(_among(read, used, 1 + len(along.values), parameters))
    whole = Reading(*(column[:, 0] for column in _joined(overall)))
    if along is None:
        return History(whole, {}, 0)
    columns = _joined(by_value)
    values = {value: Reading(*(one[:, slot] for one in columns)) for slot, value in enumerate(along.values)}
    return History(whole, values, along.left_out)


def _stretches(
    tallies: Tallies,
    *,
    facts: Facts,
    leaves: Leaves,
    at_hours: Sequence[int],
    parameters: Parameters,
    factors: Floats | None,
) -> Iterator[_Piece]:
    """Cut the hours where other facts begin to be felt."""
    rest = list(at_hours)
    while rest:
        until = min(
            (folded(one, catalogue=leaves.catalogue, at_hour=rest[0]).until for one in facts.people.values()),
            default=rest[-1] + 1,
        )
        size = bisect_left(rest, until)
        hours, rest = rest[:size], rest[size:]
        evidence = evidence_of(
            tallies, leaves=leaves, facts=facts, at_hour=hours[-1], parameters=parameters, factors=factors
        )
        yield _Piece(np.array(hours, dtype=np.int64), evidence)


def _cut(piece: _Piece) -> Iterator[_Piece]:
    """Cut the hours into what is read at a time."""
    most = max(1, CELLS_MAX // max(1, len(piece.evidence.hour)))
    for start in range(0, len(piece.at_hours), most):
        yield piece._replace(at_hours=piece.at_hours[start : start + most])


def _along(stretches: Iterable[_Piece], leaves: Leaves, dimension: str, values_max: int | None) -> _Along:
    """Choose the values that are told: those of which anything counts at any of the hours, and most was seen."""
    codes, words = leaves.dimension(dimension)
    seen = np.zeros(len(words))
    anything = np.zeros(len(words), dtype=np.bool_)
    for at_hours, evidence in stretches:
        counts = (evidence.hour <= at_hours[-1]) & (evidence.hour > at_hours[0] - HOURS_KEPT)
        of_rows = codes[evidence.leaf]
        np.add.at(seen, of_rows, counts * evidence.weight * evidence.seen)
        anything[of_rows[counts]] = True
        if evidence.beside is not None:
            impressions = evidence.beside.impressions
            of_felt = codes[[leaves.number(one.leaf) for one in impressions.felt]]
            np.add.at(seen, of_felt, impressions.weight * impressions.columns[:, FELT_Q] / MICRO)
            anything[of_felt] = True
    told = np.array([code for code in np.flatnonzero(anything).tolist() if words[code]], dtype=np.int64)
    shown = np.sort(told[np.argsort(-seen[told], kind="stable")][:values_max])
    slots = np.full(len(words), len(shown), dtype=np.int64)
    slots[shown] = np.arange(len(shown))
    return _Along(slots[codes], [words[code] for code in shown.tolist()], len(told) - len(shown))


def _read(repeated: Evidence, groups: Groups, parameters: Parameters, *, hours: int) -> Reading[Floats]:
    """Read each group at each hour: one row an hour, one column a group."""
    size = groups.size
    base = np.arange(hours, dtype=np.int64) * size
    each = Groups(_tiled(base, groups.rows), _tiled(base, groups.felt), hours * size)
    # What is capped together is capped within an hour and its group, as in a read at that hour alone.
    sums = balance(repeated, each, capped_in=each, window_h=None, parameters=parameters)
    return Reading(*(column.reshape(hours, size) for column in reading_of(sums, parameters)))


def _repeated(piece: _Piece) -> Evidence:
    """Repeat once for each hour, as old as they are then, what balances are made from."""
    at_hours, evidence = piece
    hours, rows = len(at_hours), len(evidence.hour)
    # Read as unsigned, hours that do not exist yet are as far out of range as those that are too old.
    age = (at_hours[:, None] - evidence.hour[None, :]).reshape(-1).view(np.uint64)
    key, row, bad = evidence.harmed
    return evidence._replace(
        owner=NOTHING,
        hour=NOTHING,
        age=np.minimum(age, np.uint64(HOURS_KEPT)).view(np.int64),
        weight=np.tile(evidence.weight, hours),
        good=np.tile(evidence.good, hours),
        bad=np.tile(evidence.bad, hours),
        seen=np.tile(evidence.seen, hours),
        leaf=NOTHING,
        n=NOTHING,
        beside=None if evidence.beside is None else _repeated_beside(evidence.beside, at_hours, evidence.at_hour),
        harmed=Harmed(np.tile(key, hours), _tiled(np.arange(hours, dtype=np.int64) * rows, row), np.tile(bad, hours)),
    )


def _repeated_beside(beside: Beside, at_hours: Integers, at_hour: int) -> Beside:
    """Repeat the impressions, moved so that at the one hour each is as old as at its own."""
    impressions, hours = beside.impressions, len(at_hours)
    columns = np.tile(impressions.columns, (hours, 1))
    columns[:, FELT_HOUR] += np.repeat(at_hour - at_hours, len(impressions.owner))
    return beside._replace(
        impressions=impressions._replace(
            owner=np.tile(impressions.owner, hours),
            columns=columns,
            weight=np.tile(impressions.weight, hours),
            felt=[*impressions.felt] * hours,
        )
    )


def _tiled(base: Integers, numbers: Integers) -> Integers:
    """Repeat numbers once for each base, counted from it."""
    tiled: Integers = (base[:, None] + numbers[None, :]).reshape(-1)
    return tiled


def _among(reading: Reading[Floats], used: Integers, size: int, parameters: Parameters) -> Reading[Floats]:
    """Put columns where their values are among all; those that nothing was seen of are as nothing is read."""
    nothing = np.zeros(1)
    blank = reading_of(Balance(nothing, nothing, nothing), parameters)
    columns = []
    for column, empty in zip(reading, blank, strict=True):
        every = np.full((len(column), size), empty[0])
        every[:, used] = column
        columns.append(every)
    return Reading(*columns)


def _joined(readings: Sequence[Reading[Floats]]) -> Reading[Floats]:
    return Reading(*(np.concatenate(columns) for columns in zip(*readings, strict=True)))
