"""How the cost of a work grows with its input: a ratio, so that a slow machine changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

TIMES_LONGER: Final = 16

LINEAR_MAX: Final = 80
"""Work that is linear costs 16 times as much, quadratic work 256 times."""


def growth(work: Callable[[bytes], object], piece: bytes, *, size: int = 64 * 1024) -> float:
    """Tell how many times the work costs on a text made of the piece when it is sixteen times as long."""
    short = piece * (size // len(piece))
    return _cost(work, short * TIMES_LONGER) / _cost(work, short)


def _cost(work: Callable[[bytes], object], text: bytes) -> int:
    # The least of a few runs' processor time: other programs do not disturb it.
    taken = []
    for _ in range(3):
        started = time.process_time_ns()
        work(text)
        taken.append(time.process_time_ns() - started)
    return max(1, min(taken))
