"""The OpenAPI document of the door that takes events."""

from __future__ import annotations

from typing import Final

from schemas import limits
from schemas.documents.openapi import (
    LICENSE,
    OWN_PATHS,
    VERSION,
    Json,
    json_answer,
    problem_answers,
    ref,
    schemas_of,
)
from schemas.ingestapi import EventsProblem, Verdicts
from schemas.limits import kib, mib
from schemas.problem import MEDIA_TYPE
from schemas.touchpoint import TYPE, TouchpointData, TouchpointEvent

_REFUSALS: Final = (
    "malformed-json",
    "malformed-event",
    "malformed-encoding",
    "unauthorized",
    "forbidden",
    "method-not-allowed",
    "timeout",
    "body-too-large",
    "unsupported-media-type",
    "invalid-event",
    "too-many-requests",
    "headers-too-large",
    "internal",
    "unavailable",
)

_EXAMPLE: Final[Json] = {
    "id": "order-1001-completed",
    "time": "2026-03-01T12:00:00Z",
    "data": {
        "touchpoint": "order.completed",
        "channel": "web",
        "identities": [{"kind": "customer", "value": "c1"}],
        "order": "1001",
    },
}

_CLOUDEVENTS_HEADERS: Final = (
    ("ce-specversion", "The CloudEvents version: 1.0."),
    ("ce-id", "The event's id."),
    ("ce-source", "A part of the sender's own."),
    ("ce-type", f"The event's type: {TYPE}."),
    ("ce-time", "When it happened, RFC 3339."),
    ("ce-subject", "One more identity, kind:value."),
)
"""Binary mode: the attributes stand in headers, percent-encoded, and the body is `data`."""


_INFO: Final[Json] = {
    "title": "Tactus ingest",
    "version": VERSION,
    "summary": "The door for touchpoint events.",
    "description": (
        "A 2xx is sent only when the log has the event. Sending an event again under its source, id and time "
        "changes nothing, so every answer but 2xx and 4xx may be retried as it is."
    ),
    "license": LICENSE,
}

_KEYS: Final[Json] = {
    "writeKey": {"type": "http", "scheme": "bearer", "description": "A source's key."},
    "writeKeyAsUser": {
        "type": "http",
        "scheme": "basic",
        "description": "A source's key as the user, with an empty password.",
    },
}

_LIMITS: Final = (
    f"At most {mib(limits.BODY_BYTES_MAX)}, plain or gzip ({mib(limits.INFLATED_BYTES_MAX)} inflated), "
    f"{limits.EVENTS_MAX} events, {kib(limits.EVENT_BYTES_MAX)} an event, {limits.VALUES_MAX} JSON values in all, "
    f"JSON {limits.DEPTH_MAX} deep."
)


_PACKED: Final = "An event may hold its JSON in data_base64, in place of data; extension attributes are read by nobody."


def openapi_ingest() -> Json:
    """Return the document."""
    return {
        "openapi": "3.1.0",
        "info": _INFO,
        "servers": [{"url": "http://127.0.0.1:8080"}],
        "security": [{name: []} for name in _KEYS],
        "paths": {"/v1/events": {"post": _post_events()}, **OWN_PATHS},
        "components": {
            "securitySchemes": _KEYS,
            "schemas": schemas_of(
                [
                    (TouchpointEvent, "validation"),
                    (TouchpointData, "validation"),
                    (Verdicts, "validation"),
                    (EventsProblem, "validation"),
                ]
            ),
        },
    }


def _post_events() -> Json:
    return {
        "operationId": "postEvents",
        "summary": "One event or many, native or CloudEvents",
        "parameters": [
            {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}
            for name, description in _CLOUDEVENTS_HEADERS
        ],
        "requestBody": {"required": True, "description": f"{_LIMITS} {_PACKED}", "content": _content()},
        "responses": _responses(),
    }


def _content() -> Json:
    one = ref(TouchpointEvent)
    many: Json = {"type": "array", "items": one, "maxItems": limits.EVENTS_MAX}
    return {
        "application/json": {
            "schema": {"anyOf": [one, many, ref(TouchpointData)]},
            "examples": {"native": {"value": _EXAMPLE}},
        },
        "application/cloudevents+json": {"schema": one},
        "application/cloudevents-batch+json": {"schema": many},
    }


def _responses() -> Json:
    answers: Json = {
        "202": json_answer("The log has at least one of the events, or the list was empty.", Verdicts),
        **problem_answers(_REFUSALS, model=EventsProblem),
    }
    # All events of a request may be too large or too many one by one; then the verdicts say so.
    for status in ("413", "422", "429"):
        answers[status]["content"][MEDIA_TYPE]["schema"] = ref(EventsProblem)
    return answers
