"""The client of the read API: what a customer's score is, and what moved it."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import httpx
import msgspec

from services.infra.errors import ConfigurationError, UnavailableError

TIMEOUT_S: Final = 10.0
"""An answer takes milliseconds; a database that restarts is back within seconds."""

CONNECTIONS_MAX: Final = 8
"""More questions at once than two cores answer side by side."""


class ReceiptLine(msgspec.Struct, frozen=True):
    """One leaf's share of a score."""

    touchpoint: str
    points: float
    channel: str = ""
    place: str = ""
    events: int = 0


class Score(msgspec.Struct, frozen=True):
    """A customer's score at a version."""

    customer: str
    score: float
    confidence: float
    band: str
    version: int


class Receipt(msgspec.Struct, frozen=True):
    """Why a score is what it is."""

    score: float
    prior: float
    leaves: list[ReceiptLine]


_SCORE: Final = msgspec.json.Decoder(Score)
_RECEIPT: Final = msgspec.json.Decoder(Receipt)


@dataclass(slots=True)
class ScoresClient:
    """A read key's connection to the API; it asks for a score again only if its version moved."""

    http: httpx.AsyncClient
    _known: dict[str, Score] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    async def score(self, identity: str) -> Score | None:
        """The customer's score; None while nothing is known of them. Raises UnavailableError."""
        known = self._known.get(identity)
        headers = {"If-None-Match": f'"{known.version}"'} if known else {}
        answer = await self._get(f"/v1/customers/{quote(identity, safe='')}", headers)
        if answer.status_code == HTTPStatus.NOT_MODIFIED and known is not None:
            return known
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        score = self._known[identity] = _SCORE.decode(answer.content)
        return score

    async def receipt(self, identity: str) -> Receipt | None:
        """The points behind the score; None while nothing is known of the customer. Raises UnavailableError."""
        answer = await self._get(f"/v1/customers/{quote(identity, safe='')}/receipt", {})
        return None if answer.status_code == HTTPStatus.NOT_FOUND else _RECEIPT.decode(answer.content)

    async def _get(self, path: str, headers: dict[str, str]) -> httpx.Response:
        try:
            answer = await self.http.get(path, headers=headers)
        except httpx.TransportError as error:
            raise UnavailableError(f"the API does not answer: {type(error).__name__}") from error
        if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise ConfigurationError("the API refuses the read key: look at the sources file")
        if answer.status_code not in {HTTPStatus.OK, HTTPStatus.NOT_MODIFIED, HTTPStatus.NOT_FOUND}:
            raise UnavailableError(f"the API answers {answer.status_code}")
        return answer


def open_reader(*, url: str, key: str) -> ScoresClient:
    """A client for the API at this address."""
    return ScoresClient(
        httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=TIMEOUT_S,
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX),
            trust_env=False,
        )
    )
