"""The database of one process: its pool, and transactions over it as bundles of tables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, NamedTuple, Self

import asyncpg

from schemas.topics import Partition
from services.infra.errors import ConfigurationError, UnavailableError
from services.infra.settings import PostgresSettings
from services.state import announcing, housekeeping, progress, retention, source_notes
from services.state.account_scores import AccountScoreTable
from services.state.accounts import AccountTable
from services.state.activation import ActivationTable
from services.state.ageing import AgeingTable
from services.state.alert_work import AlertWorkTable
from services.state.alerting import AlertingTable
from services.state.alerts import AlertTable
from services.state.census import CensusTable
from services.state.dead_letters import DeadLetterTable
from services.state.events import Caution, EventTable
from services.state.facts import FactTable
from services.state.feeds import FeedTable
from services.state.felt import FeltTable
from services.state.following import FollowingTable
from services.state.housekeeping import Chores
from services.state.identities import IdentityTable
from services.state.incidents import IncidentTable
from services.state.leaves import LeafTable
from services.state.links import LinkTable
from services.state.models import ModelTable
from services.state.persons import PersonTable
from services.state.place_past import PlacePastTable
from services.state.pool import LEND_S, Statements, lent, open_pool, present
from services.state.progress import Position, ProgressTable
from services.state.rebuilding import RebuildTable
from services.state.renaming import RenamingTable
from services.state.retention import Busy, RetentionTable, Round
from services.state.scores import ScoreTable
from services.state.sessions import LIMITS, HouseConnection, cut_at
from services.state.source_health import SourceTables
from services.state.source_notes import SourceNoteTable
from services.state.tallies import TallyTable
from services.state.webhooks import WebhookTables

TEMPORARY: Final = """
CREATE TEMP TABLE IF NOT EXISTS incoming_touchpoint (
    occurred_at timestamptz, received_at timestamptz, key uuid, identity bigint, body_hash bigint, leaf int,
    v int, q int, source text, event_id text, body text
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS incoming_seen (key uuid, body_hash bigint, logged_at timestamptz) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS incoming_tally (
    identity bigint, leaf int, hour int, n int, q bigint, pos bigint, neg bigint, pos2 bigint, neg2 bigint,
    best int, worst int
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS incoming_score (
    id bigint, version bigint, model smallint, band smallint, as_of int, turns_at int,
    score float8, confidence float8, se float8, score_24h float8, confidence_24h float8,
    score_7d float8, confidence_7d float8, score_30d float8, confidence_30d float8,
    score_90d float8, confidence_90d float8
) ON COMMIT DELETE ROWS;
"""

WORKER_APPLICATION: Final = "tactus-aggregator"
"""As the server shows a worker's connections."""

ACQUIRE_S: Final = 2.0
"""For a reader a connection is free within milliseconds; longer means that the database is away or overrun."""

ANSWER_S: Final = 5.0
"""All questions of one request together; a person with a million tallies takes under one second."""


class Transaction(NamedTuple):
    """The tables as one chunk's transaction changes them."""

    generation: str
    """Of the database: what was read of another one means nothing here."""
    progress: ProgressTable
    events: EventTable
    identities: IdentityTable
    links: LinkTable
    persons: PersonTable
    tallies: TallyTable
    scores: ScoreTable
    dead_letters: DeadLetterTable
    notes: SourceNoteTable
    renaming: RenamingTable
    activations: ActivationTable
    census: CensusTable
    accounts: AccountTable
    facts: FactTable
    account_scores: AccountScoreTable
    alerts: AlertingTable
    feeds: FeedTable
    place_past: PlacePastTable
    ageing: AgeingTable


class Snapshot(NamedTuple):
    """The tables as they stand at one moment, to read."""

    progress: ProgressTable
    events: EventTable
    leaves: LeafTable
    persons: PersonTable
    tallies: TallyTable
    alerts: AlertTable
    felt: FeltTable
    sources: SourceTables
    models: ModelTable
    activations: ActivationTable
    census: CensusTable
    rebuilds: RebuildTable
    retention: RetentionTable
    accounts: AccountTable
    facts: FactTable
    account_scores: AccountScoreTable
    following: FollowingTable
    ageing: AgeingTable


class WorkTables(NamedTuple):
    """The tables of what people do about alerts."""

    alerts: AlertWorkTable
    incidents: IncidentTable


class Database:
    """What a worker needs of the database: chunks' transactions, and a few statements outside of them."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._caution = Caution()
        say = Statements(pool)
        self.identities = IdentityTable(say)
        self.leaves = LeafTable(say)
        self.models = ModelTable(say)
        self.progress = ProgressTable(say)
        self.renaming = RenamingTable(say)
        self.activations = ActivationTable(say)

    @classmethod
    async def open(cls, settings: PostgresSettings, *, lanes: int, application: str = WORKER_APPLICATION) -> Self:
        """Open a pool: a connection for each lane, for names, a model that takes over, a census and three sweeps.

        Raises UnavailableError while the server is away, ConfigurationError when it is there and refuses us.
        """

        async def prepare(connection: HouseConnection) -> None:
            await connection.execute(TEMPORARY)
            await connection.learn_generation()

        return cls(await open_pool(settings, application=application, max_size=lanes + 6, prepare=prepare))

    async def close(self) -> None:
        """Close the connections at once, whatever they are doing."""
        self._pool.terminate()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction that commits at the end of the block and rolls back on any exception.

        Raises UnavailableError for whatever another try can mend, also at the commit: then it may have taken place.
        """
        with present():
            async with lent(self._pool, within_s=LEND_S) as connection, connection.transaction():
                say = Statements(connection)
                yield Transaction(
                    connection.generation,
                    ProgressTable(say),
                    EventTable(say, self._caution),
                    IdentityTable(say),
                    LinkTable(say),
                    PersonTable(say),
                    TallyTable(say),
                    ScoreTable(say),
                    DeadLetterTable(say),
                    SourceNoteTable(say),
                    RenamingTable(say),
                    ActivationTable(say),
                    CensusTable(say),
                    AccountTable(say),
                    FactTable(say),
                    AccountScoreTable(say),
                    AlertingTable(say),
                    FeedTable(say),
                    PlacePastTable(say),
                    AgeingTable(say),
                )

    async def take(self, partitions: Mapping[Partition, int], *, owner: str) -> dict[Partition, Position]:
        """Own partitions, given the log's first offset of each; whoever owned them before is fenced out."""
        return await progress.take_partitions(self._pool, partitions, owner=owner)

    async def keep_house(self) -> Chores:
        """Do the chores; see housekeeping.keep_house."""
        return await housekeeping.keep_house(self._pool)

    async def retire(self, *, again_after_s: float) -> Round | Busy | None:
        """Remove a portion of what nobody reads any more; see retention.retire."""
        return await retention.retire(self._pool, again_after_s=again_after_s)

    async def announce(self, *, limit: int) -> int | None:
        """Tell a portion of people's scores once more, where that is due; see announcing.announce."""
        return await announcing.announce(self._pool, limit=limit)

    async def fold_notes(self) -> bool:
        """Add what chunks noted of their sources to what is known of them; see source_notes.fold_notes."""
        return await source_notes.fold_notes(self._pool)


class ReadDatabase:
    """What a reader needs of the database: snapshots, or the fact that it is away."""

    def __init__(self, settings: PostgresSettings, *, application: str) -> None:
        self._settings = settings
        self._application = application
        self._pool: asyncpg.Pool | None = None

    async def open(self) -> None:
        """Connect; raises UnavailableError while the server is away, ConfigurationError when it refuses us."""
        if self._pool is None:
            limits = {**LIMITS, "statement_timeout": f"{ANSWER_S:.0f}s"}
            self._pool = await open_pool(self._settings, application=self._application, limits=limits)

    async def close(self) -> None:
        """Close the connections, at once when they do not close in time."""
        if self._pool is None:
            return
        try:
            await asyncio.wait_for(self._pool.close(), ACQUIRE_S)
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """Open a snapshot; raises UnavailableError when the database is away, has no tables, or is too slow."""
        async with self._lent() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            say = Statements(connection)
            # Before the snapshot is taken: whoever swaps tallies waits for us or we for it, so that none are read as they
            # stood before they were whole.
            await say.run("read_whole_tallies")
            yield Snapshot(
                ProgressTable(say),
                EventTable(say, Caution()),
                LeafTable(say),
                PersonTable(say),
                TallyTable(say),
                AlertTable(say),
                FeltTable(say),
                SourceTables(say),
                ModelTable(say),
                ActivationTable(say),
                CensusTable(say),
                RebuildTable(say),
                RetentionTable(say),
                AccountTable(say),
                FactTable(say),
                AccountScoreTable(say),
                FollowingTable(say),
                AgeingTable(say),
            )

    @asynccontextmanager
    async def letters(self) -> AsyncIterator[DeadLetterTable]:
        """The dead letters, to read and to say what became of them, in one transaction; raises as `snapshot` does."""
        async with self._lent() as connection, connection.transaction():
            yield DeadLetterTable(Statements(connection))

    @asynccontextmanager
    async def work(self) -> AsyncIterator[WorkTables]:
        """What people do about alerts, to read and to change, in one transaction; raises as `snapshot` does."""
        async with self._lent() as connection, connection.transaction():
            say = Statements(connection)
            yield WorkTables(AlertWorkTable(say), IncidentTable(say))

    @asynccontextmanager
    async def webhooks(self) -> AsyncIterator[WebhookTables]:
        """The webhooks, to read and to change, in one transaction; raises as `snapshot` does."""
        async with self._lent() as connection, connection.transaction():
            yield WebhookTables(Statements(connection))

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[HouseConnection]:
        if self._pool is None:
            raise UnavailableError("Postgres has not answered yet")
        until_s = asyncio.get_running_loop().time() + ANSWER_S
        try:
            with present():
                async with lent(self._pool, within_s=ACQUIRE_S) as connection, cut_at(connection, until_s):
                    yield connection
        except ConfigurationError as error:
            raise UnavailableError(str(error)) from error
