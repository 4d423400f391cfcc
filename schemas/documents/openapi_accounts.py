"""The operations of the read API about accounts."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from schemas.accountsapi import (
    ACCOUNTS_CURSOR_PATTERN,
    SORTS,
    AccountAnswer,
    AccountChangeAnswer,
    AccountHistoryAnswer,
    AccountJourneyAnswer,
    AccountReceiptAnswer,
    AccountsAnswer,
)
from schemas.documents.openapi import Json, json_answer, problem_answers
from schemas.readapi import PAGE_DEFAULT, PAGE_MAX
from schemas.score import BAND_PATTERN
from schemas.touchpoint import ID_PATTERN

ACCOUNT_ANSWERS: Final = (
    AccountAnswer,
    AccountReceiptAnswer,
    AccountChangeAnswer,
    AccountHistoryAnswer,
    AccountJourneyAnswer,
    AccountsAnswer,
)

_REFUSALS: Final = (
    "bad-parameter",
    "unauthorized",
    "forbidden",
    "unknown-account",
    "method-not-allowed",
    "not-acceptable",
    "invalid-account",
    "account-too-large",
    "too-many-requests",
    "internal",
    "unavailable",
)

_LANGUAGE: Final[Json] = {
    "Content-Language": {
        "description": "The language of the labels.",
        "schema": {"enum": ["en", "pl"]},
        "required": True,
    }
}

_ACCOUNT: Final[Json] = {
    "name": "account",
    "in": "path",
    "required": True,
    "description": "The company as events name it, percent-encoded.",
    "schema": {"type": "string", "pattern": ID_PATTERN},
    "example": "acme",
}


def account_paths(
    *, at: Json, known: Json, over: Json, span: list[Json], page: list[Json], accept_language: Json
) -> Json:
    """Return the paths.

    `at` names a moment, `known` what counts there, `over` a period before it, `span` days and a dimension, `page` a page
    of a journey.
    """
    return {
        "/v1/accounts": _list(),
        "/v1/accounts/{account}": _operation(
            "readAccount",
            "An account's score, read from all its contacts, each by the factor of the role",
            AccountAnswer,
            parameters=[at, known],
        ),
        "/v1/accounts/{account}/receipt": _operation(
            "readAccountReceipt",
            "The reasons of an account's score: prior + the sum of the points, those of the others too = score",
            AccountReceiptAnswer,
            parameters=[at, known, accept_language],
        ),
        "/v1/accounts/{account}/change": _operation(
            "readAccountChange",
            "What moved an account's score within a day, a week or a month: two receipts side by side",
            AccountChangeAnswer,
            parameters=[over, at, known, accept_language],
        ),
        "/v1/accounts/{account}/history": _operation(
            "readAccountHistory",
            "An account's score once a day, and along one dimension if asked",
            AccountHistoryAnswer,
            parameters=[*span, accept_language],
        ),
        "/v1/accounts/{account}/journey": _operation(
            "readAccountJourney",
            "The touchpoints of all contacts in time, page by page from the newest back",
            AccountJourneyAnswer,
            parameters=[*page, accept_language],
        ),
    }


def _operation(name: str, summary: str, answer: type[BaseModel], *, parameters: list[Json]) -> Json:
    return {
        "parameters": [_ACCOUNT],
        "get": {
            "operationId": name,
            "summary": summary,
            "parameters": parameters,
            "responses": {"200": json_answer("The answer.", answer, _LANGUAGE), **problem_answers(_REFUSALS)},
        },
    }


def _list() -> Json:
    return {
        "get": {
            "operationId": "listAccounts",
            "summary": "Accounts by their stored scores, those that need somebody first",
            "parameters": [
                _parameter("band", "Of this band of the model alone.", {"type": "string", "pattern": BAND_PATTERN}),
                _parameter(
                    "sort",
                    "The lowest score first, the unhappiest key contact first, or by name.",
                    {"enum": [*SORTS], "default": SORTS[0]},
                ),
                _parameter(
                    "limit",
                    "Accounts in the page.",
                    {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT},
                ),
                _parameter(
                    "cursor",
                    "`next` of the page before, with the same sort.",
                    {"type": "string", "pattern": ACCOUNTS_CURSOR_PATTERN},
                ),
            ],
            "responses": {
                "200": json_answer("The answer.", AccountsAnswer),
                **problem_answers(tuple(slug for slug in _REFUSALS if not slug.endswith(("-account", "-large")))),
            },
        }
    }


def _parameter(name: str, description: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}
