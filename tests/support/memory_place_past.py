"""Orders that wait for what is heard of their place, in memory, by the rules of the real table."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from services.core.hearsay import Opinion
from services.core.instants import micros_of
from services.state.place_past import Awaited, OrderAtPlace

if TYPE_CHECKING:
    from tests.support.memory_store import MemoryStore


@dataclass
class AwaitedState:
    """One row."""

    order: OrderAtPlace
    stake: float
    opinion: Opinion | None = None
    leased_until_s: float = 0.0


class MemoryPlacePast:
    """The statements of the table."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def ask(self, orders: Sequence[OrderAtPlace], *, stake: float) -> None:
        for order in orders:
            self._rows.setdefault(order.key, AwaitedState(order, stake))

    async def lease(self, *, limit: int, lease_s: float) -> list[Awaited]:
        now_s = time.monotonic()
        free = [row for row in self._rows.values() if row.leased_until_s <= now_s]
        free.sort(key=lambda row: (row.leased_until_s, row.order.key))
        for row in free[:limit]:
            row.leased_until_s = now_s + lease_s
        return [self._awaited(row) for row in free[:limit]]

    async def write(self, opinions: Mapping[UUID, Opinion]) -> None:
        for key, opinion in opinions.items():
            self._rows[key].opinion = opinion

    async def remove(self, keys: Sequence[UUID]) -> None:
        for key in keys:
            self._rows.pop(key, None)

    @property
    def _rows(self) -> dict[UUID, AwaitedState]:
        return self._store.state.awaited

    def _awaited(self, row: AwaitedState) -> Awaited:
        order, state = row.order, self._store.state
        [named] = self._store.rows([order.identity])
        stored = (micros_of(order.occurred_at), order.key.bytes) in state.events
        heard = order.key.bytes in state.seen or stored
        return Awaited(
            order.key, order.event_id, named.value, order.place, order.occurred_at, row.stake, row.opinion, heard
        )
