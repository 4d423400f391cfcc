"""Receivers of webhooks on this machine: kind ones that keep what they get, and hostile ones."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import NamedTuple

from services.infra.egress.posting import Way

LOOPBACK = (ip_network("127.0.0.0/8"),)


class Received(NamedTuple):
    """A request as a receiver got it."""

    path: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Receiver:
    """A server that does what its behaviour says; `connections` counts who came."""

    port: int = 0
    connections: int = 0
    received: list[Received] = field(default_factory=list)

    def url(self, path: str = "/hook", *, scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def ids(self) -> list[str]:
        """Of the messages that came."""
        return [one.headers["webhook-id"] for one in self.received]


async def read_request(reader: asyncio.StreamReader) -> Received:
    """Read a request whole."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(first.split(" ")[1], headers, body)


def answer(status: int, body: bytes = b"", /, **headers: str) -> bytes:
    """Write an answer."""
    told = {"content-length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"HTTP/1.1 {status} As Told", *(f"{name}: {value}" for name, value in told.items()), "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def receiver(
    status: int | Callable[[Received], int] = 204, *, tls: ssl.SSLContext | None = None, port: int = 0, **headers: str
) -> AsyncIterator[Receiver]:
    """A receiver that keeps what it gets and answers with a status."""
    made = Receiver(port)

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        made.received.append(request)
        writer.write(answer(status if isinstance(status, int) else status(request), b"", **headers))
        await writer.drain()

    async with served(made, behave, tls=tls):
        yield made


@asynccontextmanager
async def hostile(behave: Behaviour) -> AsyncIterator[Receiver]:
    """A receiver that does something else."""
    made = Receiver()
    async with served(made, behave):
        yield made


@asynccontextmanager
async def served(made: Receiver, behave: Behaviour, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    """Serve on a free port for the length of the block."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.connections += 1
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await behave(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(connected(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", made.port, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Names:
    """A resolver that answers as a test says, each time with the next answer, and then with the last one again."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self._answers = {name.replace("_", "."): list(told) for name, told in answers.items()}
        self.asked: list[str] = []

    async def addresses(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        told = self._answers.get(host)
        if not told:
            raise OSError("no such name")
        return told.pop(0) if len(told) > 1 else told[0]


def way_of(resolver: Names | None = None, *, tls: ssl.SSLContext | None = None, loopback: bool = True) -> Way:
    """How requests leave in tests; to this machine too, unless a test says otherwise."""
    return Way(resolver or Names(), LOOPBACK if loopback else (), tls or ssl.create_default_context())
