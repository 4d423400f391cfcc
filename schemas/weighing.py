"""What a model may weigh by: the bounds of files and of questions alike."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

PARAMETER_BOUNDS: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "lambda": (0.1, 10.0),
        "beta": (0.0, 1.0),
        "kappa": (0.01, 100.0),
        "prior": (0.01, 0.99),
        "cap": (0.01, 100.0),
        "half_life_days": (0.1, 4000.0),
        "factor_decision_maker": (0.01, 10.0),
        "factor_champion": (0.01, 10.0),
        "factor_user": (0.01, 10.0),
    }
)
"""Inside them the score keeps its guarantees: it stays between 0 and 100 and good never lowers it."""

WEIGHT_MAX: Final = 10.0
"""Three times the heaviest default; one event must not outweigh all others of a person."""
