"""Press on one real ingest process from many connections, and look at how a good sender fares beside it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from tests.support.ingestprocess import IngestProcess

QUIET_MS_MIN: Final = 250.0
"""A good sender waits no longer than this or three times what it waits alone, whichever is more."""

RETRY_S: Final = 0.5
"""Overloaded senders are patient for less than Retry-After says; what is left of their time is theirs."""


@dataclass(kw_only=True)
class Answers:
    """What became of the requests of some senders."""

    statuses: Counter[int] = field(default_factory=Counter)
    waited_ms: list[float] = field(default_factory=list)
    accepted_events: int = 0

    async def any(self) -> bool:
        """Whether there is one."""
        return bool(self.statuses)

    @property
    def p99_ms(self) -> float:
        return sorted(self.waited_ms)[int(len(self.waited_ms) * 0.99)]


class Sender:
    """One connection that sends requests in turn, with little work for the client: both share two cores."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: bytes, *, key: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Send one request; 0 when the connection was cut."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        fields = {
            "host": "ingest",
            "content-type": "application/json",
            "content-length": str(len(body)),
            "authorization": f"Bearer {key}",
            **headers,
        }
        head = "POST /v1/events HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        try:
            writer.write(head.encode() + b"\r\n" + body)
            await writer.drain()
            status, fields, answer = await _read_answer(reader)
        except (OSError, asyncio.IncompleteReadError):
            await self.close()
            return 0, b""
        if fields.get("connection") == "close":
            await self.close()
        return status, answer

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            with suppress(OSError):
                await self._streams[1].wait_closed()
            self._streams = None


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    return int(head[0].split()[1]), fields, await reader.readexactly(int(fields.get("content-length", 0)))


async def press(ingest: IngestProcess, bodies: AsyncIterator[bytes] | bytes, answers: Answers, **how: object) -> None:
    """Send the same body again and again until cancelled."""
    sender = Sender(ingest.port)
    key, headers = str(how["key"]), how.get("headers", {})
    assert isinstance(headers, Mapping)
    assert isinstance(bodies, bytes)
    try:
        while True:
            began = time.monotonic()
            status, answer = await sender.post(bodies, key=key, headers=headers)
            answers.statuses[status] += 1
            answers.waited_ms.append((time.monotonic() - began) * 1000)
            if status == 202:
                answers.accepted_events += answer.count(b'"accepted"')
            else:
                await asyncio.sleep(RETRY_S)
    finally:
        await sender.close()
