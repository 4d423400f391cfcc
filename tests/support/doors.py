"""Doors whose log is in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import cache

import httpx

from services.infra.catalogue.reading import CatalogueFile, load_file
from services.infra.classes.reading import ClassFile, read_classes
from services.infra.clock import Clock
from services.infra.http.answer import Answer
from services.infra.http.peers import Peers
from services.infra.http.strangers import Strangers
from services.infra.settings import IngestSettings
from services.infra.sources import Sources
from services.ingest.adapter import Adapter
from services.ingest.app import build_app, open_to_pages
from services.ingest.classing import Classing
from services.ingest.cors import with_cors
from services.ingest.discovery import discovered, names_of
from services.ingest.door import Door
from services.ingest.head import Head
from services.ingest.keeping import Keeper
from services.ingest.metering import Meter
from services.ingest.names import Names
from services.ingest.overload import Overload
from services.ingest.rates import Rates
from services.ingest.replaying import replaying
from tests.support.clocks import StandingClock, StandingSeconds
from tests.support.memory_log import MemoryLog
from tests.support.senders import HASH_KEY, SOURCES, judge_of_test

IN_FLIGHT_BYTES = 8 * 1024 * 1024


def memory_door(  # noqa: PLR0913 - each is a part that some test has otherwise
    log: MemoryLog,
    *,
    sources: Callable[[], Sources] = lambda: SOURCES,
    clock: Clock | None = None,
    seconds: StandingSeconds | None = None,
    overload: Overload | None = None,
    keeper: Keeper | None = None,
    classes: Callable[[], ClassFile] | None = None,
) -> Door:
    """Build the real door on a log in memory."""
    seconds = seconds or StandingSeconds()
    return Door(
        keeper=keeper or Keeper(log),
        judge=judge_of_test(),
        sources=sources,
        classing=Classing(classes or shipped_classes, sources, hash_key=HASH_KEY.encode()),
        clock=clock or StandingClock(),
        overload=overload or Overload(in_flight_bytes_max=IN_FLIGHT_BYTES, wait_s=5),
        rates=Rates(IngestSettings(), now_s=seconds),
        strangers=Strangers(seconds),
        meter=Meter(frozenset({"web"})),
        names={
            adapter.name: names_of(adapter, catalogue_file()) for adapter in [*discovered(), *replay_doors(sources)]
        },
    )


def replay_doors(sources: Callable[[], Sources] = lambda: SOURCES) -> Sequence[Adapter]:
    """Give the doors for dead letters: the one that keeps, and the one that says."""
    return replaying(discovered(), names=names_of_channels(), sources=sources)


def names_of_channels() -> Mapping[str, Names]:
    """What the names of each channel mean."""
    return {channel.name: names_of(channel, catalogue_file()) for channel in discovered()}


@cache
def shipped_classes() -> ClassFile:
    """Load the product's own rules, once."""
    return read_classes()


@cache
def catalogue_file() -> CatalogueFile:
    """Load the product's own catalogue, which takes a while."""
    return load_file()


def memory_client(
    log: MemoryLog, *, sources: Sources = SOURCES, adapters: Sequence[Adapter] | None = None, **headers: str
) -> httpx.AsyncClient:
    """Speak to the real application, without a socket."""
    adapters = discovered() if adapters is None else adapters
    app = build_app(memory_door(log, sources=lambda: sources), adapters, unready=log.unready, peers=Peers(()))
    wrapped = with_cors(app, allows=sources.serve_pages_of, is_open=open_to_pages(adapters))
    transport = httpx.ASGITransport(app=wrapped)
    return httpx.AsyncClient(transport=transport, base_url="http://ingest", headers=headers)


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    """Send a body in one piece."""
    yield body


async def posted(door: Door, adapter: Adapter, head: Head, body: bytes) -> Answer:
    """Post one request."""
    return await door.take(adapter, head, pieces(body))
