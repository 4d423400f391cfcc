"""Which of a customer's usual sources are silent: what happens there is not in the score. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Final

EVENTS_LOOKED_AT: Final = 200
"""The newest of a customer: some weeks of a busy one, and less than a millisecond to read."""

LOOKED_BACK: Final = timedelta(days=90)
"""What is older is no habit any more; the longest window of a score."""

USUAL_SHARE: Final = 10
"""A source is usual that brought one of so many events or more."""


def stale(silent: Collection[str], brought: Mapping[str, int]) -> list[str]:
    """Name the silent sources among those that usually tell of a customer, in order of their names."""
    every = sum(brought.values())
    return sorted(name for name in silent if brought.get(name, 0) * USUAL_SHARE >= every > 0)


def mark_of(silent: Collection[str]) -> str:
    """Tell one set of silent sources from another, in few characters: for a copy that may say otherwise."""
    return hashlib.sha256(" ".join(sorted(silent)).encode()).hexdigest()[:8]
