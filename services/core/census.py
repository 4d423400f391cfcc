"""Sum up what many people have lived through in a period, by driver, stage and channel, touchpoint, control and place."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from services.core.evidence import NOTHING, Groups, balance, by_owner, events_of, evidence_of
from services.core.scoring import WINDOWS
from services.core.tallies import MICRO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from services.core.catalogue import Entry, Parameters
    from services.core.dimensions import Leaf, Leaves
    from services.core.evidence import Balance, Evidence
    from services.core.facts import Facts
    from services.core.tallies import Tallies

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

PERIOD: Final = "30d"
PERIOD_H: Final = WINDOWS[PERIOD]
"""One of the windows in which people see scores: nothing decays in it, and it holds a month's rhythm."""

EVERYONE: Final = ""
PLACE: Final = "place:"
"""Before the place that sums are of; the sums of everyone stand beside them."""

SEGMENT: Final = "segment:"
"""Before the property and the value by which people are told apart, with a colon between them."""

EVERYTHING: Final = "everything"
CELL: Final = "stage_channel"
DRIVER: Final = "driver"
TOUCHPOINT: Final = "touchpoint"
CONTROL: Final = "control"

BY: Final[Mapping[str, Callable[[Leaf, Entry], str]]] = MappingProxyType(
    {
        EVERYTHING: lambda _leaf, _entry: "",
        DRIVER: lambda _, entry: entry.driver,
        CELL: lambda leaf, entry: f"{entry.stage}/{leaf.channel}",
        TOUCHPOINT: lambda leaf, _: leaf.touchpoint,
        CONTROL: lambda _, entry: entry.control,
    }
)
"""What is summed by: each row gives a leaf its value. The stage holds no slash, so the pair can be taken apart."""

EVERYBODY: Final = "everybody"
SCOPES: Final[Mapping[str, Callable[[Leaf], str | None]]] = MappingProxyType(
    {EVERYBODY: lambda _: EVERYONE, "place": lambda leaf: PLACE + leaf.place if leaf.place else None}
)
"""Of which leaves there are sums: of all, and of those at each place; None leaves a leaf out."""


class Group(NamedTuple):
    """What sums are of: everyone, one place or one segment, along what, and its value there."""

    scope: str
    by: str
    value: str


class Sums(NamedTuple):
    """Integers that merge by adding: of people touched in a period, the points and scores in millionths."""

    customers: int
    """Who had an event there, good, bad or neutral, or felt a promise there."""
    events: int
    scores: int
    """The sum of the scores that each of them gives to the group."""
    lost: int
    """Σ over people of 100·p·L/D: what bad evidence of the group took from their scores of the period."""
    won: int
    """Σ over people of 100·(1 − p)·G/D: what its good evidence gave; Σ (won − lost) of everything = Σ (score − 100·p)."""


NO_SUMS: Final = Sums(0, 0, 0, 0, 0)


class Counted(NamedTuple):
    """The sums of a period and of the one before it."""

    now: Sums
    before: Sums


NOT_COUNTED: Final = Counted(NO_SUMS, NO_SUMS)

Census = dict[Group, Counted]
"""Two censuses of different people merge by adding (`together`), in any order."""


class _Parts(NamedTuple):
    """What each owner has lived through at each leaf, as parallel columns."""

    owner: Integers
    leaf: Integers
    rows: Groups
    """Which part each row and each impression belongs to."""
    touched: NDArray[np.bool_]
    amounts: Integers
    """Events, lost and won, by column."""


NO_SEGMENTS: Final[Mapping[str, Sequence[int]]] = MappingProxyType({})


class _Pairs(NamedTuple):
    """What each owner has lived through at the leaves of each code, as parallel columns."""

    owner: Integers
    code: Integers
    sums: Integers
    """In the order of Sums."""
    width: int
    """How many codes there are."""


_AMOUNTS: Final = np.array([1, 3, 4])
"""Where events, lost and won stand among Sums."""


def count_up(  # noqa: PLR0913 -- who is read, when, and under what model
    tallies: Tallies,
    *,
    facts: Facts,
    owners: int,
    leaves: Leaves,
    at_hour: int,
    parameters: Parameters,
    segments: Mapping[str, Sequence[int]] = NO_SEGMENTS,
) -> Census:
    """Sum up owners 0 … owners − 1 in the period that ends with an hour, and in the one before.

    What each of them adds depends on nobody else and is rounded by itself, so any division of people into portions
    gives the same sums. Points are of the score of the whole period; `leaves` numbers the leaves of the facts as well.
    `segments` tells by scope which owners are in it: sums of everyone are told apart by them, too.
    """
    census: Census = {}
    codes = [*_codes(leaves)]
    inside = {scope: np.isin(np.arange(owners), members) for scope, members in segments.items()}
    for place, hour in enumerate((at_hour, at_hour - PERIOD_H)):
        evidence = evidence_of(tallies, leaves=leaves, facts=facts, at_hour=hour, parameters=parameters)
        parts = _parts(evidence, owners=owners, leaves=leaves, parameters=parameters)
        for kind, by, groups, code in codes:
            pairs = _paired(evidence, parts, code, parameters)
            for of, members in {EVERYONE: None, **(inside if kind == EVERYBODY else {})}.items():
                for number, sums in _summed(pairs, members):
                    scope, value = groups[number]
                    if scope is not None:
                        group = Group(of or scope, by, value)
                        both = list(census.get(group, NOT_COUNTED))
                        both[place] = sums
                        census[group] = Counted(*both)
    return census


def together(one: Census, other: Census) -> Census:
    """Add the sums of other people to these; commutative, associative, and nobody is the identity."""
    return {group: _added(one.get(group, NOT_COUNTED), other.get(group, NOT_COUNTED)) for group in {**one, **other}}


def _added(one: Counted, other: Counted) -> Counted:
    return Counted(*(Sums(*map(sum, zip(*both, strict=True))) for both in zip(one, other, strict=True)))


def _codes(leaves: Leaves) -> Iterator[tuple[str, str, list[tuple[str | None, str]], Integers]]:
    """Give, for all that is summed, of what and by what, the groups by their numbers, and the number of each leaf's group."""
    pairs = [*zip(leaves.triples, leaves.entries, strict=True)]
    for kind, scope_of in SCOPES.items():
        for by, value_of in BY.items():
            words = [(scope_of(leaf), value_of(leaf, entry)) for leaf, entry in pairs]
            groups = [*dict.fromkeys(words)]
            code_of = {word: code for code, word in enumerate(groups)}
            yield kind, by, groups, np.array([code_of[word] for word in words], dtype=np.int64)


def _parts(evidence: Evidence, *, owners: int, leaves: Leaves, parameters: Parameters) -> _Parts:
    """Weigh what each owner has lived through at each leaf, in points of the owner's score."""
    each = by_owner(evidence, owners)
    felt = NOTHING
    if evidence.beside is not None:
        numbers = [leaves.number(one.leaf) for one in evidence.beside.impressions.felt]
        felt = evidence.beside.impressions.owner * len(leaves) + np.array(numbers, dtype=np.int64)
    rows = evidence.owner * len(leaves) + evidence.leaf
    keys, places = np.unique(np.concatenate([rows, felt]), return_inverse=True)
    groups = Groups(places[: len(rows)], places[len(rows) :], len(keys))
    owner, leaf = np.divmod(keys, max(len(leaves), 1))
    whole, parts = (
        balance(evidence, one, capped_in=each, window_h=PERIOD_H, parameters=parameters) for one in (each, groups)
    )
    share = 100 * MICRO / (parameters.kappa + whole.good + whole.bad)[owner]
    events, touched = events_of(evidence, groups, window_h=PERIOD_H)
    lost = np.rint(parameters.prior * share * parts.bad).astype(np.int64)
    won = np.rint((1 - parameters.prior) * share * parts.good).astype(np.int64)
    return _Parts(owner, leaf, groups, touched, np.stack([events, lost, won], axis=1))


def _paired(evidence: Evidence, parts: _Parts, code: Integers, parameters: Parameters) -> _Pairs:
    """Sum by owner and the code of the leaf; each owner's score of a code is read from what it holds of them alone."""
    width = int(code.max(initial=-1)) + 1
    keys, places = np.unique(parts.owner * width + code[parts.leaf], return_inverse=True)
    groups = Groups(places[parts.rows.rows], places[parts.rows.felt], len(keys))
    touched = np.zeros(len(keys), dtype=np.bool_)
    touched[places[parts.touched]] = True
    scores = _scores(balance(evidence, groups, capped_in=groups, window_h=PERIOD_H, parameters=parameters), parameters)
    sums = np.zeros((len(keys), len(Sums._fields)), dtype=np.int64)
    sums[:, 0] = touched
    np.add.at(sums, (places[:, np.newaxis], _AMOUNTS), parts.amounts)
    sums[:, 2] = np.where(touched, np.rint(MICRO * scores), 0).astype(np.int64)
    owner, of = np.divmod(keys, max(width, 1))
    return _Pairs(owner, of, sums, width)


def _summed(pairs: _Pairs, members: NDArray[np.bool_] | None) -> Iterator[tuple[int, Sums]]:
    """Add up owners by code, of members alone if such are told; codes that touched nobody are left out."""
    mine = slice(None) if members is None else members[pairs.owner]
    sums = np.zeros((pairs.width, len(Sums._fields)), dtype=np.int64)
    np.add.at(sums, pairs.code[mine], pairs.sums[mine])
    for number in np.flatnonzero(sums[:, 0]).tolist():
        yield number, Sums(*sums[number].tolist())


def _scores(balance: Balance, parameters: Parameters) -> Floats:
    a = parameters.kappa * parameters.prior + balance.good
    b = parameters.kappa * (1 - parameters.prior) + balance.bad
    return 100 / (1 + b / a)
