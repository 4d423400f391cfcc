"""Ingest as the API reaches it: letters go in, and a result of each comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import httpx
import msgspec

from schemas.replay import Letter, Letters, Results
from services.infra.http.problems import RETRY_AFTER_S, Refused
from services.infra.settings import ApiSettings

TIMEOUT_S: Final = 20.0
"""Four times the deadline that ingest gives the log."""

NOT_SET_UP: Final = "replay-not-set-up"
RETRY_S_MAX: Final = 3600
"""However long ingest asks to wait, somebody looks again within the hour."""

_LETTERS: Final = msgspec.json.Encoder()
_RESULTS: Final = msgspec.json.Decoder(Results)


@dataclass(frozen=True, kw_only=True)
class IngestDoor:
    """Sends letters with an operator's key."""

    http: httpx.AsyncClient
    key: str | None

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()

    async def send(self, path: str, letters: Sequence[Letter], *, masked: bool) -> Results | Refused:
        """Return a result a letter, in their order, or why ingest takes none of them at this time.

        An answer that does not come says nothing of what the log has: the same letters may be sent again.
        """
        if self.key is None:
            return Refused(NOT_SET_UP)
        body = _LETTERS.encode(Letters(letters=list(letters), masked=masked))
        try:
            answer = await self.http.post(path, content=body, headers={"Authorization": f"Bearer {self.key}"})
        except httpx.TransportError as error:
            return Refused(
                "unavailable", f"Ingest does not answer ({type(error).__name__}). Ask again after Retry-After."
            )
        if answer.status_code == HTTPStatus.OK:
            return _RESULTS.decode(answer.content)
        return _refused(answer)


def open_door(settings: ApiSettings) -> IngestDoor:
    """Know where ingest is and with which key it opens; nothing is opened yet."""
    key = settings.operator_key
    return IngestDoor(
        http=httpx.AsyncClient(base_url=settings.ingest, timeout=TIMEOUT_S, trust_env=False),
        key=None if key is None else key.get_secret_value(),
    )


def _refused(answer: httpx.Response) -> Refused:
    retry_s = _seconds(answer.headers.get("Retry-After", ""))
    match answer.status_code:
        case HTTPStatus.TOO_MANY_REQUESTS:
            return Refused(
                "too-many-requests", "Ingest takes no more letters for now: ask again after Retry-After.", retry_s
            )
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            told = "Ingest refuses the operator's key: TACTUS_API__OPERATOR_KEY must be of a source with replay = true."
            return Refused(NOT_SET_UP, told)
        case HTTPStatus.NOT_FOUND | HTTPStatus.METHOD_NOT_ALLOWED:
            return Refused(
                NOT_SET_UP, "Ingest takes no letters there: TACTUS_API__INGEST must be ingest of this version."
            )
        case _:
            return Refused("unavailable", "Ingest takes no letters for now: ask again after Retry-After.", retry_s)


def _seconds(text: str) -> int:
    return (
        min(int(text), RETRY_S_MAX)
        if text.isascii() and text.isdigit() and len(text) < len("1000000")
        else RETRY_AFTER_S
    )
