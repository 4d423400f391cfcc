"""A shop whose customers' events a worker's pipeline counts, chunk after chunk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from schemas.instant import write_instant
from services.aggregator.counting.pipeline import Pipeline
from tests.support.chunks import chunk, event

START: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
AT_MS: Final = int((START + timedelta(days=1)).timestamp() * 1000)


class Shop:
    """Counts events of named people."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._next = 0

    async def count(self, *people: Sequence[str], touchpoint: str = "order.completed") -> None:
        """One chunk: an event for each, of whoever it names."""
        values = [
            event(
                f"e-{self._next + place}",
                time=write_instant(START + timedelta(seconds=self._next + place)),
                identities=names,
                touchpoint=touchpoint,
                envelope={"keykind": "server"},
            )
            for place, names in enumerate(people)
        ]
        await self._pipeline.process(chunk(values, first=self._next, at_ms=AT_MS))
        self._next += len(values)
