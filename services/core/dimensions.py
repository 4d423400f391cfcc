"""What a score can be read along, and leaves (touchpoint, channel, place) as numbers with the arrays for that."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from services.core.catalogue import Catalogue, Entry


class Leaf(NamedTuple):
    """Where an impression was made; place is kind/value or empty."""

    touchpoint: str
    channel: str
    place: str


DIMENSIONS: Final[Mapping[str, Callable[[Leaf, Entry], str]]] = MappingProxyType(
    {
        "touchpoint": lambda leaf, _: leaf.touchpoint,
        "channel": lambda leaf, _: leaf.channel,
        "stage": lambda _, entry: entry.stage,
        "category": lambda _, entry: entry.category,
        "driver": lambda _, entry: entry.driver,
        "control": lambda _, entry: entry.control,
        "place": lambda leaf, _: leaf.place,
    }
)
"""What a score can be read along: each row is a filter on leaves; an empty value is no value."""


@dataclass(frozen=True, eq=False)
class Leaves:
    """Numbered leaves: a leaf's number is its position here."""

    triples: tuple[Leaf, ...]
    entries: tuple[Entry, ...]
    weight: NDArray[np.float64]
    rank: NDArray[np.int64]

    @classmethod
    def of(cls, catalogue: Catalogue, triples: Iterable[tuple[str, str, str]]) -> Leaves:
        """Number the leaves as they come. Rank is the position in text order, which fixes the order of sums."""
        leaves = tuple(Leaf(*triple) for triple in triples)
        entries = tuple(catalogue.entry(leaf.touchpoint) for leaf in leaves)
        rank = np.empty(len(leaves), dtype=np.int64)
        rank[sorted(range(len(leaves)), key=leaves.__getitem__)] = np.arange(len(leaves))
        weight = np.array([entry.weight for entry in entries], dtype=np.float64)
        return cls(triples=leaves, entries=entries, weight=weight, rank=rank)

    def __len__(self) -> int:
        """Tell how many leaves are numbered."""
        return len(self.triples)

    @cached_property
    def ranked(self) -> bool:
        """Tell whether the numbers already follow text order, so that sorted tallies need no second sort."""
        return bool((self.rank == np.arange(len(self.rank))).all())

    @cached_property
    def _dimensions(self) -> dict[str, tuple[NDArray[np.int64], tuple[str, ...]]]:
        return {}

    def dimension(self, name: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        """Give each leaf the code of its value along a dimension, and the values by code in text order."""
        known = self._dimensions.get(name)
        if known is None:
            known = self._dimensions[name] = self._coded(name)
        return known

    def _coded(self, name: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        value_of = DIMENSIONS[name]
        words = [value_of(leaf, entry) for leaf, entry in zip(self.triples, self.entries, strict=True)]
        values = tuple(sorted(set(words)))
        code_of = {value: code for code, value in enumerate(values)}
        return np.array([code_of[word] for word in words], dtype=np.int64), values
