"""All ways by which the shop's events come in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Self

from services.client.connection import Connection
from services.client.events import EventsClient, Reply, open_client
from services.demo.senders import Carrier, open_carrier, open_page, page_event, server_event
from services.demo.shop_sources import CARRIER, ORIGIN, ShopKeys
from services.demo.tills import TillCounts, Tills, open_tills
from services.demo.traffic import Message, Way


@dataclass(slots=True, kw_only=True)
class Doors:
    """The shop's own system, its page, its carrier and its tills.

    `async with` it; what it was given is in the log after `send`, or with its till, which brings it by `finish`.
    """

    server: EventsClient
    page: EventsClient
    carrier: Carrier
    tills: Tills
    _open: AsyncExitStack

    @property
    def repeated(self) -> int:
        """How many events were sent again without knowing whether the first attempt had arrived, tills left aside."""
        return self.server.repeated + self.page.repeated + self.carrier.poster.repeated

    async def __aenter__(self) -> Self:
        for door in (self.server, self.page, self.carrier.poster, self.tills):
            await self._open.enter_async_context(door)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._open.aclose()

    async def send(self, messages: Sequence[Message]) -> list[Reply]:
        """Send each through its door; replies to all but the tills', in no order. Raises UnavailableError."""
        await self.tills.ring(_by(Way.TILL, messages))
        return [
            *await self.server.send_all(map(server_event, _by(Way.SERVER, messages))),
            *await self.page.send_all(map(page_event, _by(Way.PAGE, messages))),
            *await self.carrier.send(_by(Way.CARRIER, messages)),
        ]

    async def finish(self) -> TillCounts:
        """Wait until the tills have brought what they were given."""
        return await self.tills.finish()


def open_doors(connection: Connection, keys: ShopKeys, *, server: str, till: str) -> Doors:
    """The doors of a running stack, with its key for servers and for tills."""
    return Doors(
        server=open_client(url=connection.ingest, key=server, connections=2),
        page=open_page(url=connection.ingest, key=keys.page, origin=ORIGIN),
        carrier=open_carrier(url=connection.ingest, source=CARRIER, secret=keys.carrier),
        tills=open_tills(url=connection.ingest, key=till, folder=connection.data / "tills"),
        _open=AsyncExitStack(),
    )


def _by(way: Way, messages: Iterable[Message]) -> list[Message]:
    return [message for message in messages if message.way is way]
