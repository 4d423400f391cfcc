"""A deployment's own file: what it changes of parameters, touchpoints and promises, and those that it adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from services.core.catalogue import Parameters
from services.core.promise_kinds import PromiseKind
from services.core.thresholds import USUAL, Thresholds
from services.infra.catalogue.parameters import read_parameters, read_thresholds
from services.infra.catalogue.promises import check_told, read_promises
from services.infra.catalogue.touchpoints import (
    NEEDED,
    Touchpoint,
    check_labels,
    read_labels,
    read_once,
    read_touchpoint,
    read_weight,
    turned,
)
from services.infra.catalogue.valence_syntax import read_valence
from services.infra.catalogue.yaml_nodes import Field, open_yaml
from services.infra.near import nearest

CHANGEABLE: Final = ("weight", "valence", "once", "labels", "advice")
"""Of a touchpoint that the catalogue has: where it stands in the journey is the same for everybody."""


class Overridden(NamedTuple):
    """The catalogue as a deployment has it."""

    touchpoints: dict[str, Touchpoint]
    parameters: Parameters
    aliases: Mapping[str, Mapping[str, str]]
    promises: Mapping[str, PromiseKind]
    thresholds: Thresholds


def override(
    path: Path,
    touchpoints: Mapping[str, Touchpoint],
    parameters: Parameters,
    promises: Mapping[str, PromiseKind],
    *,
    sources: Iterable[str],
) -> Overridden:
    """Apply a deployment's file; raises ConfigurationError that names each wrong line and its fix."""
    file, root = open_yaml(path, fix="set TACTUS_CATALOGUE to a YAML file, or unset it")
    result = dict(touchpoints)
    own: dict[str, Field] = {}
    promised: dict[str, Field] = {}
    thresholds = USUAL
    if root is not None:
        fields = root.record(required=(), optional=("parameters", "touchpoints", "promises", "alerts"))
        if "parameters" in fields:
            parameters = read_parameters(fields["parameters"], parameters)
        own = fields["touchpoints"].mapping() if "touchpoints" in fields else {}
        promised = fields["promises"].mapping() if "promises" in fields else {}
        thresholds = read_thresholds(fields["alerts"]) if "alerts" in fields else USUAL
    for name, field in own.items():
        if name in touchpoints:
            result[name] = _changed(touchpoints[name], field)
        elif _is_whole(field):
            result[name] = read_touchpoint(name, field, required=NEEDED, sources=sources)
        else:
            field.wrong(f"is not in the catalogue; {_instead(name, touchpoints)}")
    check_labels(own, result)
    aliases = turned(own, result)
    entries = {name: one.entry for name, one in result.items()}
    kinds = read_promises(promised, before=promises, entries=entries)
    if root is not None:
        check_told(kinds.values(), entries, root)
    file.check()
    return Overridden(result, parameters, aliases, kinds, thresholds)


def _changed(touchpoint: Touchpoint, field: Field) -> Touchpoint:
    entry = touchpoint.entry
    changes = field.record(required=(), optional=CHANGEABLE)
    if "weight" in changes:
        entry = replace(entry, weight=read_weight(changes["weight"]))
    if "valence" in changes:
        entry = replace(entry, valence=read_valence(changes["valence"]))
    if "once" in changes:
        entry = replace(entry, once=read_once(changes["once"]))
    labels = read_labels(changes["labels"]) if "labels" in changes else touchpoint.labels
    advice = read_labels(changes["advice"]) if "advice" in changes else touchpoint.advice
    return touchpoint._replace(entry=entry, labels=labels, advice=advice)


def _is_whole(field: Field) -> bool:
    """Whether somebody meant to declare a touchpoint, rather than to change one whose name they mistyped."""
    return bool(set(field.mapping()) & (set(NEEDED) - set(CHANGEABLE)))


def _instead(name: str, known: Iterable[str]) -> str:
    near = nearest(name, known)
    hint = f"did you mean {near!r}? " if near else ""
    return f"{hint}one of your own says {', '.join(NEEDED)}"
