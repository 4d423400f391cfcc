"""The parameters of the score as a catalogue's file writes them, each within its bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from services.core.catalogue import Parameters
from services.infra.catalogue.yaml_nodes import Field

PARAMETER_BOUNDS: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "lambda": (0.1, 10.0),
        "beta": (0.0, 1.0),
        "kappa": (0.01, 100.0),
        "prior": (0.01, 0.99),
        "cap": (0.01, 100.0),
        "half_life_days": (0.1, 4000.0),
    }
)
"""Inside them the score keeps its guarantees: it stays between 0 and 100 and good never lowers it."""


def read_parameters(field: Field, defaults: Parameters) -> Parameters:
    """Read the parameters that are there; the others are as before."""
    values = field.record(required=(), optional=PARAMETER_BOUNDS)
    changes: dict[str, float] = {}
    for name, (least, most) in PARAMETER_BOUNDS.items():
        if name in values:
            changes["lambda_" if name == "lambda" else name] = values[name].number(least=least, most=most)
    return replace(defaults, **changes)
