"""The reasons that a person reads add up to the score."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from schemas.readapi import Change, CustomerAnswer, LatestEvent, ReceiptAnswer, ReceiptLeaf
from schemas.score import Cell, Windows
from services.commands.explain import EVENTS_MAX, LEAVES_MAX, Explained, add_up, show, signed, sum_line

AT = "2026-03-01T12:00:00Z"
CELL = Cell(score=50.0, confidence=0.0)


def explained(points: list[float], *, customer: str = "customer:c1", events: int = 1) -> Explained:
    total = 50 + sum(points)
    leaves = [
        ReceiptLeaf(
            touchpoint="delivery.delivered",
            channel="delivery",
            place=f"carrier/{n}",
            points=each,
            events=events,
            latest=[
                LatestEvent(source="shop/orders", id=f"event-{n}-{k}", occurred_at=AT, valence=-1.0, stake=1.0)
                for k in range(min(events, 10))
            ],
        )
        for n, each in enumerate(points)
    ]
    score = CustomerAnswer(
        customer=customer,
        identities=[customer, "device:d1"],
        score=total,
        confidence=0.5,
        se=12.5,
        band="fair",
        change=Change(points=-3.25, significant=True),
        dimensions={},
        windows=Windows(hours_24=CELL, days_7=CELL, days_30=CELL, days_90=CELL),
        alerts=[],
        model_version="m1",
        version=7,
        at=AT,
    )
    receipt = ReceiptAnswer(
        customer=customer, score=total, prior=50.0, leaves=leaves, model_version="m1", version=7, at=AT
    )
    return Explained(score, receipt)


def printed(what: Explained, *, width: int = 80) -> list[str]:
    stream = io.StringIO()
    show(Console(file=stream, width=width, highlight=False, markup=False, emoji=False), what)
    return stream.getvalue().splitlines()


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=LEAVES_MAX + 1))
def test_rounded_points_add_up_to_the_rounded_score(points: list[float]) -> None:
    total = 50 + sum(points)

    hundredths = add_up(points, start=50, total=total)

    assert (5000 + sum(hundredths)) / 100 == pytest.approx(float(f"{total:.2f}"), abs=1e-9)
    assert all(abs(each - 100 * exact) <= 1.01 for each, exact in zip(hundredths, points, strict=True))


def test_the_sum_is_written_out() -> None:
    assert sum_line(50, [133, -1365, 0, 50], 38.18) == "50.00 + 1.33 − 13.65 + 0.50 = 38.18"
    assert [signed(each) for each in (1.005, -2, 0.001, -0.004, 0)] == ["+1.00", "−2.00", "0.00", "0.00", "0.00"]


def test_an_explanation_names_score_windows_reasons_and_the_events_behind() -> None:
    lines = printed(explained([-12.5, 4.25], events=5))

    text = "\n".join(lines)
    assert "Score 41.75 fair  ± 12.50  confidence 0.50" in text
    assert "Change in 7 days −3.25, significant" in text
    assert "also device:d1" in text
    assert "last 24 hours" in text
    assert "−12.50" in text
    assert "2026-03-01 12:00 UTC  shop/orders event-0-0" in text
    assert f"and {5 - EVENTS_MAX} more" in text
    assert lines[-1] == "50.00 − 12.50 + 4.25 = 41.75"


@pytest.mark.parametrize("width", [60, 80, 200])
def test_nothing_is_wider_than_the_screen(width: int) -> None:
    lines = printed(explained([-1.0] * 20, customer=f"customer:{'a' * 250}"), width=width)

    assert max(map(len, lines)) <= width


def test_reasons_beyond_a_screenful_are_one_line() -> None:
    lines = printed(explained([-1.0] * (LEAVES_MAX + 8)))

    assert any("8 other reasons" in line and "−8.00" in line for line in lines)
    assert lines[-1].endswith("− 8.00 = 30.00")


def test_a_customer_of_whom_nothing_is_seen_is_said_so() -> None:
    assert "Nothing was seen" in printed(explained([]))[-1]


def test_ids_are_printed_as_they_are() -> None:
    assert "customer:[red]:smile:[/red]" in printed(explained([1.0], customer="customer:[red]:smile:[/red]"))
