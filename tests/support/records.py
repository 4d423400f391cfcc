"""A record of the log as a worker gets it."""

from __future__ import annotations

from typing import NamedTuple


class Record(NamedTuple):
    """One record, made by a test."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
