"""Make the keys of a local stack once, and the sources file that knows their digests."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from services.infra.errors import ConfigurationError
from services.infra.files import write_private
from services.infra.sources import digest, load_sources

FILE: Final = "keys.json"
SOURCES: Final = "sources.toml"

_SOURCE: Final = """\
[[source]]
name = "{name}"
keys_sha256 = ["{digest}"]
kind = "{kind}"
identity = "claimed"
backfill = {backfill}
"""

_READER: Final = """\
[[reader]]
name = "{name}"
keys_sha256 = ["{digest}"]
scopes = ["scores:read"]
"""


class Keys(BaseModel):
    """The secrets of one data directory."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    server: str
    browser: str
    till: str
    read: str
    backfill: str
    hash_key: str

    @property
    def public(self) -> dict[str, str]:
        """What connection.json tells: the keys that clients send, not the secret behind the hashes."""
        return self.model_dump(exclude={"hash_key"})


def ensure_keys(data: Path) -> Keys:
    """Return the keys of this data directory, made at its first start and the same ever after.

    A sources file that knows the keys is left as it is, so an operator may add to it.
    """
    path = data / FILE
    if path.exists():
        keys = _read(path)
    else:
        keys = Keys(
            **{name: f"tactus_{name}_{secrets.token_urlsafe(24)}" for name in ("server", "browser", "till", "read")},
            backfill=f"tactus_backfill_{secrets.token_urlsafe(24)}",
            hash_key=secrets.token_urlsafe(48),
        )
        write_private(path, keys.model_dump_json(indent=2) + "\n")
    if not _knows(data / SOURCES, keys):
        write_private(data / SOURCES, sources_of(keys))
    return keys


def sources_of(keys: Keys) -> str:
    """Return the sources file: one source of each kind and one reader."""
    rows = [
        ("shop", "server", keys.server, "false"),
        ("web", "browser", keys.browser, "false"),
        ("store", "till", keys.till, "false"),
        ("backfill", "server", keys.backfill, "true"),
    ]
    sources = [
        _SOURCE.format(name=name, kind=kind, digest=digest(key), backfill=backfill)
        for name, kind, key, backfill in rows
    ]
    return "\n".join((*sources, _READER.format(name="local", digest=digest(keys.read))))


def _read(path: Path) -> Keys:
    try:
        return Keys.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise ConfigurationError(f"{path} cannot be read: restore it, or remove it to get other keys") from error


def _knows(path: Path, keys: Keys) -> bool:
    if not path.exists():
        return False
    sources = load_sources(path)
    written = (keys.server, keys.browser, keys.till, keys.backfill)
    return all(sources.source(key) for key in written) and sources.reader(keys.read) is not None
