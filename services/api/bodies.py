"""Read the body of a request, as long as it may be and within its time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterable, Mapping
from typing import Final

from schemas.limits import kib
from schemas.touchpoint import JSON_TYPE_PATTERN
from services.infra.http.problems import Refused

BODY_S: Final = 10.0
"""A few kilobytes over a slow mobile line; a body that comes slower holds a place for nothing."""

_JSON: Final = re.compile(JSON_TYPE_PATTERN)


async def read_body(headers: Mapping[str, str], pieces: AsyncIterable[bytes], *, bytes_max: int) -> bytes | Refused:
    """Return a body in JSON, or why it is not read; whatever the pieces raise is raised."""
    if not _JSON.fullmatch(headers.get("content-type", "application/json")):
        return Refused("unsupported-media-type", "Send application/json.")
    if "content-encoding" in headers:
        return Refused("unsupported-media-type", "Send application/json without Content-Encoding.")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for piece in pieces:
                body += piece
                if len(body) > bytes_max:
                    return Refused("body-too-large", f"Send at most {kib(bytes_max)}.")
    except TimeoutError:
        return Refused("timeout")
    return bytes(body)
