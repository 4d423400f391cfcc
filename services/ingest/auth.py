"""Find the sender by the key of its Authorization header."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from services.infra.sources import Source, Sources


def source_of(authorization: Sequence[str], sources: Sources) -> Source | None:
    """Return whose key this is; None, without a hint why, for anything but exactly one valid key."""
    if len(authorization) != 1:
        return None
    key = _key(authorization[0])
    return sources.source(key) if key else None


def _key(header: str) -> str | None:
    scheme, _, credentials = header.strip().partition(" ")
    match scheme.lower():
        case "bearer":
            return credentials.strip()
        case "basic":
            return _user(credentials.strip())
        case _:
            return None


def _user(credentials: str) -> str | None:
    """Take the key from `KEY:`, the way the collectors' clients send it; a password would be somebody else's scheme."""
    try:
        user, colon, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return user if colon and not password else None
