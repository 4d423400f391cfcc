"""Read the key out of a request's Authorization headers; there is one only when exactly one header holds one."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence


def bearer_key(authorization: Sequence[str]) -> str | None:
    """Return the key of `Bearer KEY`."""
    scheme, credentials = _parts(authorization)
    return credentials or None if scheme == "bearer" else None


def bearer_or_user_key(authorization: Sequence[str]) -> str | None:
    """Return the key of `Bearer KEY`, or of `Basic KEY:` as the collectors' clients send it."""
    scheme, credentials = _parts(authorization)
    return _user(credentials) if scheme == "basic" else bearer_key(authorization)


def _parts(authorization: Sequence[str]) -> tuple[str, str]:
    if len(authorization) != 1:
        return "", ""
    scheme, _, credentials = authorization[0].strip().partition(" ")
    return scheme.lower(), credentials.strip()


def _user(credentials: str) -> str | None:
    """Take the user's name; a password would be somebody else's scheme."""
    try:
        user, colon, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return user or None if colon and not password else None
