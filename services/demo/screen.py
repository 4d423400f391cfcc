"""How the demo looks: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from services.demo.board import Board, Cause, Row
from services.demo.shop import Phase

FRAMES_PER_S: Final = 4
"""Often enough to look live; each frame costs a few milliseconds of the cores that do the work."""

LINES_PER_S: Final = 5
"""What a person reading a log can follow."""

POINTS_MIN: Final = 0.5
"""A smaller move is not worth a line."""

ROWS_MIN: Final = 5
HEADER_ROWS: Final = 7
"""What the table needs besides its rows: title, head, borders and the line under it."""

STYLES: Final[Mapping[str, str]] = {
    "unknown": "dim",
    "critical": "bold red",
    "low": "red",
    "fair": "yellow",
    "good": "green",
    "great": "bold green",
}
PHASE_STYLES: Final[Mapping[Phase, str]] = {
    Phase.NORMAL: "bold",
    Phase.OUTAGE: "bold white on red",
    Phase.RECOVERY: "bold black on green",
}


@dataclass(slots=True, kw_only=True)
class Status:
    """What stands above the table."""

    phase: Phase = Phase.NORMAL
    accepted: int = 0
    events_per_s: float = 0.0
    latency_ms: float | None = None
    address: str = ""

    def line(self) -> str:
        """The status without the phase, as plain text."""
        latency = "-" if self.latency_ms is None else f"{self.latency_ms:.0f} ms"
        return f"{self.accepted} accepted, {self.events_per_s:.0f} events/s, ack to score {latency}"


class Screen(Protocol):
    """Where the demo is shown."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def say(self, line: str) -> None:
        """Show a line that stays."""

    def moved(self, row: Row) -> None:
        """A customer's score was read anew."""

    def refresh(self) -> None:
        """Show the board and the status as they are."""


def open_screen(console: Console, *, board: Board, status: Status, labels: Mapping[str, str]) -> Screen:
    """The screen that suits where the output goes."""
    kind = TableScreen if console.is_terminal else LineScreen
    return kind(console, board, status, labels)


@dataclass(slots=True)
class LineScreen:
    """Plain lines: each move that matters, and not too many of them."""

    console: Console
    board: Board
    status: Status
    labels: Mapping[str, str]
    _shown: dict[str, float] = field(default_factory=dict)
    _next_s: float = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """There is nothing to take down."""

    def say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def moved(self, row: Row) -> None:
        before = self._shown.get(row.customer)
        now_s = time.monotonic()
        if now_s < self._next_s or (before is not None and abs(row.score - before) < POINTS_MIN):
            return
        self._next_s = now_s + 1 / LINES_PER_S
        self._shown[row.customer] = row.score
        why = "" if row.cause is None else f"  {_cause(row.cause, self.labels)}"
        self.say(
            f"{self.status.phase:8} {row.customer:24} {row.score:5.1f} {row.band:8} {_arrow(row.change).plain:>7}{why}"
        )

    def refresh(self) -> None:
        """Lines are shown as they come."""


@dataclass(slots=True)
class TableScreen:
    """A table that is drawn anew several times a second; lines that stay scroll by above it."""

    console: Console
    board: Board
    status: Status
    labels: Mapping[str, str]
    _live: Live = field(init=False)

    def __post_init__(self) -> None:
        self._live = Live(console=self.console, auto_refresh=False, redirect_stderr=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refresh()
        self._live.stop()

    def say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def moved(self, row: Row) -> None:
        """The next frame shows it."""

    def refresh(self) -> None:
        height = max(ROWS_MIN, self.console.height - HEADER_ROWS)
        table = Table(expand=True)
        table.add_column("customer", no_wrap=True)
        table.add_column("score", justify="right")
        table.add_column("", justify="right")
        table.add_column("band")
        table.add_column("what moved it", ratio=1, no_wrap=True)
        for row in self.board.rows(height):
            style = STYLES[row.band]
            why = "" if row.cause is None else _cause(row.cause, self.labels)
            table.add_row(row.customer, Text(f"{row.score:.1f}", style), _arrow(row.change), Text(row.band, style), why)
        head = Text.assemble(
            (f" {self.status.phase} ", PHASE_STYLES[self.status.phase]),
            f"  {self.status.line()}  {self.status.address}",
        )
        head.truncate(self.console.width)
        self._live.update(Group(head, table), refresh=True)


def _arrow(change: float) -> Text:
    """How far the score has moved since the phase began."""
    if abs(change) < POINTS_MIN:
        return Text("=", "dim")
    return Text(f"▲ +{change:.1f}", "green") if change > 0 else Text(f"▼ {change:.1f}", "red")


def _cause(cause: Cause, labels: Mapping[str, str]) -> str:
    return f"{labels.get(cause.touchpoint, cause.touchpoint)} {cause.points:+.1f}"
