"""The operations of the read API about alerts and incidents."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from schemas.alertsapi import (
    ALERT_ID_PATTERN,
    ALERTS_PAGE_DEFAULT,
    ALERTS_PAGE_MAX,
    DUE_DAYS_MAX,
    IDEMPOTENCY_KEY_PATTERN,
    NAME_PATTERN,
    RULE_PATTERN,
    SNOOZE_DAYS_MAX,
    STATES,
    WORK_TAG_PATTERN,
    WORKS,
    AlertAnswer,
    AlertsAnswer,
    Assignment,
    Closing,
    Due,
    IncidentsAnswer,
    Note,
    Snooze,
)
from schemas.documents.openapi import Json, json_answer, problem_answers, ref
from schemas.readapi import CURSOR_PATTERN
from schemas.touchpoint import CHANNEL_PATTERN, ID_PATTERN, PLACE_PATTERN, TOUCHPOINT_PATTERN

ALERT_ANSWERS: Final = (AlertAnswer, AlertsAnswer, IncidentsAnswer)
ALERT_CHANGES: Final = (Snooze, Assignment, Due, Note, Closing)

ALERTS_KEY: Final[Json] = {
    "alertsKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "A read key with the scope alerts:write.",
    }
}

_READING: Final = (
    "bad-parameter",
    "unauthorized",
    "forbidden",
    "method-not-allowed",
    "not-acceptable",
    "too-many-requests",
    "internal",
    "unavailable",
)
_ONE: Final = (*_READING, "unknown-alert")
_CHANGING: Final = (*_ONE, "alert-changed", "alert-revision-required", "idempotency-key-reused")
_TELLING: Final = (
    *_CHANGING,
    "malformed-json",
    "timeout",
    "body-too-large",
    "unsupported-media-type",
    "invalid-change",
)

_TAG: Final[Json] = {
    "ETag": {"description": "The revision of the work on it.", "schema": {"type": "string"}, "required": True}
}

_IF_MATCH: Final[Json] = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The ETag of the alert as it was read: a change by somebody else in between is a 412. * changes whatever there is.",
    "schema": {"type": "string", "pattern": WORK_TAG_PATTERN},
    "example": "*",
}

_IDEMPOTENCY_KEY: Final[Json] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A change that is sent again under the same key is made once. Without one only a note is made twice.",
    "schema": {"type": "string", "pattern": IDEMPOTENCY_KEY_PATTERN},
}

_ALERT: Final[Json] = {
    "name": "alert",
    "in": "path",
    "required": True,
    "description": "The alert's id.",
    "schema": {"type": "string", "pattern": ALERT_ID_PATTERN},
    "example": "00000000-0000-4000-8000-000000000001",
}


def _text(name: str, description: str, pattern: str) -> Json:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _one_of(name: str, description: str, words: tuple[str, ...]) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": {"enum": [*words]}}


_PAGE: Final[list[Json]] = [
    {
        "name": "limit",
        "in": "query",
        "description": "Entries in the page.",
        "schema": {"type": "integer", "minimum": 1, "maximum": ALERTS_PAGE_MAX, "default": ALERTS_PAGE_DEFAULT},
    },
    _text("cursor", "`next` of the page before.", CURSOR_PATTERN),
]

_FILTERS: Final[list[Json]] = [
    _one_of("state", "How the rule sees it; all when left out.", STATES),
    _one_of("severity", "How bad it is.", ("warning", "critical")),
    _text("rule", "Raised by this rule.", RULE_PATTERN),
    _one_of("work", "What people did: nothing yet, saw it, put it off until later, closed it.", WORKS),
    _text(
        "place",
        "With this place among its reasons; touchpoint and channel beside it are of the same one.",
        PLACE_PATTERN,
    ),
    _text("touchpoint", "With this touchpoint among its reasons.", TOUCHPOINT_PATTERN),
    _text("channel", "With this channel among its reasons.", CHANNEL_PATTERN),
    _text("customer", "Of this customer, by any identity, kind:value.", "^[^:]+:.+$"),
    _text("account", "Of this account itself.", ID_PATTERN),
    _text("assigned", "That this one deals with.", NAME_PATTERN),
    {
        "name": "since",
        "in": "query",
        "description": "Opened at this time or later, RFC 3339 with an offset.",
        "schema": {"type": "string", "format": "date-time"},
        "example": "2026-03-01T12:00:00Z",
    },
    _text("incident", "That belong to this incident.", ALERT_ID_PATTERN),
]


def alert_paths() -> Json:
    """Return the operations by their paths."""
    incidents = [_one_of("state", "How they stand; all when left out.", ("open", "resolved", "all")), *_PAGE]
    return {
        "/v1/alerts": {
            "get": _read("listAlerts", "Alerts, the newest first", AlertsAnswer, [*_FILTERS, *_PAGE], _READING)
        },
        "/v1/alerts/{alert}": {
            "get": _read("readAlert", "An alert with all its reasons, and who did what", AlertAnswer, [_ALERT], _ONE)
        },
        **{f"/v1/alerts/{{alert}}/{verb}": {"post": operation} for verb, operation in _changes().items()},
        "/v1/incidents": {
            "get": _read("listIncidents", "Incidents, the newest first", IncidentsAnswer, incidents, _READING)
        },
    }


def _changes() -> Json:
    until = f"Not to be reminded of it before a time within {SNOOZE_DAYS_MAX} days"
    return {
        "ack": _change("acknowledgeAlert", "Say that somebody has seen it; the first one counts"),
        "snooze": _change("snoozeAlert", until, Snooze, {"until": "2100-01-01T00:00:00Z"}),
        "assign": _change("assignAlert", "Let somebody deal with it, or nobody", Assignment, {"to": "anna"}),
        "due": _change("setAlertDue", f"By when it is to be dealt with, within {DUE_DAYS_MAX} days", Due, {"at": None}),
        "note": _change("noteAlert", "Remember a text", Note, {"text": "Called back, no answer."}),
        "close": _change("closeAlert", "Say what came of it", Closing, {"outcome": "real", "note": "Refunded."}),
        "reopen": _change("reopenAlert", "Take back that it was dealt with"),
    }


def _read(name: str, summary: str, answer: type[BaseModel], parameters: list[Json], refusals: tuple[str, ...]) -> Json:
    tag = _TAG if answer is AlertAnswer else None
    return {
        "operationId": name,
        "summary": summary,
        "parameters": parameters,
        "responses": {"200": json_answer("The answer.", answer, tag), **problem_answers(refusals)},
    }


def _change(name: str, summary: str, model: type[BaseModel] | None = None, example: Json | None = None) -> Json:
    operation: Json = {
        "operationId": name,
        "summary": summary,
        "security": [{key: []} for key in ALERTS_KEY],
        "parameters": [_ALERT, _IF_MATCH, _IDEMPOTENCY_KEY],
        "responses": {
            "200": json_answer("The alert as it is then.", AlertAnswer, _TAG),
            **problem_answers(_CHANGING if model is None else _TELLING),
        },
    }
    if model is not None:
        content = {"application/json": {"schema": ref(model), "example": example}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation
