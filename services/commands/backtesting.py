"""`tactus alerts backtest`: what thresholds would have raised on what is stored, so that they are set with open eyes."""

from __future__ import annotations

import asyncio
import heapq
import json as json_format
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Final

import numpy as np

from services.commands.alerts import NAME
from services.commands.alerts_report import BEFORE_DAYS, Foretold, told
from services.commands.foreseeing import persons_of
from services.commands.models import Chosen, choose
from services.commands.outcomes import Outcome, read_outcomes
from services.commands.stack_settings import stack_settings
from services.commands.telling import INTERRUPTED, say
from services.core.backtest import Life, Raised, Replay, Rule
from services.core.dimensions import Leaves
from services.core.facts import Facts
from services.core.instants import EPOCH, hour_of, parse_instant, write_instant
from services.core.tallies import HOUR, LEAF, Tallies, merge
from services.core.thresholds import SENSITIVE, USUAL, Thresholds
from services.infra.catalogue.reading import load_catalogue
from services.infra.errors import ConfigurationError, TactusError
from services.infra.settings import Settings
from services.state.comparing import People, Somebody
from services.state.facts import FactTable, facts_of_persons
from services.state.leaves import LeafTable
from services.state.pool import Statements, connected
from services.state.tallies import ALL_HOURS, TallyTable

PRESETS: Final[Mapping[str, Thresholds]] = {"usual": USUAL, "sensitive": SENSITIVE}

PORTION: Final = 200
"""Persons read together."""

ROWS_MAX: Final = 500_000
"""Sums in memory at once, 40 MiB; a person who has more of them is read alone."""

OUTCOMES_TOGETHER: Final = 2000
WORST: Final = 10
LINE_EVERY_S: Final = 2.0
HOURS_OF_WEEK: Final = 168


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is to be replayed."""

    begin: str
    end: str
    preset: str
    points: float | None
    evidence: float | None
    model: str
    outcomes: Path | None
    json: Path | None
    data: Path | None

    def rule(self) -> Rule:
        """Say it to the core; raises ConfigurationError for times that are none."""
        begin, end = _time("--from", self.begin), _time("--to", self.end)
        if begin >= end:
            raise ConfigurationError("--from must lie before --to")
        preset = PRESETS[self.preset]
        points = preset.points if self.points is None else self.points
        evidence = preset.evidence if self.evidence is None else self.evidence
        # The last hour is the one before --to: a whole one.
        return Rule(Thresholds(points, evidence), hour_of(begin), hour_of(end) - 1)


@dataclass(slots=True)
class Tested:
    """What was raised so far."""

    rule: Rule
    model: str
    persons: int = 0
    active: int = 0
    """To whom anything happened within the hours."""
    raised: Counter[str] = field(default_factory=Counter)
    critical: int = 0
    worst: list[tuple[float, str, Raised]] = field(default_factory=list)
    hours_of: dict[int, list[int]] = field(default_factory=dict)
    """By person, when alerts opened; only where there are outcomes to hold them against."""
    foretold: Foretold | None = None

    @property
    def weeks(self) -> float:
        """How long the hours are."""
        return (self.rule.last + 1 - self.rule.first) / HOURS_OF_WEEK

    def weekly(self, alerts: int) -> float:
        """How many a thousand active customers would have in a week."""
        return 1000 * alerts / max(self.active, 1) / self.weeks

    def add(self, somebody: Somebody, life: Life, raised: Sequence[Raised], *, remember: bool) -> None:
        """Take in what a person would have had."""
        hours = life.rows[:, HOUR]
        self.persons += 1
        self.active += bool(np.any((hours >= self.rule.first) & (hours <= self.rule.last)))
        for one in raised:
            self.raised[one.rule] += 1
            self.critical += one.critical
            heapq.heappush(self.worst, (one.points, somebody.customer, one))
            if len(self.worst) > WORST:
                heapq.heappop(self.worst)
        if remember and raised:
            self.hours_of[somebody.number] = [one.hour for one in raised]


def run(options: Options) -> int:
    """Print what would have been raised; 130 when it was interrupted, which changes nothing."""
    try:
        outcomes = None if options.outcomes is None else read_outcomes(options.outcomes)
        tested = asyncio.run(
            backtest(options.rule(), options.model, outcomes=outcomes, settings=stack_settings(options.data))
        )
        if options.json is not None:
            options.json.write_text(json_format.dumps(figures_of(tested), indent=2) + "\n", encoding="utf-8")
    except KeyboardInterrupt:
        say(f"{NAME} backtest: interrupted; nothing was changed")
        return INTERRUPTED
    except TactusError as error:
        say(f"{NAME} backtest: {error}")
        return 1
    sys.stdout.write("\n".join(lines_of(tested)) + "\n")
    return 0


async def backtest(rule: Rule, model: str, *, outcomes: Sequence[Outcome] | None, settings: Settings) -> Tested:
    """Replay everybody, some at a time."""
    catalogue = load_catalogue(settings.catalogue)
    async with connected(settings.postgres.dsn.get_secret_value(), application=NAME) as statements:
        chosen = await choose(model, statements, catalogue=catalogue)
        tested, told_s = Tested(rule, chosen.name), monotonic()
        total = await People(statements).count()
        async for portion in _portions(People(statements)):
            await _replay(statements, portion, chosen, tested, remember=outcomes is not None)
            if monotonic() - told_s >= LINE_EVERY_S:
                say(f"{tested.persons} of {total} persons replayed, {tested.raised.total()} alerts")
                told_s = monotonic()
        if outcomes is not None:
            tested.foretold = await _foretold(statements, outcomes, tested, settings=settings)
    return tested


async def _portions(people: People) -> AsyncIterator[list[Somebody]]:
    after = 0
    while portion := await people.after(after, limit=PORTION):
        yield portion
        after = portion[-1].number


async def _replay(
    statements: Statements, portion: Sequence[Somebody], chosen: Chosen, tested: Tested, *, remember: bool
) -> None:
    """Replay some persons, in halves when they have lived too much to be read together."""
    numbers = [one.number for one in portion]
    rows_max = ROWS_MAX + 1 if len(portion) > 1 else None
    stored = await TallyTable(statements).of_persons(numbers, hours=ALL_HOURS, rows_max=rows_max)
    if rows_max is not None and len(stored.rows) > ROWS_MAX:
        half = len(portion) // 2
        for part in (portion[:half], portion[half:]):
            await _replay(statements, part, chosen, tested, remember=remember)
        return
    facts = Facts(await facts_of_persons(FactTable(statements), numbers))
    whole, leaves = await _numbered(statements, stored, facts, chosen)
    replay = Replay(tested.rule, leaves=leaves, parameters=chosen.catalogue.parameters)
    edges = np.searchsorted(whole.owner, numbers), np.searchsorted(whole.owner, numbers, side="right")
    for somebody, first, last in zip(portion, *(edge.tolist() for edge in edges), strict=True):
        life = Life(whole.rows[first:last], facts.people.get(somebody.number))
        tested.add(somebody, life, replay.raised(somebody.number, life), remember=remember)
        await asyncio.sleep(0)


async def _numbered(statements: Statements, stored: Tallies, facts: Facts, chosen: Chosen) -> tuple[Tallies, Leaves]:
    """Number the leaves in their order, and add up what identities of one person have of the same."""
    used, place = np.unique(stored.rows[:, LEAF], return_inverse=True)
    triples = {row.number: row.triple for row in await LeafTable(statements).numbered(used.tolist())}
    known = sorted({*triples.values(), *facts.leaves(chosen.catalogue)})
    number_of = {triple: number for number, triple in enumerate(known)}
    rows = stored.rows.copy()
    rows[:, LEAF] = np.array([number_of[triples[number]] for number in used.tolist()], dtype=np.int64)[place]
    # Owners of one merge are few and near: persons' numbers may be larger than its keys hold.
    persons, owner = np.unique(stored.owner, return_inverse=True)
    merged = merge([Tallies(owner, rows)])
    return Tallies(persons[merged.owner], merged.rows), Leaves.of(chosen.catalogue, known)


async def _foretold(
    statements: Statements, outcomes: Sequence[Outcome], tested: Tested, *, settings: Settings
) -> Foretold:
    """Hold alerts against the outcomes within the hours."""
    first, last = (EPOCH + timedelta(hours=hour) for hour in (tested.rule.first, tested.rule.last + 1))
    within = [one for one in outcomes if first <= one.at < last]
    counts = {True: [0, 0], False: [0, 0]}
    leads: list[int] = []
    unknown = 0
    for begin in range(0, len(within), OUTCOMES_TOGETHER):
        portion = within[begin : begin + OUTCOMES_TOGETHER]
        for person, one in zip(await persons_of(People(statements), portion, settings=settings), portion, strict=True):
            unknown += person is None
            if person is None:
                continue
            at = hour_of(one.at)
            before = [hour for hour in tested.hours_of.get(person, ()) if at - 24 * BEFORE_DAYS <= hour < at]
            counts[one.bad][0] += 1
            counts[one.bad][1] += bool(before)
            leads += [at - max(before)] if before and one.bad else []
    return Foretold(
        bad=counts[True][0],
        bad_after_alert=counts[True][1],
        good=counts[False][0],
        good_after_alert=counts[False][1],
        lead_h=median(leads) if leads else None,
        too_early=len(outcomes) - len(within),
        unknown=unknown,
    )


def lines_of(tested: Tested) -> list[str]:
    """Say it in lines."""
    points, evidence = tested.rule.thresholds
    total = tested.raised.total()
    lines = [
        (
            f"{points:g} points and evidence of {evidence:g}, by the model {tested.model}: {_hour(tested.rule.first)} to "
            f"{_hour(tested.rule.last + 1)}, {tested.active} active customers of {tested.persons}"
        ),
        f"{total} alerts, {tested.critical} of them critical: {tested.weekly(total):.1f} a week of 1,000 active customers",
        *(f"  {rule}: {count}, {tested.weekly(count):.1f} a week" for rule, count in tested.raised.most_common()),
    ]
    if tested.worst:
        lines.append("who would have fallen furthest:")
    for points_, customer, one in sorted(tested.worst, reverse=True):
        lines.append(
            f"  {customer}  {_hour(one.hour)}  {one.rule}  {one.before:.0f} → {one.score:.0f} "
            f"(\N{MINUS SIGN}{points_:.0f})"
        )
    if tested.foretold is not None:
        lines += _precision(tested.foretold) + told(tested.foretold)
    return lines


def figures_of(tested: Tested) -> Mapping[str, object]:
    """All figures, for programs."""
    return {
        "points": tested.rule.thresholds.points,
        "evidence": tested.rule.thresholds.evidence,
        "from": _hour(tested.rule.first),
        "to": _hour(tested.rule.last + 1),
        "persons": tested.persons,
        "active": tested.active,
        "alerts": dict(tested.raised),
        "critical": tested.critical,
        "a_week_of_1000": tested.weekly(tested.raised.total()),
        "worst": [{"customer": who, **one._asdict()} for _, who, one in sorted(tested.worst, reverse=True)],
        "outcomes": None if tested.foretold is None else tested.foretold._asdict(),
    }


def _precision(foretold: Foretold) -> list[str]:
    after = foretold.bad_after_alert + foretold.good_after_alert
    every = foretold.bad + foretold.good
    if not after or not every:
        return []
    return [
        (
            f"of {after} outcomes after an alert {100 * foretold.bad_after_alert / after:.0f} % were bad, "
            f"of all {every} {100 * foretold.bad / every:.0f} %"
        )
    ]


def _time(name: str, text: str) -> datetime:
    try:
        return parse_instant(text if "T" in text else f"{text}T00:00:00Z")
    except ValueError as error:
        raise ConfigurationError(f"{name} {error}, or a day such as 2026-03-01") from error


def _hour(hour: int) -> str:
    return write_instant(EPOCH + timedelta(hours=hour))
