"""What EasyPost tells of parcels, how it signs, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest

from services.infra.hook_rows import Hook
from services.ingest.adapters.easypost import verify
from services.ingest.head import Head
from services.ingest.judge import arrival
from tests.support.deliveries import kept
from tests.support.hooks import NOW, signed

TRACKER = {"id": "trk_1", "tracking_code": "P1", "status": "delivered", "carrier": "FedEx"}


def event(**changes: object) -> dict[str, Any]:
    return {
        "object": "Event",
        "id": "evt_1",
        "mode": "production",
        "description": "tracker.updated",
        "created_at": "2026-03-01T11:59:00.000Z",
        "result": {**TRACKER, **changes},
    }


@pytest.mark.parametrize(
    ("status", "touchpoint"),
    [
        ("in_transit", "delivery.dispatched"),
        ("available_for_pickup", "pos.pickup_ready"),
        ("delivered", "delivery.delivered"),
        ("return_to_sender", "delivery.lost_or_returned"),
        ("failure", "delivery.lost_or_returned"),
    ],
)
async def test_a_state_is_known_by_its_touchpoint_and_the_tracker(status: str, touchpoint: str) -> None:
    (record,) = await kept("easypost", event(status=status))

    assert record["id"] == f"{touchpoint}/trk_1"
    assert record["time"] == "2026-03-01T11:59:00Z"
    assert record["subject"] == "x-tracking:P1"
    assert record["data"]["place"] == "carrier/fedex"
    assert "class" not in record["data"]


async def test_a_parcel_that_is_on_its_way_when_its_tracker_is_made_is_known_by_the_same_id() -> None:
    (created,) = await kept("easypost", {**event(), "description": "tracker.created"})
    (updated,) = await kept("easypost", event())

    assert created["id"] == updated["id"]


async def test_the_test_mode_never_scores() -> None:
    (record,) = await kept("easypost", {**event(), "mode": "test"})

    assert record["data"]["class"] == "test"


@pytest.mark.parametrize(
    ("status", "expected", "properties"),
    [
        ("delivered", "2026-03-01T15:00:00Z", {"promised_at": "2026-03-01T15:00:00Z"}),
        ("in_transit", "2026-03-01T15:00:00Z", {"promised_at": "2026-03-01T15:00:00Z"}),
        ("delivered", "2026-03-01T00:00:00Z", {"promised_at": "2026-03-01Z"}),
        ("delivered", None, {}),
    ],
)
async def test_only_a_full_instant_is_a_promise_and_midnight_is_its_day(
    status: str, expected: object, properties: dict[str, str]
) -> None:
    (record,) = await kept("easypost", event(status=status, est_delivery_date=expected))

    assert record["data"]["properties"] == {"parcel": "P1", **properties}


@pytest.mark.parametrize(
    "said",
    [
        event(status="unknown"),
        event(status="pre_transit"),
        event(status="out_for_delivery"),
        event(status="cancelled"),
        event(status="error"),
        event(status={}),
        event(id=None),
        event(tracking_code=""),
        {**event(), "description": "batch.created"},
        {**event(), "description": []},
        {**event(), "result": None},
    ],
)
async def test_what_is_of_no_use_makes_no_event(said: dict[str, Any]) -> None:
    assert await kept("easypost", said) == []


@pytest.mark.parametrize(
    ("stored", "signs"),
    [(b"secret", b"secret"), ("\ufb01n \u00e9".encode(), "fin e\u0301".encode()), (b"\xff\xfe", b"\xff\xfe")],
)
def test_a_secret_signs_in_its_compatible_form(stored: bytes, signs: bytes) -> None:
    head = Head(list(signed("easypost", b"{}", secret=signs).items()))
    received = arrival(int(NOW) * 1_000_000)

    assert verify(head, b"{}", Hook([stored], ""), received)
    assert not verify(head, b"{} ", Hook([stored], ""), received)
