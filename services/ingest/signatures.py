"""Check a vendor's signature of a webhook: one verifier, and a scheme a vendor that says how it signs."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from schemas.instant import parse_instant
from services.ingest.head import Head
from services.ingest.loose import instant

SIGNATURES_MAX: Final = 8
"""Of one request: while a vendor changes its secret it signs with two."""

Algorithm = Literal["hmac-sha1", "hmac-sha256", "hmac-sha512", "ecdsa-p256", "token"]
"""token: the secret itself stands in the header; it tells who sends, and covers nothing of what is sent."""

_DIGESTS: Final = {"hmac-sha1": hashlib.sha1, "hmac-sha256": hashlib.sha256, "hmac-sha512": hashlib.sha512}

_PART: Final = re.compile(r"\{(raw|timestamp|url)\}")


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """How a vendor signs: what, with which algorithm, and where the signature stands."""

    header: str
    algorithm: Algorithm = "hmac-sha256"
    encoding: Literal["hex", "base64"] = "base64"
    signed: str = "{raw}"
    """The bytes that are signed: of {raw}, the body as it came, {timestamp} and {url}, the one that the vendor was given."""
    prefix: str = ""
    """Stands before the signature."""
    timestamp_header: str | None = None
    fields: tuple[str, str] | None = None
    """The header is a list of name=value: the names of the timestamp and of a signature, of which there may be several."""
    tolerance: timedelta | None = None
    """How far the timestamp may lie from now; None where a vendor's own library does not look at it."""

    def verifies(self, head: Head, raw: bytes, *, secrets: Sequence[bytes], url: str, now: datetime) -> bool:
        """Tell whether one of the secrets signed this body; in a time that tells nothing of how wrong a signature is."""
        timestamp, signatures = self._stated(head)
        if not signatures or (timestamp is None and "{timestamp}" in self.signed):
            return False
        if self.tolerance is not None and not _is_near(timestamp, now, self.tolerance):
            return False
        message = self._message(raw, timestamp=timestamp or "", url=url)
        # Every secret is tried on every signature, whether one has fitted or not.
        fits = [self._fits(secret, message, given) for secret in secrets for given in signatures]
        return any(fits)

    def _stated(self, head: Head) -> tuple[str | None, Sequence[str]]:
        """Return the timestamp and the signatures that a head states; none where a header stands twice."""
        values = head.all(self.header)
        if len(values) != 1:
            return None, ()
        if self.fields is not None:
            pairs = [pair.strip().partition("=") for pair in values[0].split(",")]
            times = [value for name, _, value in pairs if name == self.fields[0]]
            given = [value for name, _, value in pairs if name == self.fields[1]]
            return (times[0], given[:SIGNATURES_MAX]) if len(times) == 1 else (None, ())
        times = head.all(self.timestamp_header) if self.timestamp_header else []
        if len(times) > 1 or not values[0].startswith(self.prefix):
            return None, ()
        return (times[0] if times else None), [values[0].removeprefix(self.prefix)]

    def _message(self, raw: bytes, *, timestamp: str, url: str) -> bytes:
        parts = {"raw": raw, "timestamp": timestamp.encode("latin-1"), "url": url.encode()}
        pieces = _PART.split(self.signed)
        return b"".join(parts[piece] if index % 2 else piece.encode() for index, piece in enumerate(pieces))

    def _fits(self, secret: bytes, message: bytes, given: str) -> bool:
        if self.algorithm == "token":
            return hmac.compare_digest(secret, given.encode("latin-1", "replace"))
        signature = _decoded(given, self.encoding)
        if signature is None:
            return False
        if self.algorithm == "ecdsa-p256":
            return _is_signed_by(secret, message, signature)
        return hmac.compare_digest(hmac.new(secret, message, _DIGESTS[self.algorithm]).digest(), signature)


def _decoded(given: str, encoding: str) -> bytes | None:
    """Read a signature in the one way of writing it: another writing of the same bytes is no signature of a vendor."""
    try:
        if encoding == "hex":
            return bytes.fromhex(given) if given == given.lower() and " " not in given else None
        signature = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return None
    return signature if base64.b64encode(signature).decode() == given else None


def _is_signed_by(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        key = load_der_public_key(base64.b64decode(public_key, validate=True))
        if not isinstance(key, EllipticCurvePublicKey):
            return False
        key.verify(signature, message, ECDSA(SHA256()))
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, binascii.Error):
        return False
    return True


def _is_near(timestamp: str | None, now: datetime, tolerance: timedelta) -> bool:
    at = instant(timestamp)
    return at is not None and abs(parse_instant(at) - now) <= tolerance
