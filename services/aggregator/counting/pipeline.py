"""A chunk's way from records to scores: decode it, then one fenced transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Self

from schemas.topics import DLQ, Partition
from services.aggregator.counting import observe
from services.aggregator.counting.batch import Batch, Dead, read_chunk, refused_by_ingest
from services.aggregator.counting.cache import NameCache, PersonCache
from services.aggregator.counting.dedup import Sifted, store_new
from services.aggregator.counting.event_columns import EventColumns
from services.aggregator.counting.linking import Linker, follow
from services.aggregator.counting.numbering import Directory, Numbering
from services.aggregator.counting.ownership import Ownership
from services.aggregator.counting.patience import patiently, pause
from services.aggregator.counting.ports import ChunkTransaction, Store
from services.aggregator.counting.scorekeeping import Kept, Model, StaleNamesError, keep_scores
from services.aggregator.processor import Bounds, Chunk
from services.core.catalogue import Catalogue
from services.infra import metrics
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import Clock, SystemClock
from services.infra.errors import FencedError, UnavailableError
from services.infra.logs import get_logger
from services.infra.settings import Settings
from services.state.database import Database
from services.state.links import LinkRow
from services.state.progress import Outcomes, Span

log = get_logger(__name__)

STALE_MAX: Final = 20
"""Names that are stale twenty times in a row are a fault of ours, not a neighbour that links."""

HOUSEKEEPING_S: Final = 3600.0
"""The months are made two ahead, so an hour is often enough."""

HOUR_MS: Final = 3_600_000


class _Done(NamedTuple):
    """A committed chunk."""

    outcomes: Outcomes
    dead: Sequence[Dead]
    links: Sequence[LinkRow] = ()
    columns: EventColumns | None = None
    kept: Kept | None = None


class Pipeline:
    """The stream's Processor: state in the store, caches in memory, nothing of Kafka or Faust."""

    def __init__(self, store: Store, catalogue: Catalogue, *, model: int, cache_rows_max: int, clock: Clock) -> None:
        self._store = store
        self._catalogue = catalogue
        self._model = model
        self._clock = clock
        self._ownership = Ownership(store)
        self._cache = PersonCache(rows_max=cache_rows_max)
        self._names_known = NameCache()
        self._numbering = Numbering(store.identities, store.leaves, catalogue, self._names_known)
        self._linker = Linker()
        self._chores: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, settings: Settings) -> Self:
        """Connect, number the model, start the chores; raises UnavailableError."""
        store = await Database.open(settings.postgres, lanes=settings.aggregator.lanes)
        rows_max = settings.aggregator.cache_rows_max
        return await cls.on(store, load_catalogue(settings.catalogue), cache_rows_max=rows_max, clock=SystemClock())

    @classmethod
    async def on(cls, store: Store, catalogue: Catalogue, *, cache_rows_max: int, clock: Clock) -> Self:
        """Number the model and start the chores on an open store."""
        model = await store.models.use(catalogue.model_version)
        pipeline = cls(store, catalogue, model=model, cache_rows_max=cache_rows_max, clock=clock)
        await store.keep_house()
        pipeline._chores = asyncio.create_task(pipeline._keep_house())
        return pipeline

    async def close(self) -> None:
        """Stop the chores and close the connections."""
        if self._chores:
            self._chores.cancel()
            await asyncio.gather(self._chores, return_exceptions=True)
        await self._store.close()

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop the epochs; cached persons are guarded by their versions."""
        self._ownership.forget(partitions)

    async def take_ownership(self, bounds: Mapping[Partition, Bounds]) -> Mapping[Partition, int]:
        """Raise the epochs and tell where to read on; see processor.Processor for what it refuses."""
        return await self._ownership.take(bounds)

    async def process(self, chunk: Chunk) -> None:
        """Count the chunk once, whatever happens on the way; see processor.Processor."""
        started_us = self._clock.now_us()
        if chunk.records[0].offset > chunk.first:
            lost = chunk.records[0].offset - chunk.first
            raise await self._ownership.lost((chunk.topic, chunk.part), records=lost)
        if chunk.topic == DLQ:
            batch, origin = refused_by_ingest(chunk), "ingest"
        else:
            batch, origin = read_chunk(chunk, catalogue=self._catalogue, known=self._names_known.known), "aggregator"
        done = await self._commit(chunk, batch, origin=origin)
        self._linker.stored(done.links)
        if done.kept:
            for person, state in done.kept.persons.items():
                self._cache.put(person, state)
        self._observe(chunk, batch, done, started_us=started_us)

    async def _commit(self, chunk: Chunk, batch: Batch, *, origin: str) -> _Done:
        failures = stale = 0
        while True:
            directory: Directory = {}
            try:
                directory = await self._numbering.directory(batch.events)
                await self._numbering.learn_leaves(batch.events)
                return await self._transact(chunk, batch, directory=directory, origin=origin, again=failures > 0)
            except StaleNamesError:
                stale += 1
                if stale > STALE_MAX:
                    raise
                self._numbering.forget(directory)
            except UnavailableError as error:
                log.warning("chunk_retried", topic=chunk.topic, part=chunk.part, because=str(error))
                await pause(failures)
                failures += 1

    async def _transact(self, chunk: Chunk, batch: Batch, *, directory: Directory, origin: str, again: bool) -> _Done:
        # The common case is assumed by the fence and corrected below: every event is new, every twin a duplicate.
        outcomes = Outcomes(applied=len(batch.events), duplicate=len(batch.twins), dead=len(batch.dead))
        span = Span(chunk.topic, chunk.part, chunk.first, chunk.next)
        epoch = self._ownership.epoch((chunk.topic, chunk.part))
        async with self._store.transaction() as transaction:
            if not await transaction.progress.fence(span, epoch=epoch, outcomes=outcomes):
                if again and await self._landed(span, epoch=epoch):
                    return _Done(outcomes, [])
                raise FencedError(f"{chunk.topic}/{chunk.part} at {chunk.first} belongs to another worker")
            leaf_number = self._numbering.leaf_number
            sifted = await store_new(transaction.events, batch, directory=directory, leaf_number=leaf_number)
            duplicate = sifted.duplicates - outcomes.duplicate
            if duplicate or sifted.conflicts:
                await transaction.progress.recount(span, duplicate=duplicate, conflict=len(sifted.conflicts))
                found = (len(sifted.fresh), sifted.duplicates, len(sifted.conflicts), outcomes.dead)
                outcomes = Outcomes(*found)
            dead = [*batch.dead, *sifted.conflicts]
            if dead:
                letters = [one.letter for one in dead]
                await transaction.dead_letters.add((chunk.topic, chunk.part), letters, origin=origin)
            done = _Done(outcomes, dead)
            return await self._count(transaction, chunk, sifted, done, directory) if sifted.fresh else done

    async def _count(
        self, transaction: ChunkTransaction, chunk: Chunk, sifted: Sifted, done: _Done, directory: Directory
    ) -> _Done:
        links = self._linker.news(sifted.fresh, directory)
        kept = await keep_scores(
            transaction,
            sifted.columns,
            moves=await follow(transaction, links) if links else [],
            cache=self._cache,
            model=Model(self._numbering.cover, self._catalogue.parameters, self._model),
            at_hour=max(record.timestamp for record in chunk.records) // HOUR_MS,
        )
        return done._replace(links=links, columns=sifted.columns, kept=kept)

    async def _landed(self, span: Span, *, epoch: int) -> bool:
        # The connection broke at COMMIT: the row itself tells whether the transaction took place.
        position = await self._store.progress.position((span.topic, span.part))
        return position is not None and position.epoch == epoch and position.next == span.next

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            await patiently(self._store.keep_house)

    def _observe(self, chunk: Chunk, batch: Batch, done: _Done, *, started_us: int) -> None:
        now_us = self._clock.now_us()
        observe.chunk_counted(chunk, started_us=started_us, now_us=now_us)
        observe.dead_lettered(done.dead)
        metrics.VALENCE_IGNORED.inc(batch.overridden)
        if done.columns and done.kept:
            observe.events_counted(done.columns, chunk=chunk, leaves=self._numbering.leaves, now_us=now_us)
            observe.scores_written(done.kept.overall.score)
