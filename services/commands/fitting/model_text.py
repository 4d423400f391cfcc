"""A learned model as a model's file, with where it comes from."""

from __future__ import annotations

import yaml

from services.commands.fitting.fit import Learned


def model_text(learned: Learned, *, name: str, made_at: str, provenance: dict[str, object]) -> str:
    """Write what was learned: a catalogue that is weighed by the file is the learned one."""
    calibration = learned.catalogue.calibration
    parts: dict[str, object] = {
        "model": {"name": name, "made_at": made_at, "provenance": provenance},
        "parameters": {"kappa": learned.numbers.kappa},
        "weights": dict(learned.numbers.weights),
        "valence_scales": dict(learned.numbers.scales),
    }
    if calibration is not None:
        knots = zip(calibration.scores, calibration.risks, strict=True)
        parts["calibration"] = {"knots": [[score, risk] for score, risk in knots]}
    if learned.catalogue.place_past:
        parts["place_past"] = learned.catalogue.place_past
    written = {key: part for key, part in parts.items() if part}
    return yaml.safe_dump(written, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)
