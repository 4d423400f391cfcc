"""The parameters of the score and of alerts as a catalogue's file writes them, each within its bounds."""

from __future__ import annotations

from dataclasses import replace

from schemas.weighing import PARAMETER_BOUNDS
from services.core.catalogue import Parameters
from services.core.thresholds import USUAL, Thresholds
from services.infra.catalogue.yaml_nodes import Field


def read_parameters(field: Field, defaults: Parameters) -> Parameters:
    """Read the parameters that are there; the others are as before."""
    values = field.record(required=(), optional=PARAMETER_BOUNDS)
    changes: dict[str, float] = {}
    for name, (least, most) in PARAMETER_BOUNDS.items():
        if name in values:
            changes["lambda_" if name == "lambda" else name] = values[name].number(least=least, most=most)
    return replace(defaults, **changes)


def read_thresholds(field: Field) -> Thresholds:
    """Read from where on a fall is worth an alert; what is not there is as usual.

    Below one point every event would be an alert, and a hundred are all there are; of evidence one mishap of usual weight has two.
    """
    values = field.record(required=(), optional=Thresholds._fields)
    points = values["points"].number(least=1, most=100) if "points" in values else USUAL.points
    evidence = values["evidence"].number(least=0.1, most=100) if "evidence" in values else USUAL.evidence
    return Thresholds(points, evidence)
