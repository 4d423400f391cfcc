"""What the demo shows of a customer: how far the score moved in this phase, and what moved it."""

from __future__ import annotations

import io
import re
from itertools import count

import pytest
from rich.console import Console

from services.client.scores import Receipt, ReceiptLine, Score
from services.demo.board import Board, Cause
from services.demo.screen import LineScreen, Status, TableScreen, open_screen
from services.demo.shop import Phase

LABELS = {"payment.failed": "Payment failed", "order.completed": "Order placed"}
VERSIONS = count(1)


def read(board: Board, score: float, *lines: tuple[str, float, int], customer: str = "customer:a") -> None:
    receipt = Receipt(
        score=score,
        prior=50.0,
        leaves=[ReceiptLine(touchpoint=name, points=points, events=events) for name, points, events in lines],
    )
    board.see(Score(customer, score, confidence=0.5, band="fair", version=next(VERSIONS)), receipt)


def test_the_cause_is_the_touchpoint_with_new_events_that_moved_the_score_most() -> None:
    board = Board()
    read(board, 60.0, ("order.completed", 12.0, 3), ("web.page_viewed", -2.0, 9))

    read(board, 47.0, ("order.completed", 5.0, 3), ("payment.failed", -6.0, 1), ("web.page_viewed", -2.0, 10))

    (row,) = board.rows(10)
    assert row.change == -13.0
    assert row.cause == Cause("payment.failed", -6.0)


def test_a_fall_names_what_pulled_down_and_never_what_pushed_up() -> None:
    board = Board()
    read(board, 60.0, ("order.completed", 12.0, 3), ("payment.failed", -2.0, 1))

    read(board, 57.0, ("order.completed", 8.0, 3), ("payment.failed", -2.0, 1), ("web.page_viewed", 1.0, 1))

    (row,) = board.rows(10)
    assert row.change == -3.0
    assert row.cause == Cause("order.completed", -4.0)


def test_a_rise_by_what_faded_names_that_and_not_the_fresh_loss() -> None:
    board = Board()
    read(board, 40.0, ("payment.failed", -10.0, 1))

    read(board, 42.0, ("web.error_shown", -1.0, 1), ("payment.failed", -7.0, 1))

    assert board.rows(10)[0].cause == Cause("payment.failed", 3.0)


def test_a_first_low_score_tells_what_made_it_low() -> None:
    board = Board()

    read(board, 45.0, ("order.completed", 4.0, 3), ("payment.failed", -9.0, 1))

    assert board.rows(10)[0].cause == Cause("payment.failed", -9.0)


def test_whom_a_phase_took_most_from_is_remembered() -> None:
    board = Board()
    for name, score in (("customer:a", 60.0), ("customer:b", 70.0), ("customer:c", 50.0)):
        read(board, score, customer=name)
    board.begin(Phase.OUTAGE)
    for name, score in (("customer:a", 40.0), ("customer:b", 65.0), ("customer:c", 10.0)):
        read(board, score, customer=name)

    assert board.fallen_most(Phase.OUTAGE, ["customer:a", "customer:b", "customer:unseen"]) == "customer:a"
    assert board.fallen_most(Phase.RECOVERY, ["customer:a"]) is None


def test_places_of_one_touchpoint_count_together() -> None:
    board = Board()
    read(board, 50.0)

    read(board, 44.0, ("payment.failed", -3.0, 1), ("payment.failed", -3.0, 1), ("web.error_shown", -4.0, 1))

    assert board.rows(10)[0].cause == Cause("payment.failed", -6.0)


def test_a_first_reading_tells_what_the_score_is_made_of() -> None:
    board = Board()

    read(board, 60.0, ("order.completed", 12.0, 3), ("payment.failed", -2.0, 1))

    assert board.rows(10)[0].cause == Cause("order.completed", 12.0)
    assert board.rows(10)[0].change == 0.0


def test_a_phase_is_told_by_those_it_reached() -> None:
    board = Board()
    read(board, 60.0, customer="customer:a")
    read(board, 70.0, customer="customer:b")
    board.begin(Phase.OUTAGE)
    read(board, 40.0, customer="customer:a")

    told = board.told(Phase.OUTAGE, ["customer:a", "customer:unseen"], now=board.scores())

    assert (told.customers, told.points) == (1, -20.0)
    assert board.told(Phase.RECOVERY, ["customer:a"], now=board.scores()).customers == 0


def test_the_customers_that_moved_last_come_first_and_no_more_than_fit() -> None:
    board = Board()
    for name in "abc":
        read(board, 50.0, customer=f"customer:{name}")
    read(board, 51.0, customer="customer:a")

    assert [row.customer for row in board.rows(2)] == ["customer:a", "customer:c"]


COMMAND = "tactus explain --data /tmp/tactus-demo-0123 customer:regular-001"


def shown(*, terminal: bool, width: int = 100, dumb: bool = False) -> list[str]:
    console = Console(
        file=io.StringIO(),
        force_terminal=terminal,
        width=width,
        height=14,
        color_system="standard",
        _environ={"TERM": "dumb" if dumb else "xterm"},
    )
    board = Board()
    status = Status(
        phase=Phase.OUTAGE,
        accepted=1234,
        events_per_s=20.0,
        latency_ms=48.4,
        address="http://127.0.0.1:1",
        command=COMMAND,
    )
    screen = open_screen(console, board=board, status=status, labels=LABELS)
    with screen:
        for name in "abcdefghijklm":
            read(board, 60.0, customer=f"customer:{name}")
        board.begin(Phase.OUTAGE)
        read(board, 40.0, ("payment.failed", -20.0, 1), customer="customer:newcomer-013")
        read(board, 40.0, ("payment.failed", -20.0, 1))
        screen.moved(board.rows(1)[0])
        screen.refresh()
    assert isinstance(screen, TableScreen if terminal and not dumb else LineScreen)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_a_terminal_shows_a_table_in_the_bands_colours() -> None:
    text = "\n".join(shown(terminal=True))

    for part in ("outage", "1234 accepted", "20 events/s", "48 ms", "▼ -20.0", "Payment failed", "-20.0", COMMAND):
        assert part in text
    assert "\x1b[33mfair" in text


@pytest.mark.parametrize("width", [70, 80])
def test_a_narrow_table_names_its_columns_and_cuts_words_but_no_figure(width: int) -> None:
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in shown(terminal=True, width=width)]

    [heads] = {tuple(line.split()) for line in lines if line.strip().startswith("customer")}
    rows = [line.split() for line in lines if line.startswith("a ")]
    assert heads == ("customer", "score", "change", "band", "what", "moved", "it", "points")
    assert rows
    assert all((row[:4], row[-1]) == (["a", "40.0", "▼", "-20.0"], "-20.0") for row in rows)
    assert not any("customer:" in line for line in lines if COMMAND not in line)
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize(("terminal", "dumb"), [(False, False), (True, True)])
def test_elsewhere_and_on_a_dumb_terminal_a_move_is_one_plain_line(*, terminal: bool, dumb: bool) -> None:
    assert shown(terminal=terminal, dumb=dumb) == [
        "phase    customer         score band      change  what moved it, by points",
        "outage   a                 40.0 fair     ▼ -20.0  Payment failed -20.0",
    ]
