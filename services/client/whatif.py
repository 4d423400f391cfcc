"""The client of `POST /v1/whatif`: what a customer's score would be."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import httpx

from schemas.problem import Problem
from schemas.whatifapi import WhatIfAnswer, WhatIfQuestion
from services.client.endpoints import Endpoint
from services.infra.errors import ConfigurationError, InvalidEventError, UnavailableError

TIMEOUT_S: Final = 10.0
"""The API answers within five seconds, if only to say that it cannot."""


def ask_whatif(endpoint: Endpoint, question: WhatIfQuestion, *, language: str) -> WhatIfAnswer:
    """Ask; raises InvalidEventError that names the field and the fix, UnavailableError when the API is away."""
    body = question.model_dump_json(by_alias=True, exclude_none=True)
    headers = {
        "Authorization": f"Bearer {endpoint.key}",
        "Content-Type": "application/json",
        "Accept-Language": language,
    }
    try:
        with httpx.Client(base_url=endpoint.url, headers=headers, timeout=TIMEOUT_S, trust_env=False) as client:
            response = client.post("/v1/whatif", content=body)
    except httpx.HTTPError as error:
        raise UnavailableError(
            f"the API at {endpoint.url} does not answer: start it with `tactus up`, or look with `tactus doctor`"
        ) from error
    match response.status_code:
        case HTTPStatus.OK:
            return WhatIfAnswer.model_validate_json(response.content)
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            raise ConfigurationError(
                "the API does not take the read key: restart `tactus up`, or set TACTUS_READ_KEY to a valid one"
            )
        case HTTPStatus.NOT_FOUND | HTTPStatus.CONFLICT | HTTPStatus.UNPROCESSABLE_ENTITY:
            problem = Problem.model_validate_json(response.content)
            faults = [f"{fault.field}: {fault.reason}" for fault in problem.faults or ()]
            raise InvalidEventError("; ".join(faults) or f"{problem.title}: {problem.detail}")
        case status:
            raise UnavailableError(f"the API cannot answer ({status}): try again, or look with `tactus doctor`")
