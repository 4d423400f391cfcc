"""`tactus alerts report`: whether alerts are right, by what people said of them and by what became of customers."""

from __future__ import annotations

import asyncio
import json as json_format
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from services.commands.alerts import NAME
from services.commands.foreseeing import persons_of
from services.commands.outcomes import Outcome, read_outcomes
from services.commands.stack_settings import stack_settings
from services.commands.telling import INTERRUPTED, say
from services.core.instants import instant_of
from services.infra.clock import SystemClock
from services.infra.errors import TactusError
from services.infra.settings import Settings
from services.state.alert_figures import AlertFigures, RuleFigures
from services.state.comparing import People
from services.state.pool import Statements, connected

BEFORE_DAYS: Final = 30
"""An alert that is older than that foretold nothing."""

PORTION: Final = 2000
"""Outcomes asked for together."""

WEEK_DAYS: Final = 7

WIDTH_MIN: Final = 110
"""A rule is told by its whole name, also where nobody says how wide the terminal is."""


class Foretold(NamedTuple):
    """What alerts foretold of outcomes."""

    bad: int
    bad_after_alert: int
    good: int
    good_after_alert: int
    lead_h: float | None
    """From the alert to the bad outcome, the median."""
    too_early: int
    """Outcomes left out, before the oldest alert that is kept."""
    unknown: int
    """Outcomes left out, of customers that nobody knows."""

    @property
    def share(self) -> float | None:
        """The share of bad outcomes that had an alert before."""
        return self.bad_after_alert / self.bad if self.bad else None


class Report(NamedTuple):
    """All there is to say."""

    days: int
    active_persons: int
    rules: Sequence[RuleFigures]
    foretold: Foretold | None

    def weekly(self, rule: RuleFigures) -> float:
        """How many a thousand active customers have in a week."""
        return 1000 * rule.opened / max(self.active_persons, 1) * WEEK_DAYS / self.days


def run(*, days: int, outcomes: Path | None, json: Path | None, data: Path | None) -> int:
    """Print the report; 130 when it was interrupted."""
    try:
        told = None if outcomes is None else read_outcomes(outcomes)
        report = asyncio.run(read_report(days, told, settings=stack_settings(data)))
        if json is not None:
            json.write_text(json_format.dumps(figures_of(report), indent=2) + "\n", encoding="utf-8")
    except KeyboardInterrupt:
        return INTERRUPTED
    except TactusError as error:
        say(f"{NAME} report: {error}")
        return 1
    show(report)
    return 0


async def read_report(days: int, outcomes: Sequence[Outcome] | None, *, settings: Settings) -> Report:
    """Read all figures of alerts that were opened within so many days."""
    since = instant_of(SystemClock().now_us()) - timedelta(days=days)
    async with connected(settings.postgres.dsn.get_secret_value(), application=NAME) as statements:
        figures = AlertFigures(statements)
        foretold = None if outcomes is None else await foretold_of(statements, outcomes, settings=settings)
        return Report(days, await figures.active_persons(since), await figures.by_rule(since), foretold)


async def foretold_of(statements: Statements, outcomes: Sequence[Outcome], *, settings: Settings) -> Foretold:
    """Look for an alert before each outcome; those before there were alerts are left out."""
    figures = AlertFigures(statements)
    oldest = await figures.oldest()
    late = [] if oldest is None else [one for one in outcomes if one.at > oldest]
    counts = {True: [0, 0], False: [0, 0]}
    leads: list[float] = []
    unknown = 0
    for first in range(0, len(late), PORTION):
        portion = late[first : first + PORTION]
        persons = await persons_of(People(statements), portion, settings=settings)
        known = [(person, one) for person, one in zip(persons, portion, strict=True) if person is not None]
        unknown += len(portion) - len(known)
        found = await figures.before([person for person, _ in known], [one.at for _, one in known], days=BEFORE_DAYS)
        for place, (_, one) in enumerate(known):
            counts[one.bad][0] += 1
            counts[one.bad][1] += place in found
        leads += [_hours(known[place][1].at - at) for place, at in found.items() if known[place][1].bad]
    lead = median(leads) if leads else None
    return Foretold(
        bad=counts[True][0],
        bad_after_alert=counts[True][1],
        good=counts[False][0],
        good_after_alert=counts[False][1],
        lead_h=lead,
        too_early=len(outcomes) - len(late),
        unknown=unknown,
    )


def figures_of(report: Report) -> Mapping[str, object]:
    """All figures, for programs."""
    foretold = report.foretold
    return {
        "days": report.days,
        "active_customers": report.active_persons,
        "rules": [
            {**rule._asdict(), "false_share": rule.false_share, "a_week_of_1000": report.weekly(rule)}
            for rule in report.rules
        ],
        "outcomes": None if foretold is None else {**foretold._asdict(), "share_of_bad": foretold.share},
    }


def show(report: Report) -> None:
    """Print what a person wants to know of it."""
    if not report.rules:
        sys.stdout.write(f"no alert was opened within {report.days} days\n")
    else:
        sys.stdout.write(f"{report.days} days, {report.active_persons} active customers\n")
        width = max(shutil.get_terminal_size().columns, WIDTH_MIN)
        Console(width=width, highlight=False, markup=False).print(_table(report))
    if report.foretold is not None:
        sys.stdout.write("\n".join(told(report.foretold)) + "\n")


def told(foretold: Foretold) -> list[str]:
    """Say in lines what alerts foretold."""
    lines = [
        f"{foretold.bad_after_alert} of {foretold.bad} bad outcomes ({_percent(foretold.share)}) had an alert within "
        f"{BEFORE_DAYS} days before"
        + (f", half of them {foretold.lead_h:.0f} h before or more" if foretold.lead_h is not None else ""),
        f"{foretold.good_after_alert} of {foretold.good} others had one too",
    ]
    if foretold.too_early:
        lines.append(f"{foretold.too_early} outcomes left out: from before the oldest alert")
    if foretold.unknown:
        lines.append(f"{foretold.unknown} outcomes left out: no customer has this identity; write kind:value")
    return lines


def _table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False)
    headings = (
        "rule",
        "opened",
        "critical",
        "a week of 1,000",
        "seen",
        "after",
        "real",
        "known",
        "false",
        "share false",
    )
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "rule" else "right")
    for rule in report.rules:
        table.add_row(
            rule.rule,
            str(rule.opened),
            str(rule.critical),
            f"{report.weekly(rule):.1f}",
            str(rule.acknowledged),
            _span(rule.acknowledge_s),
            *map(str, (rule.real, rule.known, rule.false)),
            _percent(rule.false_share),
        )
    return table


def _hours(span: timedelta) -> float:
    return span / timedelta(hours=1)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
