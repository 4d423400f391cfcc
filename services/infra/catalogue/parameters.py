"""The parameters of the score as a catalogue's file writes them, each within its bounds."""

from __future__ import annotations

from dataclasses import replace

from schemas.weighing import PARAMETER_BOUNDS
from services.core.catalogue import Parameters
from services.infra.catalogue.yaml_nodes import Field


def read_parameters(field: Field, defaults: Parameters) -> Parameters:
    """Read the parameters that are there; the others are as before."""
    values = field.record(required=(), optional=PARAMETER_BOUNDS)
    changes: dict[str, float] = {}
    for name, (least, most) in PARAMETER_BOUNDS.items():
        if name in values:
            changes["lambda_" if name == "lambda" else name] = values[name].number(least=least, most=most)
    return replace(defaults, **changes)
