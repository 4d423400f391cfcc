"""Put connectors together, and keep those running that the file names."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import httpx

from services.infra.catalogue.reading import LANGUAGES, Labels, labels, load_catalogue
from services.infra.clock import Clock
from services.infra.followed_file import FollowedFile
from services.infra.logs import get_logger
from services.infra.pseudonyms import hash_key
from services.infra.settings import Settings
from services.outbound.connectors.http import HttpConnector
from services.outbound.connectors.hubspot import HubSpotConnector
from services.outbound.connectors.odoo import OdooConnector
from services.outbound.connectors.salesforce import SalesforceConnector
from services.outbound.connectors.tryton import TrytonConnector
from services.outbound.crm.calls import Caller
from services.outbound.crm.configuration import ConnectorsFile, ConnectorTable, System, load_connectors
from services.outbound.crm.contract import Connector
from services.outbound.crm.credentials import Credential, FileSecret, OAuthToken
from services.outbound.crm.following import Following
from services.outbound.crm.measures import Measures
from services.outbound.crm.meter import Meter, Sleep
from services.outbound.crm.records import Records
from services.outbound.crm.sync import Sync
from services.state.database import ReadDatabase
from services.state.outbound import OutboundDatabase
from services.state.weighed import Models

Make = Callable[[ConnectorTable, Caller, Credential], Connector]

SYSTEMS: Final[Mapping[System, Make]] = {
    "hubspot": HubSpotConnector,
    "salesforce": SalesforceConnector,
    "odoo": OdooConnector,
    "tryton": TrytonConnector,
    "http": HttpConnector,
}

CHANGED_S: Final = 1.0
"""As soon as the file itself is looked at."""

log = get_logger(__name__)


class Parts(NamedTuple):
    """What every connector is made from."""

    database: OutboundDatabase
    records: Records
    client: httpx.AsyncClient
    clock: Clock
    hash_key: bytes
    sleep: Sleep = asyncio.sleep


class Spoken(NamedTuple):
    """A connector, with what counts its calls and shows its right to make them."""

    connector: Connector
    meter: Meter
    credential: Credential


def connect(table: ConnectorTable, parts: Parts) -> Spoken:
    """Make what speaks to one system."""
    meter = Meter(table, parts.database, parts.clock, sleep=parts.sleep)
    caller = Caller(parts.client, url=table.url, spend=meter.spend, clock=parts.clock)
    credential: Credential
    if table.oauth is not None:
        credential = OAuthToken(table.oauth, caller, clock=parts.clock)
    else:
        assert table.secret_file is not None  # noqa: S101 -- the file's own rule
        credential = FileSecret(table.secret_file, clock=parts.clock)
    return Spoken(SYSTEMS[table.system](table, caller, credential), meter, credential)


def sync_of(table: ConnectorTable, parts: Parts) -> Sync:
    """Make what keeps one system right."""
    spoken = connect(table, parts)
    measures = Measures(table.name, parts.database, spoken.meter, parts.clock, secret_age_s=spoken.credential.age_s)
    return Sync(
        table,
        spoken.connector,
        database=parts.database,
        records=parts.records,
        following=Following(table, hash_key=parts.hash_key),
        meter=spoken.meter,
        measures=measures,
        clock=parts.clock,
    )


class CrmSystems:
    """All systems of the file, each by itself: one that is away keeps no other waiting."""

    def __init__(self, path: Path | None, make: Callable[[ConnectorTable], Sync]) -> None:
        self.file: FollowedFile[ConnectorsFile] = FollowedFile(path, load=lambda: load_connectors(path), name="crm")
        self._make = make
        self._running: dict[str, Sync] = {}

    async def follow(self) -> None:
        """Run what the file says, for ever; ends only when cancelled."""
        await asyncio.gather(self.file.follow(), self._keep())

    async def stop(self) -> None:
        """Leave off."""
        for name in list(self._running):
            await self._running.pop(name).stop()

    async def adopt(self) -> None:
        """Stop what the file does not say any more, and start what it says since."""
        wanted = {table.name: table for table in self.file.current.connector}
        for name, sync in list(self._running.items()):
            if wanted.get(name) != sync.table:
                await self._running.pop(name).stop()
                log.info("crm_stopped", connector=name)
        for name, table in wanted.items():
            if name not in self._running:
                self._running[name] = self._make(table)
                self._running[name].start()
                log.info("crm_started", connector=name, system=table.system)

    async def _keep(self) -> None:
        while True:
            await self.adopt()
            await asyncio.sleep(CHANGED_S)


def parts_of(settings: Settings, database: OutboundDatabase, reading: ReadDatabase, clock: Clock) -> Parts:
    """Make what connectors are made from; raises ConfigurationError when the key of hashes is missing."""
    by_language: Mapping[str, Labels] = {one: labels(one, override=settings.catalogue) for one in LANGUAGES}
    models = Models(load_catalogue(settings.catalogue))
    return Parts(
        database,
        Records(reading, models, by_language, clock),
        httpx.AsyncClient(follow_redirects=False, trust_env=False),
        clock,
        hash_key(settings.hash_key),
    )


class Crm(NamedTuple):
    """The room of CRM systems, as the process starts and ends it."""

    systems: CrmSystems
    close: Callable[[], Awaitable[None]]


def open_crm(settings: Settings, database: OutboundDatabase, clock: Clock) -> Crm:
    """Make the room; nothing is spoken to before `follow`. Raises ConfigurationError for a file with a mistake."""
    reading = ReadDatabase(settings.postgres, application="tactus-outbound-crm")
    made: list[Parts] = []

    def make(table: ConnectorTable) -> Sync:
        if not made:
            made.append(parts_of(settings, database, reading, clock))
        return sync_of(table, made[0])

    systems = CrmSystems(settings.outbound.crm, make)
    if systems.file.current.connector:
        made.append(parts_of(settings, database, reading, clock))

    async def close() -> None:
        await systems.stop()
        for parts in made:
            await parts.client.aclose()
        await reading.close()

    return Crm(systems, close)
