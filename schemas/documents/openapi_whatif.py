"""The operation of the read API that answers what would be."""

from __future__ import annotations

from typing import Final

from schemas.documents.openapi import Json, json_answer, problem_answers, ref
from schemas.whatifapi import WhatIfAnswer, WhatIfQuestion

_REFUSALS: Final = (
    "malformed-json",
    "unauthorized",
    "forbidden",
    "unknown-customer",
    "unknown-event",
    "unknown-touchpoint",
    "method-not-allowed",
    "not-acceptable",
    "event-named-twice",
    "timeout",
    "body-too-large",
    "unsupported-media-type",
    "invalid-question",
    "invalid-identity",
    "history-too-large",
    "too-many-requests",
    "internal",
    "unavailable",
)

_EXAMPLE: Final[Json] = {
    "customer": "customer:c1",
    "weights": {"call.answered": 2.5},
    "parameters": {"kappa": 2},
}


def whatif_paths(*, customer: Json, accept_language: Json) -> Json:
    """Return the path; `customer` is the schema of whom a question may name."""
    schema = {"allOf": [ref(WhatIfQuestion), {"properties": {"customer": customer}}]}
    return {
        "/v1/whatif": {
            "post": {
                "operationId": "askWhatIf",
                "summary": "What a customer's score would be by other weights, without an event, or had one felt otherwise",
                "parameters": [accept_language],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": schema, "example": _EXAMPLE}},
                },
                "responses": {
                    "200": json_answer("The score as it is and as it would be.", WhatIfAnswer),
                    **problem_answers(_REFUSALS),
                },
            }
        }
    }
