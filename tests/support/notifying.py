"""A notifier on a real database, with a clock that stands and the routes of a test."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from services.infra.catalogue.reading import LANGUAGES, labels
from services.infra.followed_file import FollowedFile
from services.infra.settings import PostgresSettings
from services.outbound.notify.message import Texts
from services.outbound.notify.notifier import Notifier
from services.outbound.notify.routes import Routes
from services.outbound.notify.routes_file import load_routes
from services.state.outbound import OutboundDatabase
from services.state.roles import OUTBOUND
from tests.support.clocks import StandingClock
from tests.support.databases import as_role

TEXTS = Texts({language: labels(language) for language in LANGUAGES}, "https://tactus.example/customers/{customer}")


class Notifying:
    """Goes from round to round when a test says so; as tactus_outbound, which may do no more than it needs."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self.clock = StandingClock()
        self.database = OutboundDatabase(
            PostgresSettings(dsn=SecretStr(as_role(dsn, OUTBOUND))), application="tactus-outbound"
        )
        self._path = folder / "routes.toml"
        self.file: FollowedFile[Routes] | None = None
        self.notifier: Notifier | None = None

    def write(self, text: str, **secrets: str) -> None:
        """Write the routes file and the secrets beside it."""
        for name, secret in secrets.items():
            (self._path.parent / name).write_text(secret, encoding="utf-8")
        self._path.write_text(text, encoding="utf-8")
        if self.file is not None:
            self.file.reload()

    async def open(self) -> None:
        """Begin, with the routes that stand in the file."""
        await self.database.open()
        self.file = FollowedFile(self._path, load=lambda: load_routes(self._path), name="routes")
        self.notifier = Notifier(self.database, self.file, texts=TEXTS, clock=self.clock)

    async def round(self) -> None:
        """Follow what is there, and send what is due."""
        if self.notifier is None:
            await self.open()
        assert self.notifier is not None
        await self.notifier.round()
        await self.notifier.settle()

    async def close(self) -> None:
        if self.notifier is not None:
            await self.notifier.stop()
        await self.database.close()
