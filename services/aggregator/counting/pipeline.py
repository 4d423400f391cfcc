"""A chunk's way from records to scores: decode it, then one fenced transaction."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Self, TypeVar

from schemas import dead_letter
from schemas.topics import DLQ
from services.aggregator.counting import observe
from services.aggregator.counting.batch import Batch, Dead, read_chunk
from services.aggregator.counting.cache import NameCache, PersonCache
from services.aggregator.counting.dedup import Sifted, store_new
from services.aggregator.counting.event_rows import EventColumns
from services.aggregator.counting.linking import Linker, follow
from services.aggregator.counting.numbering import Directory, Names
from services.aggregator.counting.records import Poison
from services.aggregator.counting.scorekeeping import Model, Scored, StaleNamesError, keep_scores
from services.aggregator.processor import Bounds, Chunk, Partition, Record
from services.core.catalogue import Catalogue
from services.infra import metrics
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import Clock, SystemClock
from services.infra.errors import ConfigurationError, FencedError
from services.infra.logs import get_logger
from services.infra.settings import Settings
from services.state.store import RETRYABLE, Store
from services.state.transaction import Counts, LinkRow, Transaction

log = get_logger(__name__)

PAUSES_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Between attempts while Postgres is away: quick after a hiccup, no storm of connections in an outage."""

STALE_MAX: Final = 20
"""Names that are stale twenty times in a row are a fault of ours, not a neighbour that links."""

HOUSEKEEPING_S: Final = 3600.0
"""The months are made two ahead, so an hour is often enough."""

HOUR_MS: Final = 3_600_000

T = TypeVar("T")


class _Done(NamedTuple):
    """A committed chunk."""

    counts: Counts
    dead: list[Dead]
    links: Sequence[LinkRow] = ()
    columns: EventColumns | None = None
    scored: Scored | None = None


class Pipeline:
    """The stream's Processor: state in Postgres, caches in memory, nothing of Kafka or Faust."""

    def __init__(self, store: Store, catalogue: Catalogue, *, model: int, cache_rows_max: int, clock: Clock) -> None:
        self._store = store
        self._catalogue = catalogue
        self._model = model
        self._clock = clock
        self._epochs: dict[Partition, int] = {}
        self._cache = PersonCache(rows_max=cache_rows_max)
        self._names_known = NameCache()
        self._names = Names(store, catalogue, self._names_known)
        self._linker = Linker()
        self._chores: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, settings: Settings) -> Self:
        """Connect, number the model, start the chores; raises UnavailableError."""
        catalogue = load_catalogue(settings.catalogue)
        store = await Store.open(settings.postgres, lanes=settings.aggregator.lanes)
        model = await store.use_model(catalogue.model_version)
        rows_max = settings.aggregator.cache_rows_max
        pipeline = cls(store, catalogue, model=model, cache_rows_max=rows_max, clock=SystemClock())
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
        for partition in partitions:
            self._epochs.pop(partition, None)

    async def take_ownership(self, bounds: Mapping[Partition, Bounds]) -> Mapping[Partition, int]:
        """Raise the epochs and tell where to read on; see ports.Processor for what it refuses."""
        starts = {partition: bound.earliest for partition, bound in bounds.items()}
        owner = f"{socket.gethostname()}/{os.getpid()}"
        positions = await self._patiently(lambda: self._store.take(starts, owner=owner))
        found = [
            await self._trouble(partition, bounds[partition], position.next)
            for partition, position in positions.items()
        ]
        if troubles := [trouble for trouble in found if trouble]:
            raise ConfigurationError("\n".join(troubles))
        for partition, position in positions.items():
            self._epochs[partition] = position.epoch
        return {partition: position.next for partition, position in positions.items()}

    async def process(self, chunk: Chunk) -> None:
        """Count the chunk once, whatever happens on the way; see ports.Processor."""
        started_us = self._clock.now_us()
        if chunk.records[0].offset > chunk.first:
            lost = chunk.records[0].offset - chunk.first
            raise ConfigurationError(await self._note_lost((chunk.topic, chunk.part), records=lost))
        if chunk.topic == DLQ:
            batch, origin = refused(chunk), "ingest"
        else:
            batch, origin = (read_chunk(chunk, catalogue=self._catalogue, known=self._names_known.known), "aggregator")
        done = await self._commit(chunk, batch, origin=origin)
        self._linker.stored(done.links)
        if done.scored:
            for person, state in done.scored.states.items():
                self._cache.put(person, state)
        self._observe(chunk, batch, done, started_us=started_us)

    async def _commit(self, chunk: Chunk, batch: Batch, *, origin: str) -> _Done:
        failures = stale = 0
        while True:
            directory: Directory = {}
            try:
                directory = await self._names.directory(batch.events)
                await self._names.learn_leaves(batch.events)
                return await self._transact(chunk, batch, directory=directory, origin=origin, again=failures > 0)
            except StaleNamesError:
                stale += 1
                if stale > STALE_MAX:
                    raise
                self._names.forget(directory)
            except RETRYABLE as error:
                log.warning("chunk_retried", topic=chunk.topic, part=chunk.part, error=type(error).__name__)
                await asyncio.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
                failures += 1

    async def _transact(self, chunk: Chunk, batch: Batch, *, directory: Directory, origin: str, again: bool) -> _Done:
        # The common case is assumed by the fence and corrected below: every event is new, every twin a duplicate.
        counts = Counts(applied=len(batch.events), duplicate=len(batch.twins), dead=len(batch.dead))
        epoch = self._epochs.get((chunk.topic, chunk.part), -1)
        async with self._store.transaction() as transaction:
            if not await transaction.fence(chunk, epoch=epoch, counts=counts):
                if again and await self._landed(chunk, epoch=epoch):
                    return _Done(counts, [])
                raise FencedError(f"{chunk.topic}/{chunk.part} at {chunk.first} belongs to another worker")
            sifted = await store_new(transaction, batch, directory=directory, leaf_number=self._names.leaf_number)
            found = Counts(len(sifted.fresh), sifted.duplicates, len(sifted.conflicts), counts.dead)
            if found != counts:
                await transaction.recount(chunk, duplicate=found.duplicate - counts.duplicate, conflict=found.conflict)
                counts = found
            dead = [*batch.dead, *sifted.conflicts]
            if dead:
                await transaction.add_dead(chunk, dead, origin=origin)
            if not sifted.fresh:
                return _Done(counts, dead)
            return await self._count(transaction, chunk, sifted, _Done(counts, dead), directory)

    async def _count(
        self, transaction: Transaction, chunk: Chunk, sifted: Sifted, done: _Done, directory: Directory
    ) -> _Done:
        links = self._linker.news(sifted.fresh, directory)
        scored = await keep_scores(
            transaction,
            sifted.columns,
            moves=await follow(transaction, links) if links else [],
            cache=self._cache,
            model=Model(self._names.cover, self._catalogue.parameters, self._model),
            at_hour=max(record.timestamp for record in chunk.records) // HOUR_MS,
        )
        return done._replace(links=links, columns=sifted.columns, scored=scored)

    async def _landed(self, chunk: Chunk, *, epoch: int) -> bool:
        # The connection broke at COMMIT: the row itself tells whether the transaction took place.
        position = await self._store.position((chunk.topic, chunk.part))
        return position is not None and position.epoch == epoch and position.next == chunk.next

    async def _trouble(self, partition: Partition, bounds: Bounds, position: int) -> str | None:
        """What an operator must decide before the partition can be read; None when the position lies in the log."""
        if position > bounds.end:
            name = f"{partition[0]}/{partition[1]}"
            return (
                f"{name}: the stored position {position} lies beyond the log's end {bounds.end}, so the topic was made "
                f"anew. Restore the topic, or go on from its start with: tactus topics accept {name}"
            )
        if position < bounds.earliest:
            return await self._note_lost(partition, records=bounds.earliest - position)
        return None

    async def _note_lost(self, partition: Partition, *, records: int) -> str:
        name = f"{partition[0]}/{partition[1]}"
        await self._patiently(lambda: self._store.note_lost(partition, records=records))
        return (
            f"{name}: the log's retention removed {records} records before they were counted. "
            f"Go on without them with: tactus topics accept {name}"
        )

    async def _patiently(self, statement: Callable[[], Awaitable[T]]) -> T:
        failures = 0
        while True:
            try:
                return await statement()
            except RETRYABLE as error:
                log.warning("statement_retried", error=type(error).__name__)
                await asyncio.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
                failures += 1

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            await self._patiently(self._store.keep_house)

    def _observe(self, chunk: Chunk, batch: Batch, done: _Done, *, started_us: int) -> None:
        now_us = self._clock.now_us()
        observe.chunk_counted(chunk, started_us=started_us, now_us=now_us)
        observe.dead_lettered(done.dead)
        metrics.VALENCE_IGNORED.inc(batch.overridden)
        if done.columns and done.scored:
            observe.events_counted(done.columns, chunk=chunk, leaves=self._names.leaves, now_us=now_us)
            observe.scores_written(done.scored.overall.score)


def refused(chunk: Chunk) -> Batch:
    """What ingest refused, to be kept beside the worker's own dead letters."""
    return Batch([], [], [Dead(_reason(record), record) for record in chunk.records], 0)


def _reason(record: Record) -> Poison:
    told = {name: value.decode("utf-8", "replace") for name, value in record.headers}
    return Poison(
        told.get(dead_letter.REASON, "unknown"), told.get(dead_letter.DETAIL, ""), told.get(dead_letter.SOURCE)
    )
