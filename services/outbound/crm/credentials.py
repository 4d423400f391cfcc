"""The right to ask a system: a secret from a file, or a token that is renewed before it ends."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlencode

from services.infra.clock import Clock
from services.infra.errors import ConfigurationError
from services.outbound.crm.calls import Caller
from services.outbound.crm.configuration import OAuthTable
from services.outbound.crm.contract import Trouble

RENEWED_AT: Final = 0.8
"""Of a token's life: a token of half an hour has six minutes left, more than any batch takes."""

LIFE_S: Final = 3600.0
"""Of a token that does not say how long it lives; a no renews it sooner."""


class Credential(Protocol):
    """Knows by what a system is asked."""

    async def secret(self) -> str | Trouble:
        """What proves our right, fresh enough for the next call."""

    async def renew(self) -> Trouble | None:
        """Get another one: the system has said no."""

    def age_s(self) -> float | None:
        """How old it is; None before there is one."""


def read_secret(path: Path) -> str:
    """Read a secret; raises ConfigurationError that names the file."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read ({error}); write the secret there") from error


class FileSecret:
    """A secret that an operator puts into a file, and changes there; each call reads it anew."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    async def secret(self) -> str | Trouble:
        try:
            return read_secret(self._path)
        except ConfigurationError as error:
            return Trouble("unauthorised", str(error))

    async def renew(self) -> Trouble | None:
        """Do nothing: the file is read at each call, so a second try has what an operator has put there meanwhile."""

    def age_s(self) -> float | None:
        try:
            return self._clock.now_us() / 1e6 - self._path.stat().st_mtime
        except OSError:
            return None


class OAuthToken:
    """A token of OAuth 2, by a refresh token or by the client's own rights."""

    def __init__(self, table: OAuthTable, caller: Caller, *, clock: Clock) -> None:
        self._table = table
        self._caller = caller
        self._clock = clock
        self._token = ""
        self._since_s = self._renew_at_s = 0.0

    async def secret(self) -> str | Trouble:
        if not self._token or self._now_s() >= self._renew_at_s:
            trouble = await self.renew()
            if trouble is not None:
                return trouble
        return self._token

    async def renew(self) -> Trouble | None:
        try:
            form = self._form()
        except ConfigurationError as error:
            return Trouble("unauthorised", str(error))
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        reply = await self._caller.call(
            "POST", self._table.token_url, headers=headers, content=urlencode(form).encode()
        )
        if isinstance(reply, Trouble):
            return reply
        trouble = self._caller.trouble(reply, words=f"no token: status {reply.status}")
        if trouble is not None:
            return trouble._replace(kind="unauthorised") if trouble.kind == "refused" else trouble
        said = reply.json()
        token = said.get("access_token") if isinstance(said, dict) else None
        if not isinstance(token, str) or not token:
            return Trouble("unauthorised", "the answer holds no access_token")
        life_s = said.get("expires_in")
        self._token, self._since_s = token, self._now_s()
        self._renew_at_s = self._since_s + RENEWED_AT * (float(life_s) if isinstance(life_s, int | float) else LIFE_S)
        return None

    def age_s(self) -> float | None:
        return self._now_s() - self._since_s if self._token else None

    def _form(self) -> Mapping[str, str]:
        form = {"client_id": self._table.client_id, "client_secret": read_secret(self._table.client_secret_file)}
        if self._table.refresh_token_file is None:
            return {**form, "grant_type": "client_credentials"}
        return {**form, "grant_type": "refresh_token", "refresh_token": read_secret(self._table.refresh_token_file)}

    def _now_s(self) -> float:
        return self._clock.now_us() / 1e6
