"""The client of what the read API tells about everybody."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, TypeVar

import httpx

from schemas.censusapi import CensusAnswer
from schemas.problem import Problem
from services.client.endpoints import Endpoint
from services.infra.errors import ConfigurationError, InvalidEventError, UnavailableError

TIMEOUT_S: Final = 10.0
"""The API answers within five seconds, if only to say that it cannot."""

AnswerT = TypeVar("AnswerT", bound=CensusAnswer)


def ask_census(
    endpoint: Endpoint, path: str, answer: type[AnswerT], *, by: Mapping[str, str | None], language: str
) -> AnswerT:
    """Ask for sums, those chosen by the parameters that are not None.

    Raises InvalidEventError that says what to change, UnavailableError when the API is away.
    """
    headers = {"Authorization": f"Bearer {endpoint.key}", "Accept-Language": language}
    parameters = {name: text for name, text in by.items() if text is not None}
    try:
        with httpx.Client(base_url=endpoint.url, headers=headers, timeout=TIMEOUT_S, trust_env=False) as client:
            response = client.get(path, params=parameters)
    except httpx.HTTPError as error:
        raise UnavailableError(
            f"the API at {endpoint.url} does not answer: start it with `tactus up`, or look with `tactus doctor`"
        ) from error
    match response.status_code:
        case HTTPStatus.OK:
            return answer.model_validate_json(response.content)
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            raise ConfigurationError(
                "the API does not take the read key: restart `tactus up`, or set TACTUS_READ_KEY to a valid one"
            )
        case HTTPStatus.NOT_FOUND | HTTPStatus.BAD_REQUEST:
            problem = Problem.model_validate_json(response.content)
            faults = [f"{fault.field}: {fault.reason}" for fault in problem.faults or ()]
            raise InvalidEventError("; ".join(faults) or f"{problem.title}: {problem.detail}")
        case status:
            raise UnavailableError(f"the API cannot answer ({status}): try again, or look with `tactus doctor`")
