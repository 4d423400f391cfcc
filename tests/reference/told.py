"""The score with promises, facts told once and recovery, by SCORING section 3; written apart from the services' core."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from tests.reference.impressions import MICRO, impression
from tests.reference.promises import KEPT_HOURS, Book, Felt, Told, about, families, felt_at, says
from tests.reference.scoring import UNKNOWN_WEIGHT, Leaf, Model, Score, State, count


def leaves_own(book: Book, told: Told) -> int:
    """The stake that an event's own tally gets."""
    _, q = impression(book.valences, told.data, told.at)
    entry = book.touchpoints.get(told.touchpoint)
    if entry is None or not told.scored:
        return q
    return 0 if a_promise_speaks_for(book, told) or counts_once(book, told) else q


def counts_once(book: Book, told: Told) -> str:
    """The order or case of which it is told once; empty when it counts by itself."""
    of = book.touchpoints.get(told.touchpoint, {}).get("once", "")
    return f"{of}/{told.named(of)}" if of and told.named(of) else ""


def a_promise_speaks_for(book: Book, told: Told) -> bool:
    """Whether what it says is felt by a promise: it keeps one, or says that one was missed."""
    valence = book.touchpoints.get(told.touchpoint, {}).get("valence")
    kept = isinstance(valence, dict) and "kept" in valence and told.scored and not told.browser
    return any(
        (rule["missed"] == told.touchpoint and about(rule, told) is not None)
        or (kept and any(one.does == "keeps" for one in says(book, family, told)))
        for family in families(book).values()
        for rule in family.values()
    )


def chosen(book: Book, told: Iterable[Told], *, mine: Collection[int], at: int) -> list[Told]:
    """Of each fact that is told once, the first telling that has any stake."""
    found: dict[tuple[str, str], Told] = {}
    for one in sorted(told, key=lambda one: one.turn):
        key = counts_once(book, one)
        if not key or one.who not in mine or not at - KEPT_HOURS < one.hour <= at or not one.scored:
            continue
        if impression(book.valences, one.data, one.at)[1] > 0 and not a_promise_speaks_for(book, one):
            found.setdefault((one.touchpoint, key), one)
    return [*found.values()]


def rows_of(book: Book, told: Sequence[Told], *, mine: Collection[int], at: int) -> State:
    """A person's tallies, with what is told once in its row."""
    state: State = {}
    first = chosen(book, told, mine=mine, at=at)
    for one in told:
        if one.who in mine:
            v, q = impression(book.valences, one.data, one.at)
            counted = q if one in first else leaves_own(book, one)
            count(state.setdefault((one.leaf, one.hour), [0] * 8), v, counted)
    return state


def harms(book: Book, told: Sequence[Told], case: str, *, mine: Collection[int], at: int) -> State:
    """What of a person's tallies is bad evidence of a case."""
    state: State = {}
    first = chosen(book, told, mine=mine, at=at)
    for one in told:
        if one.who in mine and f"case/{one.named('case')}" == case and at - KEPT_HOURS < one.hour <= at:
            v, q = impression(book.valences, one.data, one.at)
            counted = q if one in first else leaves_own(book, one)
            if v < 0 and counted:
                count(state.setdefault((one.leaf, one.hour), [0] * 8), v, counted)
    return state


Which = Callable[[Leaf], bool]


def everywhere(_: Leaf) -> bool:
    return True


def read(  # noqa: PLR0913 -- what is read, of whom, when, and under what model
    book: Book,
    told: Sequence[Told],
    model: Model,
    *,
    mine: Collection[int],
    at: int,
    window: int | None = None,
    of: Which = everywhere,
) -> Score:
    """Read a person's score at an hour, of some leaves alone."""
    state = rows_of(book, told, mine=mine, at=at)
    felt = felt_at(book, told, mine=mine, at=at)
    return _score(book, told, model, Standing(mine, at, at, window), (state, felt, of))


def read_without(
    book: Book, told: Sequence[Told], model: Model, *, mine: Collection[int], at: int, hours: int
) -> Score:
    """Read it as if nothing had happened in the last hours: without them, and with promises as they stood then."""
    state = rows_of(book, told, mine=mine, at=at)
    before = {key: tally for key, tally in state.items() if not at - hours < key[1] <= at}
    felt = felt_at(book, told, mine=mine, at=at - hours)
    return _score(book, told, model, Standing(mine, at, at - hours, None), (before, felt, everywhere))


class Standing(NamedTuple):
    """Of whom is read, at which hour, as promises and cases stood at which, and within what window."""

    mine: Collection[int]
    at: int
    stood: int
    window: int | None

    def delta(self, weight: float, model: Model, hour: int) -> float:
        age = self.at - hour
        if not 0 <= age < KEPT_HOURS:
            return 0.0
        if self.window is not None:
            return weight if age < self.window else 0.0
        return float(weight * 2.0 ** (-age / (24 * model.h)))


def _score(
    book: Book, told: Sequence[Told], model: Model, standing: Standing, what: tuple[State, Sequence[Felt], Which]
) -> Score:
    state, felt, of = what
    good = bad = seen = 0.0
    for (leaf, hour), tally in sorted(state.items()):
        delta = standing.delta(model.weights.get(leaf[0], UNKNOWN_WEIGHT), model, hour) * of(leaf)
        good += delta * _intense(tally[2], tally[4], model)
        bad += delta * _intense(tally[3], tally[5], model)
        seen += delta * min(tally[1] / MICRO, model.cap)
    bad *= model.lam
    for key in sorted({one.key for one in felt}):
        of_it = [one for one in felt if one.key == key and of(one.leaf)]
        pleases = _capped([one for one in of_it if one.v > 0], model, standing)
        bad += model.lam * _capped([one for one in of_it if one.v < 0], model, standing)
        seen += _capped(of_it, model, standing, felt=False)
        if any(one.recovers and one.v > 0 for one in of_it):
            done = harms(book, told, key[1], mine=standing.mine, at=standing.stood)
            less = sum(
                standing.delta(model.weights.get(leaf[0], UNKNOWN_WEIGHT), model, hour)
                * _less(state[leaf, hour], harm, model)
                for (leaf, hour), harm in sorted(done.items())
                if (leaf, hour) in state and of(leaf)
            )
            bad -= min(pleases, 0.8 * model.lam * less)
        else:
            good += pleases
    a, b = model.kappa * model.p + good, model.kappa * (1 - model.p) + bad
    total = a + b
    return Score(100 / (1 + b / a), seen / (seen + model.kappa), 100 * (a * b / (total * total * (total + 1))) ** 0.5)


def _less(row: Sequence[int], harm: Sequence[int], model: Model) -> float:
    """What a row would have less of bad evidence without a case."""
    return _intense(row[3], row[5], model) - _intense(row[3] - harm[3], row[5] - harm[5], model)


def _capped(of_it: Sequence[Felt], model: Model, standing: Standing, *, felt: bool = True) -> float:
    """The sum of one key's impressions; `felt`: how intense they are, not only how much is at stake."""
    total = 0.0
    for one in of_it:
        v = abs(one.v) / MICRO
        intense = (1 - model.beta) * v + model.beta * v * v if felt else 1.0
        total += standing.delta(one.weight, model, one.hour) * intense * one.q / MICRO
    return min(total, model.cap * max((one.weight for one in of_it), default=0.0))


def _intense(sums: int, squares: int, model: Model) -> float:
    return min((1 - model.beta) * (sums / MICRO) + model.beta * (squares / MICRO), model.cap)
