"""An account's score explained for people: who acts for it, how they are, and the reasons of the score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.accountsapi import AccountAnswer, AccountContact, AccountReceiptAnswer
from services.commands.explanation import Explanation, add_up, style_of, style_of_band, time_of
from services.core.bands import Bands

PEOPLE_SHOWN: Final = 10
"""Those who move the score most; the API shows a hundred."""


class AccountExplained(NamedTuple):
    """An account's score and its receipt, of one moment."""

    score: AccountAnswer
    receipt: AccountReceiptAnswer


class AccountExplanation:
    """Explains accounts as customers are explained."""

    def __init__(self, explanation: Explanation) -> None:
        self._explanation = explanation
        self._words = explanation.words

    def show(self, console: Console, explained: AccountExplained) -> None:
        """Print the score, the contacts, how each stage felt, the reasons, and the sum of them."""
        score, receipt = explained
        for line in self._head(score):
            console.print(line)
        if score.people:
            console.print()
            console.print(self._people(score))
        self._explanation.because(console, score.dimensions.get("stage", {}), receipt, bands=Bands.of(score.bands))

    def _head(self, score: AccountAnswer) -> Iterator[Text]:
        words = self._words
        yield Text(score.account, style="bold")
        yield Text(f"{words.at} {time_of(score.at)}, {self._explanation.so_many(score.contacts, words.contacts)}")
        yield Text()
        yield from self._explanation.measures(score)
        worst = score.worst_key_contact
        if worst is not None:
            line = Text(f"{words.worst_key_contact} {worst.customer}, {self._role(worst)}: ")
            yield line.append(self._standing(worst), style=style_of_band(worst.band))

    def _people(self, score: AccountAnswer) -> Table:
        words = self._words
        table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
        for heading in (words.points, words.contact, words.role, words.score):
            table.add_column(heading, justify="right" if heading == words.points else "left", overflow="fold")
        weightiest = sorted(score.people, key=lambda one: -abs(one.points))
        shown, rest = weightiest[:PEOPLE_SHOWN], weightiest[PEOPLE_SHOWN:]
        shown.sort(key=lambda one: one.points)
        others = sum(one.points for one in rest) + score.others.points
        points = [*(one.points for one in shown), others]
        tenths = add_up(points, start=score.score - sum(points), total=score.score)
        for one, tenth in zip(shown, tenths, strict=False):
            told = Text(self._explanation.signed(tenth / 10), style=style_of(tenth))
            table.add_row(told, one.customer, self._role(one), Text(self._standing(one), style=style_of_band(one.band)))
        self._add_others(table, len(rest) + score.others.contacts, tenths)
        return table

    def _add_others(self, table: Table, contacts: int, tenths: Sequence[int]) -> None:
        if contacts:
            others = self._explanation.so_many(contacts, self._words.other_contacts)
            table.add_row(self._explanation.signed(tenths[-1] / 10), others, "", "")

    def _standing(self, one: AccountContact) -> str:
        return f"{self._explanation.figure(one.score)} {self._explanation.band(one.band)}"

    def _role(self, one: AccountContact) -> str:
        return self._explanation.labels.roles[one.role]
