"""The operations of the read API for whoever follows scores."""

from __future__ import annotations

from typing import Final

from schemas.documents.openapi import Json, json_answer, problem_answers
from schemas.followapi import (
    CHANGES_CURSOR_PATTERN,
    CUSTOMERS_CURSOR_PATTERN,
    KEPT_DAYS,
    WAIT_S_MAX,
    ChangesAnswer,
    CustomersAnswer,
)
from schemas.readapi import PAGE_DEFAULT, PAGE_MAX
from schemas.score import BAND_PATTERN

FOLLOW_ANSWERS: Final = (ChangesAnswer, CustomersAnswer)

_REFUSALS: Final = (
    "bad-parameter",
    "unauthorized",
    "forbidden",
    "method-not-allowed",
    "not-acceptable",
    "changes-gone",
    "too-many-requests",
    "internal",
    "unavailable",
)

_LIMIT: Final[Json] = {
    "name": "limit",
    "in": "query",
    "description": "Customers in the answer, at most.",
    "schema": {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT},
}


def follow_paths() -> Json:
    """Return the paths."""
    return {"/v1/customers": {"get": _customers()}, "/v1/scores/changes": {"get": _changes()}}


def _customers() -> Json:
    return {
        "operationId": "listCustomers",
        "summary": "Customers with their stored scores, page by page in a steady order",
        "parameters": [
            _parameter("band", "Of this band of the model alone.", {"type": "string", "pattern": BAND_PATTERN}),
            _parameter("below", "With a score below this one alone.", {"type": "number", "minimum": 0, "maximum": 100}),
            _LIMIT,
            _parameter(
                "cursor",
                "`next` of the page before.",
                {"type": "string", "pattern": CUSTOMERS_CURSOR_PATTERN},
            ),
        ],
        "responses": {"200": json_answer("The answer.", CustomersAnswer), **problem_answers(_REFUSALS)},
    }


def _changes() -> Json:
    return {
        "operationId": "followScores",
        "summary": "Customers whose scores are others since, each once and as it stands at present; nobody is passed over",
        "parameters": [
            _parameter(
                "after",
                "`next` of the answer before, or `changes` of a list of customers; what is to come when left out. It holds "
                f"for {KEPT_DAYS} days, and in the database that it is of.",
                {"type": "string", "pattern": CHANGES_CURSOR_PATTERN},
            ),
            _LIMIT,
            _parameter(
                "wait",
                "For how many seconds to wait when there is nothing yet.",
                {"type": "integer", "minimum": 0, "maximum": WAIT_S_MAX, "default": 0},
            ),
        ],
        "responses": {"200": json_answer("The answer.", ChangesAnswer), **problem_answers(_REFUSALS)},
    }


def _parameter(name: str, description: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}
