"""The client of the API for webhooks: asks once, because a person looks on and some questions are no good twice."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx
from pydantic import BaseModel

from schemas.problem import Problem
from schemas.webhooksapi import (
    DeliveryQueued,
    SecretAnswer,
    WebhookDeliveries,
    WebhookDeliveryWhole,
    WebhookMade,
    WebhooksAnswer,
    WebhookWhole,
)
from services.client.endpoints import Endpoint
from services.infra.errors import ConfigurationError, InvalidEventError, UnavailableError

TIMEOUT_S: Final = 20.0
"""The API looks a host up and asks the database: twice five seconds at the longest."""

WEBHOOKS: Final = "/v1/webhooks"

AnswerT = TypeVar("AnswerT", bound=BaseModel)


class WebhooksClient:
    """A key's connection to the API.

    Every question raises UnavailableError when the API is away, ConfigurationError for a key that it does not take, and
    InvalidEventError, with what to write instead, for a question that it refuses.
    """

    def __init__(self, endpoint: Endpoint, *, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(
            base_url=endpoint.url,
            headers={"Authorization": f"Bearer {endpoint.key}"},
            timeout=TIMEOUT_S,
            trust_env=False,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def all(self) -> WebhooksAnswer:
        """Every webhook."""
        return self._asked(WebhooksAnswer, "GET", WEBHOOKS)

    def make(self, wanted: Mapping[str, object]) -> WebhookMade:
        """Make one."""
        return self._asked(WebhookMade, "POST", WEBHOOKS, json=wanted)

    def one(self, webhook: str) -> WebhookWhole:
        """Read one."""
        return self._asked(WebhookWhole, "GET", f"{WEBHOOKS}/{webhook}")

    def change(self, webhook: str, changes: Mapping[str, object]) -> WebhookWhole:
        """Change one."""
        return self._asked(WebhookWhole, "PATCH", f"{WEBHOOKS}/{webhook}", json=changes)

    def remove(self, webhook: str) -> None:
        """Remove one."""
        self._answered("DELETE", f"{WEBHOOKS}/{webhook}")

    def rotate(self, webhook: str) -> SecretAnswer:
        """Sign by another secret."""
        return self._asked(SecretAnswer, "POST", f"{WEBHOOKS}/{webhook}/secret")

    def test(self, webhook: str) -> int:
        """Queue a test message; its delivery's number."""
        return self._asked(DeliveryQueued, "POST", f"{WEBHOOKS}/{webhook}/test").delivery

    def deliveries(self, webhook: str, parameters: Mapping[str, str]) -> WebhookDeliveries:
        """A page of deliveries."""
        return self._asked(WebhookDeliveries, "GET", f"{WEBHOOKS}/{webhook}/deliveries", params=parameters)

    def delivery(self, webhook: str, delivery: int) -> WebhookDeliveryWhole:
        """One delivery."""
        return self._asked(WebhookDeliveryWhole, "GET", f"{WEBHOOKS}/{webhook}/deliveries/{delivery}")

    def replay(self, webhook: str, delivery: int) -> None:
        """Queue a delivery again."""
        self._answered("POST", f"{WEBHOOKS}/{webhook}/deliveries/{delivery}/replay")

    def _asked(self, model: type[AnswerT], method: str, path: str, **told: Any) -> AnswerT:  # noqa: ANN401 - httpx's own
        return model.model_validate_json(self._answered(method, path, **told))

    def _answered(self, method: str, path: str, **told: Any) -> bytes:  # noqa: ANN401 - httpx's own
        try:
            response = self._http.request(method, path, **told)
        except httpx.HTTPError as error:
            raise UnavailableError(
                f"the API at {self._http.base_url} does not answer: start it with `tactus up`, or look with `tactus doctor`"
            ) from error
        if response.is_success:
            return response.content
        if response.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise ConfigurationError(
                "the API does not take the key: set TACTUS_WEBHOOKS_KEY to one with the scope webhooks, or make one: "
                "tactus keys add webhooks --kind reader --scope webhooks"
            )
        if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise UnavailableError(f"the API cannot answer ({response.status_code}): try again")
        problem = Problem.model_validate_json(response.content)
        faults = [f"{fault.field}: {fault.reason}" for fault in problem.faults or ()]
        raise InvalidEventError("; ".join(faults) or f"{problem.title}. {problem.detail}")
