"""Records that cannot be counted, whole, each with its reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from schemas.topics import Partition
from services.state.pool import Statements


class DeadLetter(NamedTuple):
    """A record that is not counted, and why."""

    reason: str
    detail: str
    source: str | None
    event_id: str | None
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class DeadLetterTable:
    """The statements of `dead_letter`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def add(self, partition: Partition, letters: Sequence[DeadLetter], *, origin: str) -> None:
        """Keep the letters; one that is kept already stays as it is."""
        await self._say.run(
            "add_dead",
            origin,
            *partition,
            [_storable(one.reason) for one in letters],
            [_storable(one.detail) for one in letters],
            [one.offset for one in letters],
            [_storable(one.source) for one in letters],
            [_storable(one.event_id) for one in letters],
            [one.key for one in letters],
            [one.value for one in letters],
            [_headers(one.headers) for one in letters],
        )


def _storable(text: str | None) -> str | None:
    # Postgres text holds no U+0000 and no lone surrogate; the record itself is kept beside, byte for byte.
    if text is None:
        return None
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")


def _headers(headers: Sequence[tuple[str, bytes | None]]) -> str:
    pairs = [
        [_storable(name), _storable((value or b"").decode("utf-8", "backslashreplace"))] for name, value in headers
    ]
    return json.dumps(pairs)
