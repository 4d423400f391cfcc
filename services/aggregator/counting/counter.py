"""Count one decoded chunk: a fenced transaction, tried again until it has taken place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from schemas.topics import LATE
from services.aggregator.counting.acting import note_contacts
from services.aggregator.counting.alerting import look, touch_of
from services.aggregator.counting.batch import Batch, Dead, set_aside
from services.aggregator.counting.cache import NameCache, PersonCache
from services.aggregator.counting.dedup import Sifted, store_new
from services.aggregator.counting.event_columns import EventColumns
from services.aggregator.counting.hearsay import ask_for_opinions
from services.aggregator.counting.holding import StaleNamesError
from services.aggregator.counting.keeping_facts import Noted, note_facts
from services.aggregator.counting.linking import Followed, Linker, follow
from services.aggregator.counting.models import Models
from services.aggregator.counting.name_bounds import NameBounds
from services.aggregator.counting.noting import note_of
from services.aggregator.counting.numbering import Directory, Numbering
from services.aggregator.counting.patience import pause
from services.aggregator.counting.ports import ChunkTransaction, Store
from services.aggregator.counting.scorekeeping import Kept, keep_scores
from services.aggregator.counting.telling_alerts import Step
from services.aggregator.processor import Chunk
from services.core.catalogue import Catalogue
from services.core.dimensions import Leaves
from services.infra.errors import FencedError, UnavailableError
from services.infra.kafka import mark_of
from services.infra.logs import get_logger
from services.state.links import LinkRow
from services.state.progress import Mark, Outcomes, Span

log = get_logger(__name__)

STALE_MAX: Final = 20
"""Names that are stale twenty times in a row are a fault of ours, not a neighbour that links."""

MS_US: Final = 1000


class Counted(NamedTuple):
    """A committed chunk."""

    outcomes: Outcomes
    dead: Sequence[Dead] = ()
    links: Sequence[LinkRow] = ()
    followed: Followed = Followed()
    columns: EventColumns | None = None
    kept: Kept | None = None
    alerts: Sequence[Step] = ()


class Counter:
    """Counts chunks, and remembers of the database what makes the next ones cheap."""

    def __init__(self, store: Store, catalogue: Catalogue, *, cache_rows_max: int, bounds: NameBounds) -> None:
        self._store = store
        self._catalogue = catalogue
        self._rows_max = cache_rows_max
        self._bounds = bounds
        self._generation: str | None = None
        self._forget_everything()

    @property
    def known_identities(self) -> Mapping[str, object]:
        """Identities that were vetted before."""
        return self._names.known

    @property
    def leaves(self) -> Leaves:
        """Every leaf that is known here."""
        return self._numbering.leaves

    async def count(self, chunk: Chunk, batch: Batch, *, origin: str, epoch: int) -> Counted:
        """Return when the chunk is counted; raises FencedError when another worker owns its partition."""
        counted = await self._commit(_span_of(chunk), chunk, batch, origin=origin, epoch=epoch)
        self._linker.stored(counted.links)
        if counted.kept:
            self._persons.put_all(counted.kept.persons, tallies=counted.kept.tallies)
        return counted

    def _forget_everything(self) -> None:
        """Numbers and tallies that were read of another database mean nothing in this one."""
        self._persons = PersonCache(rows_max=self._rows_max)
        self._names = NameCache()
        self._numbering = Numbering(self._store, self._catalogue, self._names, self._bounds)
        self._models = Models(self._store.models, self._catalogue, self._numbering)
        self._linker = Linker()

    async def _commit(self, span: Span, chunk: Chunk, batch: Batch, *, origin: str, epoch: int) -> Counted:
        failures = stale = 0
        hold: frozenset[int] = frozenset()
        while True:
            directory: Directory = {}
            try:
                batch = await self._with_known_leaves(batch)
                directory = await self._numbering.directory(batch.events)
                async with self._store.transaction() as transaction:
                    self._check_generation(transaction)
                    return await self._transact(
                        transaction,
                        span,
                        chunk,
                        batch,
                        directory=directory,
                        origin=origin,
                        epoch=epoch,
                        again=failures > 0,
                        hold=hold,
                    )
            except StaleNamesError as error:
                stale += 1
                hold = (hold | error.persons) - error.gone
                if stale > STALE_MAX:
                    raise
                self._numbering.forget(directory)
            except UnavailableError as error:
                log.warning("chunk_retried", topic=chunk.topic, part=chunk.part, because=str(error))
                await pause(failures)
                failures += 1

    async def _with_known_leaves(self, batch: Batch) -> Batch:
        """Number the leaves; events whose leaf their source has no room for are dead."""
        while refused := await self._numbering.learn_leaves(batch.events):
            batch = set_aside(batch, refused, why=self._bounds.refusal)
        return batch

    def _check_generation(self, transaction: ChunkTransaction) -> None:
        """Raise StaleNamesError, with empty caches, when this is not the database that they were filled from."""
        if transaction.generation == self._generation:
            return
        former, self._generation = self._generation, transaction.generation
        if former is not None:
            log.warning("database_changed", former=former, present=self._generation)
            self._forget_everything()
            raise StaleNamesError

    async def _transact(  # noqa: PLR0913 - one way through, from the fence to the scores
        self,
        transaction: ChunkTransaction,
        span: Span,
        chunk: Chunk,
        batch: Batch,
        *,
        directory: Directory,
        origin: str,
        epoch: int,
        again: bool,
        hold: frozenset[int],
    ) -> Counted:
        # The common case is assumed by the fence and corrected below: every event is new, every twin a duplicate.
        outcomes = Outcomes(applied=len(batch.events), duplicate=len(batch.twins), dead=len(batch.dead))
        if not await transaction.progress.fence(span, epoch=epoch, outcomes=outcomes):
            if again and await self._landed(span, epoch=epoch):
                return Counted(outcomes)
            raise FencedError(f"{chunk.topic}/{chunk.part} at {chunk.first} belongs to another worker")
        leaf_number = self._numbering.leaf_number
        sifted = await store_new(transaction.events, batch, directory=directory, leaf_number=leaf_number)
        duplicate = sifted.duplicates - outcomes.duplicate
        if duplicate or sifted.conflicts:
            await transaction.progress.recount(span, duplicate=duplicate, conflict=len(sifted.conflicts))
            outcomes = Outcomes(len(sifted.fresh), sifted.duplicates, len(sifted.conflicts), outcomes.dead)
        dead = [*batch.dead, *sifted.conflicts]
        if dead:
            letters = [one.letter for one in dead]
            await transaction.dead_letters.add((chunk.topic, chunk.part), letters, origin=origin)
        note = note_of(chunk, sifted.fresh, dead, declared=self._catalogue.entries)
        if note is not None:
            await transaction.notes.add(note)
        counted = Counted(outcomes, dead)
        if not sifted.fresh:
            return counted
        noted = await note_facts(transaction, sifted)
        links = self._linker.news(sifted.fresh, directory)
        touched = {*sifted.columns.person.tolist(), *noted.concerned.values(), *hold}
        followed = await follow(transaction, links, touched=touched, cache=self._persons) if links else Followed()
        kept = await self._score(transaction, chunk, sifted, noted, followed)
        after = {move.identity: move.after for move in followed.moves}
        touch = touch_of(kept.occasion, sifted.fresh, sifted.columns, after)
        alerts = await look(transaction, kept.occasion, touch)
        await ask_for_opinions(transaction, sifted, stake=kept.place_past)
        await note_contacts(transaction.accounts, sifted.fresh, sifted.columns)
        await transaction.account_scores.mark([*kept.persons])
        return counted._replace(links=links, followed=followed, columns=sifted.columns, kept=kept, alerts=alerts)

    async def _score(
        self, transaction: ChunkTransaction, chunk: Chunk, sifted: Sifted, noted: Noted, followed: Followed
    ) -> Kept:
        return await keep_scores(
            transaction,
            sifted.columns,
            noted=noted,
            followed=followed,
            cache=self._persons,
            models=self._models,
            at_us=max(record.timestamp for record in chunk.records) * MS_US,
            late=chunk.topic == LATE,
        )

    async def _landed(self, span: Span, *, epoch: int) -> bool:
        # The connection broke at COMMIT: the row itself tells whether the transaction took place.
        position = await self._store.progress.position((span.topic, span.part))
        return position is not None and position.epoch == epoch and position.next == span.next


def _span_of(chunk: Chunk) -> Span:
    last = chunk.records[-1] if chunk.records else None
    return Span(
        chunk.topic,
        chunk.part,
        chunk.first,
        chunk.next,
        skipped=chunk.next - chunk.first - len(chunk.records),
        mark=None if last is None else Mark(last.offset, mark_of(last)),
    )
