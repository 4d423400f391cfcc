"""The operations of the read API about webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from schemas.documents.openapi import Json, json_answer, problem_answers, ref
from schemas.webhooksapi import (
    DELIVERIES_CURSOR_PATTERN,
    DELIVERIES_PAGE_DEFAULT,
    DELIVERIES_PAGE_MAX,
    DeliveryQueued,
    NewWebhook,
    SecretAnswer,
    WebhookChanges,
    WebhookDeliveries,
    WebhookDeliveryWhole,
    WebhookMade,
    WebhookMessage,
    WebhooksAnswer,
    WebhookWhole,
)

WEBHOOKS_KEY: Final[Json] = {
    "webhooksKey": {"type": "http", "scheme": "bearer", "description": "A read key with the scope webhooks."}
}

WEBHOOK_MODELS: Final[Sequence[tuple[type[BaseModel], JsonSchemaMode]]] = (
    (NewWebhook, "validation"),
    (WebhookChanges, "validation"),
    (WebhooksAnswer, "serialization"),
    (WebhookMade, "serialization"),
    (WebhookWhole, "serialization"),
    (SecretAnswer, "serialization"),
    (DeliveryQueued, "serialization"),
    (WebhookDeliveries, "serialization"),
    (WebhookDeliveryWhole, "serialization"),
    (WebhookMessage, "serialization"),
)

_REFUSALS: Final = (
    "bad-parameter",
    "unauthorized",
    "forbidden",
    "method-not-allowed",
    "not-acceptable",
    "too-many-requests",
    "internal",
    "unavailable",
)
_OF_ONE: Final = (*_REFUSALS, "unknown-webhook")
_OF_A_BODY: Final = (
    "malformed-json",
    "timeout",
    "body-too-large",
    "unsupported-media-type",
    "invalid-webhook",
    "url-not-allowed",
)

_WEBHOOK: Final[Json] = {
    "name": "webhook",
    "in": "path",
    "required": True,
    "description": "The webhook's id.",
    "schema": {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
}

_DELIVERY: Final[Json] = {
    "name": "delivery",
    "in": "path",
    "required": True,
    "description": "The delivery's number.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 10**18 - 1},
}

_LISTING: Final[list[Json]] = [
    {
        "name": "state",
        "in": "query",
        "description": "In this state.",
        "schema": {"type": "string", "enum": ["waiting", "delivered", "failed", "superseded"]},
    },
    {
        "name": "limit",
        "in": "query",
        "description": "Deliveries in the page.",
        "schema": {
            "type": "integer",
            "minimum": 1,
            "maximum": DELIVERIES_PAGE_MAX,
            "default": DELIVERIES_PAGE_DEFAULT,
        },
    },
    {
        "name": "cursor",
        "in": "query",
        "description": "`next` of the page before.",
        "schema": {"type": "string", "pattern": DELIVERIES_CURSOR_PATTERN},
    },
]

_EXAMPLE: Final[Json] = {
    "url": "https://hooks.example.com/tactus",
    "kinds": ["alert.opened", "score.changed"],
    "bands": ["critical", "low"],
}


def webhook_paths() -> Json:
    """Return the operations by their paths."""
    made = _operation("makeWebhook", "Let an endpoint be told", _OF_A_BODY, asked=NewWebhook, example=_EXAMPLE)
    made["responses"] = {
        "201": json_answer("The endpoint, and the secret that is shown this once.", WebhookMade),
        **problem_answers((*_REFUSALS, *_OF_A_BODY, "too-many-webhooks")),
    }
    return {
        "/v1/webhooks": {
            "get": _operation("listWebhooks", "All webhooks, the oldest first", _REFUSALS, WebhooksAnswer),
            "post": made,
        },
        **_of_one(),
        **_of_deliveries(),
    }


def _of_one() -> Json:
    removed = _operation("removeWebhook", "Tell an endpoint no more; what waits for it is forgotten", _OF_ONE)
    removed["responses"] = {"204": {"description": "It is gone."}, **problem_answers(_OF_ONE)}
    changed = _operation(
        "changeWebhook",
        "Change an endpoint, or enable it again",
        (*_OF_ONE, *_OF_A_BODY),
        WebhookWhole,
        asked=WebhookChanges,
        example={"state": "enabled"},
    )
    rotated = _operation(
        "rotateWebhookSecret", "Sign by another secret; the former one signs too for a day", _OF_ONE, SecretAnswer
    )
    tested = _operation("testWebhook", "Send the endpoint a message of type webhook.test", _OF_ONE, DeliveryQueued)
    return {
        "/v1/webhooks/{webhook}": {
            "parameters": [_WEBHOOK],
            "get": _operation("readWebhook", "An endpoint and what was done to it", _OF_ONE, WebhookWhole),
            "patch": changed,
            "delete": removed,
        },
        "/v1/webhooks/{webhook}/secret": {"parameters": [_WEBHOOK], "post": rotated},
        "/v1/webhooks/{webhook}/test": {"parameters": [_WEBHOOK], "post": tested},
    }


def _of_deliveries() -> Json:
    refusals = (*_OF_ONE, "unknown-delivery")
    listed = _operation("listDeliveries", "An endpoint's deliveries, the newest first", _OF_ONE, WebhookDeliveries)
    replayed = _operation(
        "replayDelivery",
        "Send a delivery again, under its own id",
        (*refusals, "delivery-superseded"),
        DeliveryQueued,
    )
    one = "/v1/webhooks/{webhook}/deliveries/{delivery}"
    return {
        "/v1/webhooks/{webhook}/deliveries": {
            "parameters": [_WEBHOOK],
            "get": {**listed, "parameters": _LISTING},
        },
        one: {
            "parameters": [_WEBHOOK, _DELIVERY],
            "get": _operation("readDelivery", "A delivery with what it says", refusals, WebhookDeliveryWhole),
        },
        f"{one}/replay": {"parameters": [_WEBHOOK, _DELIVERY], "post": replayed},
    }


def _operation(
    name: str,
    summary: str,
    refusals: tuple[str, ...],
    answer: type[BaseModel] | None = None,
    *,
    asked: type[BaseModel] | None = None,
    example: Json | None = None,
) -> Json:
    made: Json = {"operationId": name, "summary": summary, "security": [{key: []} for key in WEBHOOKS_KEY]}
    if asked is not None:
        content = {"schema": ref(asked), "example": example}
        made["requestBody"] = {"required": True, "content": {"application/json": content}}
    if answer is not None:
        made["responses"] = {"200": json_answer("The answer.", answer), **problem_answers(refusals)}
    return made
