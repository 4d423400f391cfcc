"""The OpenAPI document of the read API."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from schemas.changeapi import PERIOD_DEFAULT, PERIODS, ChangeAnswer
from schemas.documents.openapi import LICENSE, OWN_PATHS, VERSION, Json, json_answer, problem_answers, schemas_of
from schemas.documents.openapi_accounts import ACCOUNT_ANSWERS, account_paths
from schemas.documents.openapi_alerts import ALERT_ANSWERS, ALERT_CHANGES, ALERTS_KEY, alert_paths
from schemas.documents.openapi_census import CENSUS_ANSWERS, census_paths
from schemas.documents.openapi_follow import FOLLOW_ANSWERS, follow_paths
from schemas.documents.openapi_letters import LETTER_ANSWERS, LETTERS_KEY, letter_paths
from schemas.documents.openapi_webhooks import WEBHOOK_MODELS, WEBHOOKS_KEY, webhook_paths
from schemas.documents.openapi_whatif import whatif_paths
from schemas.historyapi import DAYS_DEFAULT, DAYS_MAX, DIMENSIONS, HistoryAnswer
from schemas.problem import Problem
from schemas.readapi import (
    CURSOR_PATTERN,
    KNOWN,
    KNOWN_NOW,
    PAGE_DEFAULT,
    PAGE_MAX,
    CustomerAnswer,
    JourneyAnswer,
    ReceiptAnswer,
)
from schemas.touchpoint import IDENTITY_CHARS_MAX, PRINTABLE
from schemas.whatifapi import WhatIfAnswer, WhatIfQuestion

_REFUSALS: Final = (
    "bad-parameter",
    "unauthorized",
    "forbidden",
    "unknown-customer",
    "method-not-allowed",
    "not-acceptable",
    "invalid-identity",
    "history-too-large",
    "too-many-requests",
    "internal",
    "unavailable",
)

_VERSION_TAG: Final[Json] = {
    "ETag": {
        "description": "The customer's version, and the language where it is not English.",
        "schema": {"type": "string"},
        "required": True,
    },
    "Content-Language": {
        "description": "The language of the labels.",
        "schema": {"enum": ["en", "pl"]},
        "required": True,
    },
}

_IDENTITY: Final[Json] = {
    "name": "identity",
    "in": "path",
    "required": True,
    "description": (
        "Any identity of the customer as kind:value, percent-encoded. An e-mail address or a phone number is turned "
        "into its keyed hash on arrival."
    ),
    "schema": {
        "type": "string",
        "anyOf": [
            {
                "pattern": (
                    r"^(customer|loyalty|email_hash|phone_hash|anonymous|device|x-[a-z0-9][a-z0-9_-]{0,29}):"
                    rf"{PRINTABLE}{{1,{IDENTITY_CHARS_MAX}}}$"
                )
            },
            {"pattern": r"^email:[!-?A-~]{1,64}@[!-?A-~]{1,189}$"},
            {"pattern": r"^phone:\+[0-9]([ ()./-]?[0-9]){4,30}$"},
        ],
    },
    "examples": {"customer": {"value": "customer:c1"}, "email": {"value": "email:name@example.com"}},
}

_AT: Final[Json] = {
    "name": "at",
    "in": "query",
    "description": (
        "The moment to read at, RFC 3339 with an offset; now when left out. A moment to come is refused: what will have "
        "happened by then is not known."
    ),
    "schema": {"type": "string", "format": "date-time"},
    "example": "2026-03-01T12:00:00Z",
}

_KNOWN: Final[Json] = {
    "name": "known",
    "in": "query",
    "description": (
        "What counts: all that is known `now` of the time until the moment, or only what had arrived `then`, by the end of "
        "the hour that is read: the score as it was told at that time, under the present model and links."
    ),
    "schema": {"type": "string", "enum": [*KNOWN], "default": KNOWN_NOW},
}

_OVER: Final[Json] = {
    "name": "over",
    "in": "query",
    "description": "The period before the moment: 24 hours, 7 days or 30 days.",
    "schema": {"type": "string", "enum": [*PERIODS], "default": PERIOD_DEFAULT},
}

_SPAN: Final[list[Json]] = [
    {
        "name": "from",
        "in": "query",
        "description": (
            "The moment of the first point, RFC 3339 with an offset: not after `to`, and less than "
            f"{DAYS_MAX} days before it. When left out, {DAYS_DEFAULT} points end at `to`."
        ),
        "schema": {"type": "string", "format": "date-time"},
        "example": "2026-01-01T00:00:00Z",
    },
    {
        "name": "to",
        "in": "query",
        "description": "The moment that no point is after, RFC 3339 with an offset, and not to come; now when left out.",
        "schema": {"type": "string", "format": "date-time"},
        "example": "2026-03-01T12:00:00Z",
    },
]

_DIMENSION: Final[Json] = {
    "name": "dimension",
    "in": "query",
    "description": "The dimension whose values are told as well.",
    "schema": {"type": "string", "enum": [*DIMENSIONS]},
}

_LIMIT: Final[Json] = {
    "name": "limit",
    "in": "query",
    "description": "Touchpoints in the page.",
    "schema": {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT},
}

_CURSOR: Final[Json] = {
    "name": "cursor",
    "in": "query",
    "description": "`next` of the page before.",
    "schema": {"type": "string", "pattern": CURSOR_PATTERN},
}

_ACCEPT_LANGUAGE: Final[Json] = {
    "name": "Accept-Language",
    "in": "header",
    "description": "The language of the labels, en or pl; English where neither is liked.",
    "schema": {"type": "string"},
    "example": "pl",
}

_IF_NONE_MATCH: Final[Json] = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of a copy; when it still holds, the answer is 304 without a body.",
    "schema": {"type": "string"},
}


_INFO: Final[Json] = {
    "title": "Tactus read API",
    "version": VERSION,
    "summary": "Live, explainable experience scores of customers.",
    "description": (
        "Every number is read from integer tallies at the asked moment, to nine digits after the point. Errors are "
        "RFC 9457 problems whose `type` does not change."
    ),
    "license": LICENSE,
}

_KEYS: Final[Json] = {
    "readKey": {"type": "http", "scheme": "bearer", "description": "A read key with the scope scores:read."}
}


def openapi_read() -> Json:
    """Return the document."""
    return {
        "openapi": "3.1.0",
        "info": _INFO,
        "servers": [{"url": "http://127.0.0.1:8081"}],
        "security": [{name: []} for name in _KEYS],
        "paths": {
            **_customer_paths(),
            **follow_paths(),
            **_accounts(),
            **_whatif(),
            **_census(),
            **alert_paths(),
            **letter_paths(),
            **webhook_paths(),
            **OWN_PATHS,
        },
        "components": {
            "securitySchemes": {**_KEYS, **ALERTS_KEY, **LETTERS_KEY, **WEBHOOKS_KEY},
            "schemas": schemas_of(
                [
                    (CustomerAnswer, "serialization"),
                    (ReceiptAnswer, "serialization"),
                    (ChangeAnswer, "serialization"),
                    (HistoryAnswer, "serialization"),
                    (JourneyAnswer, "serialization"),
                    *((answer, "serialization") for answer in ACCOUNT_ANSWERS),
                    (WhatIfQuestion, "validation"),
                    (WhatIfAnswer, "serialization"),
                    *((answer, "serialization") for answer in (*CENSUS_ANSWERS, *ALERT_ANSWERS)),
                    *((answer, "serialization") for answer in (*LETTER_ANSWERS, *FOLLOW_ANSWERS)),
                    *((change, "validation") for change in ALERT_CHANGES),
                    *WEBHOOK_MODELS,
                    (Problem, "serialization"),
                ]
            ),
        },
    }


def _whatif() -> Json:
    return whatif_paths(customer=_IDENTITY["schema"], accept_language=_ACCEPT_LANGUAGE)


def _census() -> Json:
    return census_paths(accept_language=_ACCEPT_LANGUAGE)


def _accounts() -> Json:
    return account_paths(
        at=_AT,
        known=_KNOWN,
        over=_OVER,
        span=[*_SPAN, _DIMENSION],
        page=[_LIMIT, _CURSOR],
        accept_language=_ACCEPT_LANGUAGE,
    )


def _customer_paths() -> Json:
    return {
        "/v1/customers/{identity}": _operation(
            "readCustomer",
            "A customer's score along every dimension and window",
            CustomerAnswer,
            parameters=[_AT, _KNOWN],
        ),
        "/v1/customers/{identity}/receipt": _operation(
            "readReceipt",
            "The reasons of a score: prior + the sum of the points, those of the others too = score",
            ReceiptAnswer,
            parameters=[_AT, _KNOWN, _ACCEPT_LANGUAGE],
        ),
        "/v1/customers/{identity}/change": _operation(
            "readChange",
            "What moved a score within a day, a week or a month: two receipts side by side, with the events behind",
            ChangeAnswer,
            parameters=[_OVER, _AT, _KNOWN, _ACCEPT_LANGUAGE],
        ),
        "/v1/customers/{identity}/history": _operation(
            "readHistory",
            "A customer's score once a day, overall and along a dimension",
            HistoryAnswer,
            parameters=[*_SPAN, _DIMENSION],
        ),
        "/v1/customers/{identity}/journey": _operation(
            "readJourney",
            "A customer's touchpoints in time, page by page from the newest back",
            JourneyAnswer,
            parameters=[_LIMIT, _CURSOR, _ACCEPT_LANGUAGE],
        ),
    }


def _operation(name: str, summary: str, answer: type[BaseModel], *, parameters: list[Json]) -> Json:
    return {
        "parameters": [_IDENTITY],
        "get": {
            "operationId": name,
            "summary": summary,
            "parameters": [*parameters, _IF_NONE_MATCH],
            "responses": {
                "200": json_answer("The answer.", answer, _VERSION_TAG),
                "304": {"description": "The copy still holds.", "headers": _VERSION_TAG},
                **problem_answers(_REFUSALS),
            },
        },
    }
