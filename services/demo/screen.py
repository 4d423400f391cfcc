"""How the demo looks: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol, Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from services.commands.explanation import style_of_band
from services.demo.board import POINTS_MIN, Board, Cause, Row
from services.demo.shop import Phase

FRAMES_PER_S: Final = 4
"""Often enough to look live; each frame costs a few milliseconds of the cores that do the work."""

LINES_PER_S: Final = 5
"""What a person reading a log can follow."""

ROWS_MIN: Final = 5
HEADER_ROWS: Final = 6
"""What stands around the table's rows: status, address, heads with their line, the command, and the cursor's own."""

KIND: Final = "customer:"
"""What all names here begin with; it is left out where a person reads."""

PHASE_STYLES: Final[Mapping[Phase, str]] = {
    Phase.NORMAL: "bold",
    Phase.OUTAGE: "bold white on red",
    Phase.RECOVERY: "bold black on green",
}


@dataclass(slots=True, kw_only=True)
class Status:
    """What stands around the table: figures, where to look, and the command that tells more."""

    phase: Phase = Phase.NORMAL
    accepted: int = 0
    events_per_s: float = 0.0
    latency_ms: float | None = None
    address: str = ""
    command: str = ""

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
    kind = TableScreen if console.is_terminal and not console.is_dumb_terminal else LineScreen
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
    _headed: bool = False

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
        if not self._headed:
            self._headed = True
            self.say(f"{'phase':8} {'customer':16} {'score':>5} {'band':8} {'change':>7}  what moved it, by points")
        why = "" if row.cause is None else f"  {_label(row.cause, self.labels)} {row.cause.points:+.1f}"
        change = _arrow(row.change).plain
        self.say(f"{self.status.phase:8} {_name(row):16} {row.score:5.1f} {row.band:8} {change:>7}{why}")

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
        rows = max(ROWS_MIN, self.console.height - HEADER_ROWS)
        shown = frame(self.board, self.status, self.labels, rows=rows, width=self.console.width)
        self._live.update(shown, refresh=True)


def frame(board: Board, status: Status, labels: Mapping[str, str], *, rows: int, width: int) -> RenderableType:
    """The board as it is: whoever moved last comes first. What is cut on a narrow screen is words, never figures."""
    table = Table(box=box.SIMPLE_HEAD, expand=True, show_edge=False, padding=(0, 1), pad_edge=False)
    table.add_column("customer", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("change", justify="right", no_wrap=True)
    table.add_column("band", no_wrap=True)
    table.add_column("what moved it", ratio=1, no_wrap=True)
    table.add_column("points", justify="right", no_wrap=True)
    for row in board.rows(rows):
        style = style_of_band(row.band)
        why, points = ("", "") if row.cause is None else (_label(row.cause, labels), f"{row.cause.points:+.1f}")
        score, named = Text(f"{row.score:.1f}", style), Text(row.band, style)
        table.add_row(_name(row), score, _arrow(row.change), named, why, points)
    head = Text.assemble((f" {status.phase} ", PHASE_STYLES[status.phase]), f"  {status.line()}")
    above = [head, Text(status.address, "dim")] if status.address else [head]
    below = [Text(status.command, "dim")] if status.command else []
    for line in (*above, *below):
        line.truncate(width)
    return Group(*above, table, *below)


def _name(row: Row) -> str:
    return row.customer.removeprefix(KIND)


def _arrow(change: float) -> Text:
    """How far the score has moved since the phase began."""
    if abs(change) < POINTS_MIN:
        return Text("=", "dim")
    return Text(f"▲ +{change:.1f}", "green") if change > 0 else Text(f"▼ {change:.1f}", "red")


def _label(cause: Cause, labels: Mapping[str, str]) -> str:
    return labels.get(cause.touchpoint, cause.touchpoint)
