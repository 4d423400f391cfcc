"""What moved a score, for people: the score before and after, and what each leaf did, which adds up to the change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.accountsapi import AccountChangeAnswer
from schemas.changeapi import ChangeAnswer, ChangeEnd, ChangeLeaf, ChangeOthers
from services.commands.explanation import Explanation, add_up, style_of, style_of_band, time_of

AnyChange = ChangeAnswer | AccountChangeAnswer


@dataclass(frozen=True, slots=True)
class ChangeExplanation:
    """Explains what moved a score in the language and the detail of another explanation."""

    by: Explanation

    def show(self, console: Console, answer: AnyChange) -> None:
        """Print the change, what each leaf did to the score, and the sum of them."""
        for line in self._head(answer):
            console.print(line)
        console.print()
        if not answer.leaves:
            console.print(self.by.words.nothing_moved)
            return
        shown, rest = answer.leaves[: self.by.detail.leaves], answer.leaves[self.by.detail.leaves :]
        moved = [*map(_moved, shown), sum(map(_moved, rest)) + _moved(answer.others)]
        tenths = add_up(moved, start=answer.before.score, total=answer.after.score)
        console.print(self._table(answer, shown, tenths))
        console.print()
        console.print(Text(self.by.sum_line(answer.before.score, tenths, answer.after.score), style="bold"))

    def _head(self, answer: AnyChange) -> Iterator[Text]:
        by, words = self.by, self.by.words
        period = f"{time_of(answer.before.at)} → {time_of(answer.after.at)}"
        match answer:
            case ChangeAnswer():
                yield Text(answer.customer, style="bold")
                yield Text(f"{period}, {words.version} {answer.version}")
            case AccountChangeAnswer():
                yield Text(answer.account, style="bold")
                yield Text(period)
        yield Text()
        line = Text(f"{words.score} ")
        line.append_text(self._end(answer.before)).append(" → ").append_text(self._end(answer.after))
        yield line
        change = answer.change
        told = f"{by.signed(change.points)} {words.periods[answer.over]} ({by.parts_of(change)})"
        yield Text(f"{told}, {by.weight_of(change)}")

    def _end(self, end: ChangeEnd) -> Text:
        return Text(f"{self.by.figure(end.score)} {self.by.band(end.band)}", style=style_of_band(end.band))

    def _table(self, answer: AnyChange, shown: Sequence[ChangeLeaf], tenths: Sequence[int]) -> Table:
        by, words = self.by, self.by.words
        table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
        for heading in (words.moved, words.came, words.faded, words.events):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column(words.mover, overflow="fold")
        for leaf, points in zip(shown, tenths, strict=False):
            events = by.latest(leaf.latest, of=leaf.events + leaf.events_before)
            reason = by.reason(leaf, [*by.promised(leaf.promises), *events])
            table.add_row(
                Text(by.signed(points / 10), style=style_of(points)),
                by.signed(leaf.came),
                by.signed(leaf.faded + leaf.fell_out),
                by.count(leaf.events),
                reason,
            )
        rest = answer.leaves[len(shown) :]
        leaves = len(rest) + answer.others.leaves
        if leaves:
            lines: list[ChangeLeaf | ChangeOthers] = [*rest, answer.others]
            table.add_row(
                by.signed(tenths[-1] / 10),
                by.signed(sum(line.came for line in lines)),
                by.signed(sum(line.faded + line.fell_out for line in lines)),
                by.count(sum(line.events for line in lines)),
                by.so_many(leaves, words.others),
            )
        return table


def _moved(line: ChangeLeaf | ChangeOthers) -> float:
    return line.came + line.faded + line.fell_out
