"""The models that score here: the database says which, and what each of them weighs by."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.aggregator.counting.cache import NameCache
from services.aggregator.counting.name_bounds import NameBounds
from services.aggregator.counting.numbering import Numbering
from services.aggregator.counting.ports import ChunkTransaction, ModelsPort, Store
from services.core.catalogue import Catalogue, Parameters
from services.core.dimensions import NOWHERE, Leaves
from services.core.thresholds import Thresholds
from services.infra.logs import get_logger
from services.state.models import InUse
from services.state.scores import Turn

log = get_logger(__name__)

HELD_MAX: Final = 3
"""The one that is read, the one that takes over, and the one before: each holds a weight for every leaf."""


class Weigher(NamedTuple):
    """What one model reads tallies by."""

    leaves: Leaves
    parameters: Parameters

    @property
    def thresholds(self) -> Thresholds:
        """From where on a fall is worth an alert."""
        return self.leaves.catalogue.thresholds


class Models:
    """What each model weighs by, read once; a number always stands for the same model."""

    def __init__(self, store: ModelsPort, catalogue: Catalogue, numbering: Numbering) -> None:
        self._store = store
        self._catalogue = catalogue
        self._numbering = numbering
        self._weighers: dict[int, Weigher] = {}

    @classmethod
    def of_stored(cls, store: Store, catalogue: Catalogue) -> Models:
        """Models for what is stored already: it has its leaves, and none is brought here."""
        numbering = Numbering(store, catalogue, NameCache(), NameBounds(trusted=0, public=0))
        return cls(store.models, catalogue, numbering)

    async def in_use(self, turn: Turn) -> InUse:
        """Which models score in this turn; of a database in which none does yet, our own catalogue's."""
        if turn.in_use is not None:
            return turn.in_use
        return InUse(await claim(self._store, self._catalogue), 0)

    async def weigher(self, model: int, numbers: NDArray[np.int64]) -> Weigher:
        """What a model weighs by; leaves with these numbers are among its own."""
        known = await self._numbering.cover(numbers)
        weigher = self._weighers.get(model)
        if weigher is None:
            weigher = await self._read(model)
        unknown = weigher.leaves.unknown(numbers)
        weigher.leaves.learn((number, known.triples[number]) for number in unknown.tolist())
        return weigher

    async def _read(self, model: int) -> Weigher:
        weighing = await self._store.weighing(model)
        while len(self._weighers) >= HELD_MAX:
            del self._weighers[next(iter(self._weighers))]
        own = self._numbering.leaves
        if weighing.version == self._catalogue.model_version:
            weigher = Weigher(own, self._catalogue.parameters)
        else:
            leaves = Leaves(self._catalogue.weighed_by(weighing))
            leaves.learn((number, leaf) for number, leaf in enumerate(own.triples) if leaf is not NOWHERE)
            weigher = Weigher(leaves, weighing.parameters)
        self._weighers[model] = weigher
        return weigher


class OwnModels:
    """Models of a task beside the counting, for as long as it has something to do."""

    def __init__(self, store: Store, catalogue: Catalogue) -> None:
        self._store = store
        self._catalogue = catalogue
        self._models: Models | None = None
        self._generation = ""

    def of(self, transaction: ChunkTransaction) -> Models:
        """Those of this transaction's database; numbers that were read of another one mean nothing."""
        if self._models is None or transaction.generation != self._generation:
            self._generation = transaction.generation
            self._models = Models.of_stored(self._store, self._catalogue)
        return self._models

    def forget(self) -> None:
        """Drop them: a weight for every leaf is nothing to keep until the next time."""
        self._models = None


async def claim(store: ModelsPort, catalogue: Catalogue) -> int:
    """Let our own catalogue's model weigh if none does, and say so when another one does."""
    own = await store.keep(catalogue.weighing)
    active = await store.claim(own)
    if active != own:
        log.warning(
            "own_model_not_active",
            own=catalogue.model_version,
            fix="scores stay as the active model reads them: `tactus model activate` lets this catalogue's weigh",
        )
    return active
