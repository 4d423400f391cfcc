"""What the demo shows of a customer: how far the score moved in this phase, and what moved it."""

from __future__ import annotations

import io
from itertools import count

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


def shown(*, terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100, height=12, color_system="standard")
    board = Board()
    status = Status(phase=Phase.OUTAGE, accepted=1234, events_per_s=20.0, latency_ms=48.4, address="http://127.0.0.1:1")
    screen = open_screen(console, board=board, status=status, labels=LABELS)
    with screen:
        for name in "abcdefghijklm":
            read(board, 60.0, customer=f"customer:{name}")
        board.begin(Phase.OUTAGE)
        read(board, 40.0, ("payment.failed", -20.0, 1))
        screen.moved(board.rows(1)[0])
        screen.refresh()
    assert isinstance(screen, TableScreen if terminal else LineScreen)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_terminal_shows_a_table_in_the_bands_colours() -> None:
    text = shown(terminal=True)

    for part in ("outage", "1234 accepted", "20 events/s", "48 ms", "customer:a", "▼ -20.0", "Payment failed -20.0"):
        assert part in text
    assert "\x1b[33mfair" in text


def test_elsewhere_a_move_is_one_plain_line() -> None:
    text = shown(terminal=False)

    assert text.splitlines() == ["outage   customer:a                40.0 fair     ▼ -20.0  Payment failed -20.0"]
