"""How webhooks come to a source: what its row says, and what is read out of the files that the row names."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.infra.errors import ConfigurationError
from services.infra.mapping.event_map import EventMap
from services.infra.mapping.map_file import load_map

GENERIC: Final = "generic"
"""The provider that can be anybody: its row says by which map its bodies are read, and how they are signed."""

SECRET_BYTES_MAX: Final = 4096
"""A public key has some hundreds."""

TOLERANCE_S_MAX: Final = 86_400
"""A signature that is good for longer than a day is good for whoever finds it."""

Header = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]
_BRACES: Final = re.compile(r"\{[^}]*\}?|\}")
_SIGNED: Final = frozenset({"{raw}", "{timestamp}", "{url}"})


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class SignatureRow(_Closed):
    """How a generic hook's sender signs."""

    header: Header
    algorithm: Literal["hmac-sha256", "hmac-sha1", "hmac-sha512", "ecdsa-p256", "token"] = "hmac-sha256"
    """token: the secret itself stands in the header, and covers nothing of the body."""
    encoding: Literal["hex", "base64"] = "hex"
    signed: Annotated[str, StringConstraints(max_length=128)] = "{raw}"
    """What is signed: {raw}, the body as it came, {timestamp} and {url} with what stands between them."""
    prefix: Annotated[str, StringConstraints(max_length=32)] = ""
    """Before the signature, such as sha256=."""
    timestamp_header: Header | None = None
    fields: tuple[str, str] | None = None
    """Of a header that is a list of name=value: the names of the timestamp and of a signature."""
    tolerance_s: Annotated[int, Field(ge=1, le=TOLERANCE_S_MAX)] | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        has_timestamp = self.timestamp_header is not None or self.fields is not None
        if self.algorithm != "token" and "{raw}" not in self.signed:
            raise ValueError("signs nothing of the body: write {raw} into signed")
        if not set(_BRACES.findall(self.signed)) <= _SIGNED:
            raise ValueError("signed may hold {raw}, {timestamp} and {url}, and no other braces")
        if ("{timestamp}" in self.signed or self.tolerance_s is not None) and not has_timestamp:
            raise ValueError("needs a timestamp: say where it stands, timestamp_header or fields")
        if self.tolerance_s is not None and "{timestamp}" not in self.signed:
            raise ValueError("has a tolerance for a timestamp that nobody signs: write {timestamp} into signed")
        return self


class HookRow(_Closed):
    """How a vendor's webhook comes to a source."""

    provider: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    secret_files: Annotated[tuple[str, ...], Field(max_length=8)] = ()
    """One secret each: while a vendor changes it, both are good."""
    url: Annotated[str, StringConstraints(max_length=2048)] = ""
    map: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = None
    """The file by which a generic hook's bodies are read."""
    signature: SignatureRow | None = None
    """How a generic hook is signed; None: its requests bear the source's key."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.provider != GENERIC:
            if self.map is not None or self.signature is not None:
                raise ValueError(f'map and signature are for provider = "{GENERIC}": {self.provider} has its own')
            if not self.secret_files:
                raise ValueError('needs secret_files: ["secrets/…"], a file with what the vendor shows')
        elif self.map is None:
            raise ValueError('needs map: the file that says what its bodies are, map = "maps/….yaml"')
        elif bool(self.secret_files) != (self.signature is not None):
            raise ValueError(
                "needs both secret_files and signature, or neither: without them its requests bear the source's key"
            )
        if self.signature is not None and "{url}" in self.signature.signed and not self.url:
            raise ValueError("signs the url: write the address that the sender was given, url")
        return self


class Hook(NamedTuple):
    """What a signature is checked with: secrets, of which any may have signed, and the address that the vendor was given.

    A generic one has the map of its bodies, and how they are signed.
    """

    secrets: Sequence[bytes]
    url: str
    map: EventMap | None = None
    signature: SignatureRow | None = None


def hook_of(row: HookRow, folder: Path, *, touchpoints: Collection[str] | None) -> Hook:
    """Read the files that a row names; a path counts from this folder. Raises ConfigurationError."""
    event_map = None if row.map is None else load_map(folder / row.map, touchpoints=touchpoints)
    secrets = [_secret(folder / name, name, provider=row.provider) for name in row.secret_files]
    return Hook(secrets, row.url, event_map, row.signature)


def _secret(path: Path, name: str, *, provider: str) -> bytes:
    try:
        with path.open("rb") as file:
            secret = file.read(SECRET_BYTES_MAX).strip()
    except OSError:
        secret = b""
    if not secret:
        shown = "its sender has" if provider == GENERIC else f"{provider} shows"
        raise ConfigurationError(f"finds no secret in {name}: put the one that {shown} into that file")
    return secret
