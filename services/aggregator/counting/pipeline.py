"""A chunk's way from records to scores: decode it, then one fenced transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final, Self

from schemas.topics import DLQ, EVENT_TOPICS, Partition
from services.aggregator.counting import observe
from services.aggregator.counting.announcing import Announcing
from services.aggregator.counting.batch import Batch, read_chunk, refused_by_ingest, unforeseen
from services.aggregator.counting.census_taking import CensusTaking
from services.aggregator.counting.chores import Chores
from services.aggregator.counting.closing_alerts import ClosingAlerts
from services.aggregator.counting.counter import Counted, Counter
from services.aggregator.counting.filling import Filling
from services.aggregator.counting.folding import Folding
from services.aggregator.counting.forgetting import Forgetting
from services.aggregator.counting.hearsay import Hearsay, OpenLog
from services.aggregator.counting.lag import Lag
from services.aggregator.counting.models import claim
from services.aggregator.counting.name_bounds import NameBounds
from services.aggregator.counting.ownership import Ownership
from services.aggregator.counting.pieces import by_days, halves
from services.aggregator.counting.ports import Log, Store
from services.aggregator.counting.refreshing import Refreshing
from services.aggregator.counting.scoring_accounts import ScoringAccounts
from services.aggregator.counting.sweeping import Sweeping
from services.aggregator.opinion_log import open_opinion_log
from services.aggregator.processor import Bounds, Chunk
from services.core.catalogue import Catalogue
from services.infra import metrics
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import Clock, SystemClock
from services.infra.errors import InvalidEventError
from services.infra.kafka import KafkaLog
from services.infra.logs import get_logger
from services.infra.settings import AggregatorSettings, Settings
from services.state.database import Database

log = get_logger(__name__)

UNREADABLE: Final = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What bytes that nobody foresaw may raise while they are read: nothing but our own code and they have a part in it."""

UNSTORABLE: Final = (InvalidEventError, OverflowError, UnicodeError)
"""What values that the database cannot hold raise on their way there. Not more: a connection that is killed in the
middle of a word leaves errors of many kinds, and none of them is the fault of a record."""

UNFORESEEN_MAX: Final = 20
"""In one chunk; more than these are no strange records but a fault of ours, and setting events aside would lose them."""


class Pipeline:
    """The stream's Processor: state in the store, caches in memory, nothing of Kafka or Faust."""

    def __init__(  # noqa: PLR0913 -- all that it is built from
        self,
        store: Store,
        log_: Log,
        catalogue: Catalogue,
        counter: Counter,
        clock: Clock,
        *,
        segments: str,
        open_log: OpenLog | None,
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._counter = counter
        self._clock = clock
        self._ownership = Ownership(store, log_)
        self._chores = Chores(store)
        self._folding = Folding(store)
        self._filling = Filling(store, catalogue)
        lag = Lag(store, log_)
        self._sweeping = Sweeping(store, catalogue, clock, lag)
        self._closing = ClosingAlerts(store, catalogue, clock, lag)
        self._refreshing = Refreshing(store, catalogue, clock)
        self._census = CensusTaking(store, catalogue, clock, segments=segments)
        self._forgetting = Forgetting(store)
        self._announcing = Announcing(store)
        self._companies = ScoringAccounts(store, catalogue, lag)
        self._hearsay = None if open_log is None else Hearsay(store, clock, open_log=open_log)

    @classmethod
    async def open(cls, settings: Settings) -> Self:
        """Connect, see to it that a model weighs, start the chores; raises UnavailableError."""
        store = await Database.open(settings.postgres, lanes=settings.aggregator.lanes)
        kafka = KafkaLog(settings.kafka, (*EVENT_TOPICS, DLQ))
        catalogue, rows_max = load_catalogue(settings.catalogue), settings.aggregator.cache_rows_max
        bounds, segments = NameBounds.of(settings.aggregator), settings.aggregator.segments
        clock = SystemClock()
        return await cls.on(
            store,
            kafka,
            catalogue,
            cache_rows_max=rows_max,
            clock=clock,
            bounds=bounds,
            segments=segments,
            open_log=partial(open_opinion_log, settings.kafka),
        )

    @classmethod
    async def on(  # noqa: PLR0913 -- all that it is built from
        cls,
        store: Store,
        log_: Log,
        catalogue: Catalogue,
        *,
        cache_rows_max: int,
        clock: Clock,
        bounds: NameBounds | None = None,
        segments: str = "",
        open_log: OpenLog | None = None,
    ) -> Self:
        """Let the catalogue's model weigh if none does, and start the chores on an open store; bounds are those of the settings' defaults."""
        await claim(store.models, catalogue)
        bounds = bounds or NameBounds.of(AggregatorSettings())
        counter = Counter(store, catalogue, cache_rows_max=cache_rows_max, bounds=bounds)
        pipeline = cls(store, log_, catalogue, counter, clock, segments=segments, open_log=open_log)
        await pipeline._chores.start()
        pipeline._folding.start()
        pipeline._filling.start()
        pipeline._census.start()
        pipeline._forgetting.start()
        pipeline._announcing.start()
        pipeline._sweeping.start()
        pipeline._refreshing.start()
        pipeline._closing.start()
        pipeline._companies.start()
        if pipeline._hearsay is not None:
            pipeline._hearsay.start()
        return pipeline

    async def close(self) -> None:
        """Stop the chores and close the connections."""
        if self._hearsay is not None:
            await self._hearsay.stop()
        await self._census.stop()
        await self._companies.stop()
        await self._announcing.stop()
        await self._forgetting.stop()
        await self._closing.stop()
        await self._sweeping.stop()
        await self._refreshing.stop()
        await self._filling.stop()
        await self._folding.stop()
        await self._chores.stop()
        await self._store.close()

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop the epochs; cached persons are guarded by their versions."""
        self._ownership.forget(partitions)

    async def take_ownership(self, bounds: Mapping[Partition, Bounds]) -> Mapping[Partition, int]:
        """Raise the epochs and tell where to read on; see processor.Processor for what it refuses."""
        return await self._ownership.take(bounds)

    async def process(self, chunk: Chunk) -> None:
        """Count the chunk once, whatever happens on the way; see processor.Processor."""
        if chunk.lost:
            raise await self._ownership.lost((chunk.topic, chunk.part), records=chunk.lost)
        strangers = [0]
        for piece in by_days(chunk):
            await self._count(piece, strangers)

    async def _count(self, chunk: Chunk, strangers: list[int]) -> None:
        """Count a piece; a record that ends its counting by an error nobody foresaw is set aside by itself."""
        stranger = await self._tried(chunk)
        if stranger is None:
            return
        if len(chunk.records) > 1:
            for half in halves(chunk):
                await self._count(half, strangers)
            return
        strangers[0] += 1
        if strangers[0] > UNFORESEEN_MAX or not chunk.records:
            raise stranger
        # Without the stack: it would show the record, and whom it is about.
        told = {"topic": chunk.topic, "part": chunk.part, "offset": chunk.first, "error": type(stranger).__name__}
        log.error("record_set_aside", **told)
        await self._commit(chunk, unforeseen(chunk.records[0], stranger), origin="aggregator")

    async def _tried(self, chunk: Chunk) -> Exception | None:
        """Count a piece, or tell what foreign bytes have raised; then nothing of it is counted."""
        try:
            batch, origin = self._read(chunk)
        except UNREADABLE as error:
            return error
        try:
            await self._commit(chunk, batch, origin=origin)
        except UNSTORABLE as error:
            return error
        return None

    async def _commit(self, chunk: Chunk, batch: Batch, *, origin: str) -> None:
        started_us = self._clock.now_us()
        epoch = self._ownership.epoch((chunk.topic, chunk.part))
        counted = await self._counter.count(chunk, batch, origin=origin, epoch=epoch)
        self._observe(chunk, batch, counted, started_us=started_us)

    def _read(self, chunk: Chunk) -> tuple[Batch, str]:
        if chunk.topic == DLQ:
            return refused_by_ingest(chunk), "ingest"
        return read_chunk(chunk, catalogue=self._catalogue, known=self._counter.known_identities), "aggregator"

    def _observe(self, chunk: Chunk, batch: Batch, counted: Counted, *, started_us: int) -> None:
        now_us = self._clock.now_us()
        observe.chunk_counted(chunk, started_us=started_us, now_us=now_us)
        observe.dead_lettered(counted.dead)
        observe.links_followed(counted.followed)
        observe.alerts_told(counted.alerts)
        metrics.VALENCE_IGNORED.inc(batch.overridden)
        if counted.columns and counted.kept:
            observe.events_counted(counted.columns, chunk=chunk, leaves=self._counter.leaves, now_us=now_us)
            observe.scores_written(counted.kept.overall.score)
