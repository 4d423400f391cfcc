"""`tactus drivers` and `tactus journey`: print what everybody lost points by, and where."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Final, Self

from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.censusapi import CellSums, CensusAnswer, DriversAnswer, JourneyMapAnswer, Measured, TouchpointsAnswer
from services.client.census import ask_census
from services.client.endpoints import find_api
from services.commands.census_words import CENSUS_WORDS, CensusWords
from services.commands.explanation import FULL, STYLES, Explanation, time_of
from services.core.bands import BANDS, CONFIDENCE_KNOWN
from services.infra.errors import TactusError
from services.infra.settings import read_settings

TOUCHPOINTS: Final = 12
"""What fits on a screen; the API tells of up to 500."""

CHANNELS: Final = 6
"""Columns beside the stages that a screen of 80 signs has room for; the rest is one more."""

WIDTH_MIN: Final = 60
"""Below this a table cannot be read."""

By = Mapping[str, str | None]
"""Of whom: account, place and segment, as far as they are given."""

Show = Callable[["Telling", Console], None]


def run_drivers(*, by: By, language: str, data: Path | None) -> int:
    """Print the drivers and the touchpoints; 0 when there are such, 1 when the reason why not was printed."""

    def ask() -> Show:
        api = find_api(data)
        drivers = ask_census(api, "/v1/drivers", DriversAnswer, by=by, language=language)
        ranked = ask_census(
            api, "/v1/touchpoints", TouchpointsAnswer, by={**by, "limit": f"{TOUCHPOINTS}"}, language=language
        )
        return partial(_show_drivers, drivers, ranked)

    return _run("drivers", ask, language=language)


def run_journey(*, by: By, language: str, data: Path | None) -> int:
    """Print the map of the journey; the same exit codes."""

    def ask() -> Show:
        journey = ask_census(find_api(data), "/v1/journey", JourneyMapAnswer, by=by, language=language)
        return partial(_show_journey, journey)

    return _run("journey", ask, language=language)


def _run(command: str, ask: Callable[[], Show], *, language: str) -> int:
    try:
        telling = Telling.in_language(language, override=read_settings().catalogue)
        show = ask()
    except TactusError as error:
        sys.stderr.write(f"tactus {command}: {error}\n")
        return 1
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = max(console.width, WIDTH_MIN)
    show(telling, console)
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Tells sums in one language; figures are rounded to what a person can use."""

    words: CensusWords
    numbers: Explanation

    @classmethod
    def in_language(cls, language: str, *, override: Path | None) -> Self:
        """Tell in this language; raises ConfigurationError when there is none."""
        numbers = Explanation.in_language(language, override=override, detail=FULL)
        return cls(words=CENSUS_WORDS[language], numbers=numbers)

    def head(self, answer: CensusAnswer) -> Iterator[Text]:
        """Say of whom the sums are, of when, and what they come to."""
        words, numbers, whole = self.words, self.numbers, answer.everything
        whom = " · ".join(part for part in (answer.account, answer.place, answer.segment) if part)
        yield Text(whom or words.everyone, style="bold")
        read = numbers.so_many(answer.persons, words.read)
        yield Text(f"{words.of} {time_of(answer.counted_at)}, {read}, {answer.model_version}", style="dim")
        if not (whole.period.customers or whole.before.customers):
            yield Text(words.nothing)
            return
        sums = words.before.format(
            lost=numbers.figure(whole.period.points_lost),
            before=numbers.figure(whole.before.points_lost),
            days=answer.days,
        )
        yield Text(f"{numbers.so_many(whole.period.customers, words.lost_by)} {sums}")

    def table(self, heading: str, lines: Sequence[tuple[str, Measured]]) -> Table:
        """Lay lines out: what each lost, its trend, whom it touched, and its score."""
        words, numbers = self.words, self.numbers
        table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
        for name in (words.lost, words.trend, numbers.words.score, words.customers, numbers.words.events):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column(heading, overflow="fold")
        for label, sums in lines:
            trend = numbers.signed(sums.trend)
            table.add_row(
                numbers.figure(sums.period.points_lost),
                Text(trend, style="red" if trend[0] == "+" else "green" if trend[0] == "−" else "dim"),
                self.score(sums),
                numbers.count(sums.period.customers),
                numbers.count(sums.period.events),
                label,
            )
        return table

    def score(self, sums: Measured) -> Text:
        """Write a score in the colour of its band; a dash where nobody was touched."""
        score = sums.period.score
        if score is None:
            return Text("–", style="dim")
        return Text(self.numbers.figure(score), style=STYLES[BANDS.name(score, CONFIDENCE_KNOWN)])

    def map(self, cells: Sequence[CellSums]) -> Table:
        """Lay stages out by channels, those that lost most first, and the rest of the channels together."""
        words, numbers = self.words, self.numbers
        by_channel = sorted(cells, key=lambda cell: cell.channel)
        lost = {
            channel: sum(cell.period.points_lost for cell in of)
            for channel, of in groupby(by_channel, key=lambda cell: cell.channel)
        }
        channels = sorted(lost, key=lambda channel: (-lost[channel], channel))
        shown, rest = channels[:CHANNELS], channels[CHANNELS:]
        table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
        table.add_column(words.stage)
        for name in (*shown, *([words.others] if rest else [])):
            table.add_column(name, justify="right", overflow="fold")
        for stage, of in groupby(cells, key=lambda cell: cell.stage_label):
            at = {cell.channel: cell for cell in of}
            row = [self._cell(at[channel]) if channel in at else Text("") for channel in shown]
            others = [at[channel].period.points_lost for channel in rest if channel in at]
            if rest:
                row.append(Text(numbers.figure(sum(others)) if others else ""))
            table.add_row(stage, *row)
        return table

    def _cell(self, cell: CellSums) -> Text:
        return Text(self.numbers.figure(cell.period.points_lost)).append("\n").append_text(self.score(cell))


def _show_drivers(drivers: DriversAnswer, ranked: TouchpointsAnswer, telling: Telling, console: Console) -> None:
    words = telling.words
    for line in telling.head(drivers):
        console.print(line, soft_wrap=True)
    if not drivers.drivers:
        return
    tables = (
        (words.driver, [(one.label, one) for one in drivers.drivers]),
        (words.control, [(one.label, one) for one in drivers.controls]),
        (words.touchpoint, [(one.label, one) for one in ranked.touchpoints]),
    )
    for heading, lines in tables:
        console.print()
        console.print(telling.table(heading, lines))
    if ranked.left_out:
        console.print(Text(telling.numbers.so_many(ranked.left_out, words.more), style="dim"))


def _show_journey(journey: JourneyMapAnswer, telling: Telling, console: Console) -> None:
    for line in telling.head(journey):
        console.print(line, soft_wrap=True)
    if journey.cells:
        console.print()
        console.print(Text(telling.words.map_of, style="dim"))
        console.print(telling.map(journey.cells))
