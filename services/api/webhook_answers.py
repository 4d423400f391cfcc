"""Write answers about webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from schemas.instant import write_instant
from schemas.webhooksapi import (
    WebhookAnswer,
    WebhookDeliveries,
    WebhookDelivery,
    WebhookDeliveryWhole,
    WebhookMade,
    WebhookWhole,
)
from services.state.webhooks import DeliveryRow, EndpointRow, WebhookAudit


def endpoint_answer(row: EndpointRow) -> WebhookAnswer:
    """Write an endpoint."""
    return WebhookAnswer.model_validate(_endpoint(row))


def made_answer(row: EndpointRow, *, secret: str) -> WebhookMade:
    """Write an endpoint and the secret that is shown once."""
    return WebhookMade.model_validate({**_endpoint(row), "secret": secret})


def whole_answer(row: EndpointRow, changes: Sequence[WebhookAudit]) -> WebhookWhole:
    """Write an endpoint and what was done to it."""
    told = [{"at": write_instant(one.at), "by": one.by, "what": one.what} for one in changes]
    return WebhookWhole.model_validate({**_endpoint(row), "changes": told})


def deliveries_answer(rows: Sequence[DeliveryRow], *, limit: int) -> WebhookDeliveries:
    """Write a page; a row more than its limit says that there is another."""
    page = rows[:limit]
    next_ = str(page[-1].id) if len(rows) > limit else None
    return WebhookDeliveries(deliveries=[WebhookDelivery.model_validate(_delivery(one)) for one in page], next=next_)


def delivery_answer(row: DeliveryRow, body: str) -> WebhookDeliveryWhole:
    """Write a delivery with what it says."""
    return WebhookDeliveryWhole.model_validate({**_delivery(row), "body": body})


def _endpoint(row: EndpointRow) -> dict[str, object]:
    return {
        **row._asdict(),
        "id": str(row.id),
        "made_at": write_instant(row.made_at),
        "failing_since": _instant(row.failing_since),
        "resting_until": _instant(row.resting_until),
    }


def _delivery(row: DeliveryRow) -> dict[str, object]:
    return {
        **row._asdict(),
        "next_at": write_instant(row.next_at) if row.state == "waiting" else None,
        "at": write_instant(row.at),
        "tried_at": _instant(row.tried_at),
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else write_instant(at)
