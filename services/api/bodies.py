"""Read the body of a request, as long as it may be and within its time."""

from __future__ import annotations

import asyncio
import re
from typing import Final

from starlette.requests import ClientDisconnect, Request

from schemas.limits import kib
from schemas.touchpoint import JSON_TYPE_PATTERN
from services.infra.http.problems import Refused

BODY_S: Final = 10.0
"""A few kilobytes over a slow mobile line; a body that comes slower holds a place for nothing."""

_JSON: Final = re.compile(JSON_TYPE_PATTERN)


async def read_body(request: Request, *, bytes_max: int) -> bytes | Refused:
    """Return a body in JSON, or why it is not read."""
    if not _JSON.fullmatch(request.headers.get("content-type", "application/json")):
        return Refused("unsupported-media-type", "Send application/json.")
    if "content-encoding" in request.headers:
        return Refused("unsupported-media-type", "Send application/json without Content-Encoding.")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for piece in request.stream():
                body += piece
                if len(body) > bytes_max:
                    return Refused("body-too-large", f"Send at most {kib(bytes_max)}.")
    except (TimeoutError, ClientDisconnect):
        return Refused("timeout")
    return bytes(body)
