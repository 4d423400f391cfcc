"""Integers that merge: tallies as integer columns; fold impressions into rows, merge rows with rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

MICRO: Final = 1_000_000
"""Valence and stake are kept in millionths, so that sums are exact and any order gives the same state."""

HOURS_KEPT: Final = 9600
"""400 days: older hours do not count, in the read itself, so retention never changes a score."""

LEAF: Final = 0
HOUR: Final = 1
N: Final = 2
Q: Final = 3
POS: Final = 4
NEG: Final = 5
POS2: Final = 6
NEG2: Final = 7
BEST: Final = 8
WORST: Final = 9
WIDTH: Final = 10
"""Columns of a row: two of its key, then what is remembered: n counts, the others are micro-units."""

OWNER_BITS: Final = 20
"""Owners are numbered within one call; a chunk of 20,000 events touches far fewer than a million persons."""

LEAF_BITS: Final = 23
"""Eight million different leaves in one call; their numbers may be larger."""

HOUR_BITS: Final = 20
"""Hours since 1970 up to the year 2089; the three fill the 63 bits of one sort key."""


class Tallies(NamedTuple):
    """Tallies of several owners: row i belongs to owner[i]; sorted by (owner, leaf, hour), each of them once."""

    owner: Integers
    rows: Integers


def sort_key(*, owner: Integers, middle: Integers, hour: Integers) -> Integers:
    """Pack (owner, leaf or rank, hour) into one integer that sorts like the triple.

    Numbers of leaves that are too large for their bits are numbered anew, in their order, for this key alone: keys of
    two calls then do not compare. Raises ValueError when a part does not fit, rather than let two keys collide.
    """
    if len(middle) and middle.max() >> LEAF_BITS:
        middle = np.unique(middle, return_inverse=True)[1]
    key = owner << LEAF_BITS
    key |= middle
    key <<= HOUR_BITS
    key |= hour
    for part, bits in ((owner, OWNER_BITS), (middle, LEAF_BITS), (hour, HOUR_BITS)):
        if len(part) and not (part.min() >= 0 and part.max() >> bits == 0):
            raise ValueError(
                "a tally key holds 20 bits of owner, 23 of different leaves and 20 of hour, none of them negative"
            )
    return key


def fold(*, owner: Integers, leaf: Integers, hour: Integers, v: Integers, q: Integers) -> Tallies:
    """Fold impressions, given as parallel columns (v and q in micro-units), into tallies; exact."""
    rows = np.empty((len(owner), WIDTH), dtype=np.int64)
    good = np.maximum(v, 0)
    bad = np.maximum(-v, 0)
    counts = q > 0
    rows[:, LEAF] = leaf
    rows[:, HOUR] = hour
    rows[:, N] = 1
    rows[:, Q] = q
    rows[:, POS] = q * good // MICRO
    rows[:, NEG] = q * bad // MICRO
    rows[:, POS2] = q * (good * good // MICRO) // MICRO
    rows[:, NEG2] = q * (bad * bad // MICRO) // MICRO
    rows[:, BEST] = good * counts
    rows[:, WORST] = bad * counts
    return _grouped(np.asarray(owner, dtype=np.int64), rows)


def merge(parts: Sequence[Tallies]) -> Tallies:
    """Add tallies of equal keys; the order and the grouping of the parts do not matter."""
    if not parts:
        return Tallies(np.empty(0, dtype=np.int64), np.empty((0, WIDTH), dtype=np.int64))
    if len(parts) == 1:
        return _grouped(*parts[0])
    owner = np.concatenate([part.owner for part in parts])
    rows = np.concatenate([part.rows for part in parts])
    return _grouped(owner, rows)


def _grouped(owner: Integers, rows: Integers) -> Tallies:
    key = sort_key(owner=owner, middle=rows[:, LEAF], hour=rows[:, HOUR])
    # Stable means timsort here: parts that are sorted already are merged in linear time.
    order = np.argsort(key, kind="stable")
    key = key[order]
    first = np.empty(len(key), dtype=np.bool_)
    first[:1] = True
    np.not_equal(key[1:], key[:-1], out=first[1:])
    starts = np.flatnonzero(first)
    leaders = order[starts]
    merged = rows.take(leaders, axis=0)
    if len(starts) < len(key):
        _add_followers(merged, rows, order=order, starts=starts)
    return Tallies(owner[leaders], merged)


def _add_followers(merged: Integers, rows: Integers, *, order: Integers, starts: Integers) -> None:
    """Add into each leader's row the rows that share its key; most keys have none, so only the others are walked."""
    sizes = np.diff(starts, append=len(order))
    several = np.flatnonzero(sizes > 1)
    sizes = sizes[several]
    ends = np.cumsum(sizes)
    offsets = ends - sizes
    members = np.repeat(starts[several] - offsets, sizes) + np.arange(ends[-1])
    grouped = rows.take(order[members], axis=0)
    merged[several, N:BEST] = np.add.reduceat(grouped[:, N:BEST], offsets, axis=0)
    merged[several, BEST:] = np.maximum.reduceat(grouped[:, BEST:], offsets, axis=0)
