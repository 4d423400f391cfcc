"""How often things are tried: FAULT_SCALE multiplies the usual counts, FAULT_SEED repeats a run's choices."""

from __future__ import annotations

import os
import random


def chosen_seed() -> int:
    """The seed that was asked for, or a new one."""
    return int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(1_000_000))


def chosen_scale() -> float:
    """How many times the usual counts."""
    return float(os.environ.get("FAULT_SCALE") or 1)
