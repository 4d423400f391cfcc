from __future__ import annotations

import io

import pytest
from rich.console import Console

from schemas.alert import AlertRecord
from schemas.incident import IncidentRecord
from services.demo.board import Board
from services.demo.screen import LineScreen, Status
from services.demo.ticker import SHOWN_MAX, Ticker

LABELS = {"complaint.made": "Complaint made", "delivery.delivered": "Delivered"}
AT = "2026-11-27T10:00:00.000000Z"


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def ticker(said: io.StringIO) -> Ticker:
    screen = LineScreen(Console(file=said, width=200), Board(), Status(), LABELS)
    return Ticker(screen=screen, labels=LABELS)


def alert(state: str = "opened", severity: str = "warning", number: int = 1) -> bytes:
    leaf = {"channel": "any", "place": "", "stage": "support", "category": "product", "events": []}
    fields = {
        "alert": f"00000000-0000-0000-0000-{number:012d}",
        "rule": "drop",
        "customer": "customer:unlucky-004",
        "severity": severity,
        "state": state,
        "opened_at": AT,
        "changed_at": AT,
        "score_before": 61.5,
        "score": 37.25,
        "tipped": {"source": "shop", "id": "e1"},
        "reasons": [
            {**leaf, "touchpoint": "complaint.made", "points": -9.5},
            {**leaf, "touchpoint": "delivery.delivered", "points": 0.2},
        ],
        "model_version": "m",
    }
    return AlertRecord.model_validate(fields).model_dump_json().encode()


def incident(state: str) -> bytes:
    fields = {
        "incident": "00000000-0000-0000-0000-000000000001",
        "along": "touchpoint",
        "value": "complaint.made",
        "state": state,
        "opened_at": AT,
        "changed_at": AT,
        "people": 11,
        "usual": 0.0,
        "worst": [],
    }
    return IncidentRecord.model_validate(fields).model_dump_json().encode()


def test_an_alert_says_who_fell_how_far_and_by_what(ticker: Ticker, said: io.StringIO) -> None:
    ticker.take(alert())

    assert said.getvalue() == "ALERT warning: unlucky-004 61.5 → 37.2: Complaint made -9.5\n"


def test_a_storm_of_alerts_is_counted_and_not_told_one_by_one(ticker: Ticker, said: io.StringIO) -> None:
    for number in range(SHOWN_MAX + 20):
        ticker.take(alert(number=number))

    assert len(said.getvalue().splitlines()) == SHOWN_MAX
    assert ticker.summary() == f"Alerts {SHOWN_MAX + 20}, critical 0; incidents 0, over 0"


def test_what_becomes_critical_counts_and_what_closes_does_not(ticker: Ticker) -> None:
    for state, severity in (("opened", "warning"), ("worsened", "critical"), ("closed", "critical")):
        ticker.take(alert(state, severity))

    assert ticker.summary() == "Alerts 1, critical 1; incidents 0, over 0"


def test_an_incident_is_told_from_its_beginning_to_its_end(ticker: Ticker, said: io.StringIO) -> None:
    for state in ("opened", "grown", "resolved"):
        ticker.take(incident(state))

    assert said.getvalue().splitlines() == [
        "INCIDENT: 11 customers share the touchpoint Complaint made",
        "INCIDENT grows: 11 customers share the touchpoint Complaint made",
        "INCIDENT over: Complaint made, 11 customers",
    ]
    assert ticker.summary() == "Alerts 0, critical 0; incidents 1, over 1"
