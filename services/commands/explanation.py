"""A score explained for people: what it is, how each stage of the journey felt, and its reasons, which add up to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from types import MappingProxyType
from typing import Final, NamedTuple, Self

from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.accountsapi import AccountAnswer, AccountReceiptAnswer
from schemas.changeapi import ChangeLeaf
from schemas.instant import parse_instant
from schemas.readapi import (
    Change,
    CustomerAnswer,
    FeltPromise,
    LatestEvent,
    RatingGiven,
    ReceiptAnswer,
    ReceiptLeaf,
    ReceiptOthers,
)
from schemas.score import Cell
from services.commands.explain_words import WORDS, Forms, Words
from services.core.bands import Bands
from services.infra.catalogue.reading import Labels, labels


class Detail(NamedTuple):
    """How much is shown: reasons, of which the rest is one line, and the newest events behind each."""

    leaves: int
    events: int


FULL: Final = Detail(leaves=12, events=3)
"""What fits on a screen or two; the receipt and the journey have it all."""

SHORT: Final = Detail(leaves=5, events=0)
"""For beside something else."""

COMMENT_CHARS_MAX: Final = 120
"""A line and a half; the journey has more of them."""

STYLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "unknown": "dim",
        "critical": "bold red",
        "low": "red",
        "fair": "yellow",
        "good": "green",
        "great": "bold green",
    }
)


class Explained(NamedTuple):
    """A score and its receipt, of one version."""

    score: CustomerAnswer
    receipt: ReceiptAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Explains in one language. Figures are rounded to what a person can use; the API has them unrounded."""

    words: Words
    labels: Labels
    detail: Detail

    @classmethod
    def in_language(cls, language: str, *, override: Path | None, detail: Detail) -> Self:
        """Explain in this language, with a deployment's own labels; raises ConfigurationError when there is none."""
        known = labels(language, override=override)
        return cls(words=WORDS[language], labels=known, detail=detail)

    def show(self, console: Console, explained: Explained) -> None:
        """Print a score, its windows, its stages, its reasons, and the sum of them."""
        score, receipt = explained
        for line in self._head(score):
            console.print(line)
        self.because(console, score.dimensions.get("stage", {}), receipt, bands=Bands.of(score.bands))

    def because(
        self,
        console: Console,
        stages: Mapping[str, Cell],
        receipt: ReceiptAnswer | AccountReceiptAnswer,
        *,
        bands: Bands,
    ) -> None:
        """Print how each stage felt, the reasons, and the sum of them."""
        console.print()
        if not receipt.leaves:
            console.print(self.words.nothing)
            return
        console.print(self._stages(stages, bands))
        console.print()
        shown, rest = receipt.leaves[: self.detail.leaves], receipt.leaves[self.detail.leaves :]
        others = ReceiptOthers(
            leaves=len(rest) + receipt.others.leaves,
            points=sum(leaf.points for leaf in rest) + receipt.others.points,
            events=sum(leaf.events for leaf in rest) + receipt.others.events,
        )
        points = [*(leaf.points for leaf in shown), others.points]
        tenths = add_up(points, start=receipt.prior, total=receipt.score)
        console.print(self._reasons(shown, others, tenths))
        console.print()
        console.print(Text(self.sum_line(receipt.prior, tenths, receipt.score), style="bold"))

    def sum_line(self, prior: float, tenths: Sequence[int], score: float) -> str:
        """Write the sum that makes the score."""
        terms = "".join(f" {'+' if each > 0 else '−'} {self.figure(abs(each) / 10)}" for each in tenths if each)
        return f"{self.figure(prior)}{terms} = {self.figure(score)}"

    def signed(self, points: float) -> str:
        """Write points with their sign."""
        written = self.figure(abs(points))
        if not any(digit in written for digit in "123456789"):
            return written
        return f"{'+' if points > 0 else '−'}{written}"

    def band(self, name: str) -> str:
        """Say a band in this language; one that a model named itself, as it did."""
        return self.words.bands.get(name, name)

    def parts_of(self, change: Change) -> str:
        """Tell what came and what faded, and what fell out where anything did, in tenths that add up."""
        parts = [change.came, change.faded, change.fell_out]
        tenths = add_up(parts, start=0, total=change.points)
        names = (self.words.came, self.words.faded, self.words.fell_out)
        told = [f"{name} {self.signed(part / 10)}" for name, part in zip(names, tenths, strict=True)]
        return self.words.between.join(told if tenths[-1] else told[:-1])

    def weight_of(self, change: Change) -> str:
        """Tell whether a change is much."""
        return self.words.significant if change.significant else self.words.usual

    def figure(self, number: float) -> str:
        """Write a number to a tenth, with the minus of print; nothing is not less than nothing."""
        return f"{number:z.1f}".replace("-", "−").replace(".", self.words.decimal)

    def _head(self, score: CustomerAnswer) -> Iterator[Text]:
        words = self.words
        others = [name for name in score.identities if name != score.customer]
        yield Text(score.customer, style="bold")
        if others:
            yield Text(f"{words.also} {', '.join(others)}", style="dim")
        yield Text(f"{words.at} {time_of(score.at)}, {words.version} {score.version}")
        yield Text()
        yield from self.measures(score, stale=score.stale)

    def measures(self, score: CustomerAnswer | AccountAnswer, *, stale: Sequence[str] = ()) -> Iterator[Text]:
        """Tell the score, how it moved within a week, and its windows."""
        words = self.words
        line = Text(f"{words.score} ")
        line.append(f"{self.figure(score.score)} {self.band(score.band)}", style=style_of_band(score.band))
        yield line.append(f", {words.give_or_take} {score.se:.0f}, {words.confidence} {_percent(score.confidence)}")
        if stale:
            yield Text(words.stale.format(", ".join(stale)), style="yellow")
        week = score.change.week
        yield Text(f"{words.change} {self.signed(week.points)} ({self.parts_of(week)}), {self.weight_of(week)}")
        windows = score.windows
        cells = (windows.hours_24, windows.days_7, windows.days_30, windows.days_90)
        width = max(map(len, words.windows.values()))
        for name, cell in zip(words.windows.values(), cells, strict=True):
            yield Text(
                f"  {name.ljust(width)}  {self.figure(cell.score):>5}  {words.confidence} {_percent(cell.confidence)}"
            )

    def _stages(self, cells: Mapping[str, Cell], bands: Bands) -> Table:
        """The stages that something was seen of, in the order of the journey."""
        table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
        table.add_column(self.words.stages)
        table.add_column(self.words.score, justify="right", no_wrap=True)
        table.add_column("")
        table.add_column(self.words.confidence, justify="right", no_wrap=True)
        for name, label in self.labels.stages.items():
            if name not in cells:
                continue
            cell = cells[name]
            named = bands.name(cell.score, cell.confidence)
            style = style_of_band(named)
            table.add_row(
                label,
                Text(self.figure(cell.score), style=style),
                Text(self.band(named), style=style),
                _percent(cell.confidence),
            )
        return table

    def _reasons(self, shown: Sequence[ReceiptLeaf], others: ReceiptOthers, tenths: Sequence[int]) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
        table.add_column(self.words.points, justify="right", no_wrap=True)
        table.add_column(self.words.events, justify="right", no_wrap=True)
        table.add_column(self.words.reason, overflow="fold")
        for leaf, points in zip(shown, tenths, strict=False):
            reason = self.reason(leaf, [*self._beside(leaf), *self.latest(leaf.latest, of=leaf.events)])
            style = style_of(points)
            table.add_row(Text(self.signed(points / 10), style=style), self.count(leaf.events), reason)
        if others.leaves:
            rest = self.so_many(others.leaves, self.words.others)
            table.add_row(self.signed(tenths[-1] / 10), self.count(others.events), rest)
        return table

    def _beside(self, leaf: ReceiptLeaf) -> Iterator[str]:
        """Name the promises that are felt at a leaf, and who told the same again."""
        yield from self.promised(leaf.promises)
        for one in leaf.also_told[: self.detail.events]:
            yield self.words.also_told.format(f"{one.source} {one.id}")

    def promised(self, promises: Sequence[FeltPromise]) -> Iterator[str]:
        """Name the promises that are felt at a leaf."""
        for promise in promises[: self.detail.events]:
            named = " · ".join(dict.fromkeys(part for part in (promise.about, promise.part) if part))
            yield self.words.promised.format(_harmless(named))

    def reason(self, leaf: ReceiptLeaf | ChangeLeaf, events: Iterable[str]) -> Text:
        """Name a leaf, where it was, and the events behind it."""
        where = " · ".join(part for part in (leaf.channel, leaf.place) if part)
        reason = Text(self.labels.touchpoints.get(leaf.touchpoint, leaf.touchpoint))
        reason.append(f"  {where}", style="dim")
        for line in events:
            reason.append(f"\n{line}", style="dim")
        return reason

    def _said(self, event: LatestEvent) -> str:
        """What the customer answered and wrote, in one line."""
        opening, closing = self.words.quotes
        parts = []
        if event.rating is not None:
            value = f"{event.rating.value:g}".replace(".", self.words.decimal)
            parts.append(f"{self.words.rated} {value}{_scale(event.rating)}")
        if event.text is not None and (text := _harmless(event.text)):
            parts.append(f"{opening}{shorten(text, COMMENT_CHARS_MAX, placeholder=' …')}{closing}")
        return ": ".join(parts)

    def latest(self, events: Sequence[LatestEvent], *, of: int) -> Iterator[str]:
        """Name the newest events, and how many there are besides."""
        for event in events[: self.detail.events]:
            yield f"{time_of(event.occurred_at)}  {event.source} {event.id}"
            if said := self._said(event):
                yield f"  {said}"
        older = of - min(len(events), self.detail.events)
        if older and self.detail.events:
            yield self.so_many(older, self.words.more)

    def so_many(self, number: int, forms: Forms) -> str:
        """Say that there are so many of something."""
        return self.words.form(number, forms).format(self.count(number))

    def count(self, number: int) -> str:
        """Write a whole number."""
        return f"{number:,}".replace(",", self.words.thousands) if number >= self.words.grouped_from else str(number)


def _harmless(text: str) -> str:
    """Show what a stranger wrote: nothing in it moves the cursor, colours the screen or turns the line around."""
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()


def _scale(rating: RatingGiven) -> str:
    match rating.scale:
        case None:
            return ""
        case str(name):
            return f" ({_harmless(name)})"
        case own:
            return f" ({own.lo:g}–{own.hi:g})"


def add_up(points: Sequence[float], *, start: float, total: float) -> list[int]:
    """Round points to tenths so that start + their sum is the rounded total.

    What rounding leaves over goes to those that it moved most, a tenth each.
    """
    exact = [10 * each for each in points]
    rounded = [round(each) for each in exact]
    missing = _tenths(total) - _tenths(start) - sum(rounded)
    step = 1 if missing > 0 else -1
    by_loss = sorted(range(len(exact)), key=lambda i: step * (rounded[i] - exact[i]))
    for index in by_loss[: abs(missing)]:
        rounded[index] += step
    return rounded


def _tenths(number: float) -> int:
    # By way of what is printed, so that both round the same.
    return round(10 * float(f"{number:.1f}"))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def style_of_band(name: str) -> str:
    """Colour a band; one that a model named itself is not."""
    return STYLES.get(name, "")


def style_of(points: float) -> str:
    """Colour what raises and what lowers a score."""
    return "red" if points < 0 else "green" if points > 0 else "dim"


def time_of(text: str) -> str:
    """Write an instant for people."""
    return f"{parse_instant(text):%Y-%m-%d %H:%M} UTC"
