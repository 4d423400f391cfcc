"""How a score moves while nothing happens: how far it can fade within some hours, and how long it takes to fade so far."""

from __future__ import annotations

import math
from typing import Final

DAY_H: Final = 24

STEEPEST: Final = 25.0
"""Points of the score for each time that all evidence of one side, or of both, fades by a small share of itself: 100·G·b/D² of one
side, at most where it is half of all, and less of both together."""


def fading_points_max(hours: float, *, half_life_days: float) -> float:
    """The most that fading moves a score within so many hours of silence; not what falls out, or falls due."""
    return STEEPEST * math.log(2) * hours / (DAY_H * half_life_days)


def fading_hours(points: float, *, half_life_days: float) -> float:
    """For how many hours of silence fading surely moves no score by more than so many points."""
    return points * DAY_H * half_life_days / (STEEPEST * math.log(2))
