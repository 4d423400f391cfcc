"""Valence functions as the catalogue's file writes them: none, sentiment, or {function: arguments}."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from services.core.valence import (
    NPS,
    SCALES,
    Conditional,
    Const,
    Kept,
    Late,
    NoValence,
    Per,
    Resolved,
    Scale,
    Sentiment,
    Valence,
    Wait,
)
from services.infra.catalogue.yaml_nodes import Field

SECONDS_MAX: Final = 400 * 86_400.0
"""Waits longer than what is kept cannot be judged."""

AMOUNT_MAX: Final = 1e9
"""A bound for what a property is compared with."""


def read_valence(field: Field) -> Valence:
    """Read `none`, `sentiment`, or a mapping with the one key that names the function."""
    word = field.word()
    if word is not None:
        if word not in PLAIN_VALENCES:
            field.choice((*PLAIN_VALENCES, *(f"{{{name}: …}}" for name in VALENCES)))
        return PLAIN_VALENCES.get(word, NoValence())
    functions = field.record(required=(), optional=VALENCES)
    if len(functions) != 1:
        field.wrong("must name one function, such as {const: 0.3} or {scale: stars5}")
        return NoValence()
    ((name, arguments),) = functions.items()
    return VALENCES[name](arguments) if name in VALENCES else NoValence()


def _const(field: Field) -> Const:
    return Const(field.number(least=-1, most=1))


def _scale(field: Field) -> Scale:
    return Scale(field.choice((NPS, *SCALES)))


def read_wait(field: Field) -> Wait:
    """Read what people desire and what they find adequate, in seconds."""
    return _waiting(field, field.record(required=("desired_seconds", "adequate_seconds"), optional=()))


def _waiting(field: Field, fields: Mapping[str, Field]) -> Wait:
    desired, adequate = (
        fields[key].number(least=0.001, most=SECONDS_MAX) if key in fields else fallback
        for key, fallback in (("desired_seconds", 1.0), ("adequate_seconds", 2.0))
    )
    if desired >= adequate:
        field.wrong("desired_seconds must be less than adequate_seconds; swap or mend them")
    return Wait(desired, adequate)


def _resolved(field: Field) -> Resolved:
    fields = field.record(required=("desired_seconds", "adequate_seconds", "bonus"), optional=())
    bonus = fields["bonus"].number(least=0, most=1) if "bonus" in fields else 0.0
    return Resolved(_waiting(field, fields), bonus)


def _late(field: Field) -> Late:
    promise = field.choice(("promised_at", "ship_by", "hours_late"))
    return Late(None if promise == "hours_late" else promise)


def _kept(field: Field) -> Kept:
    functions = field.record(required=(), optional=KEPT)
    if len(functions) != 1:
        field.wrong("must name one function of a wait or a delay, such as {kept: {late: promised_at}}")
        return Kept(Late(None))
    ((name, arguments),) = functions.items()
    return Kept(KEPT[name](arguments) if name in KEPT else Late(None))


def _per(field: Field) -> Per:
    fields = field.record(required=("property", "each", "floor"), optional=())
    return Per(
        unit=fields["property"].text() if "property" in fields else "",
        each=fields["each"].number(least=-1, most=1) if "each" in fields else 0.0,
        floor=fields["floor"].number(least=-1, most=0) if "floor" in fields else 0.0,
    )


def _conditional(field: Field) -> Conditional:
    fields = field.record(required=("otherwise", "property", "equals", "then"), optional=())
    return Conditional(
        otherwise=fields["otherwise"].number(least=-1, most=1) if "otherwise" in fields else 0.0,
        property=fields["property"].text() if "property" in fields else "",
        equals=fields["equals"].number(least=0, most=AMOUNT_MAX) if "equals" in fields else 0.0,
        then=fields["then"].number(least=-1, most=1) if "then" in fields else 0.0,
    )


KEPT: Final[Mapping[str, Callable[[Field], Wait | Resolved | Late]]] = MappingProxyType(
    {"wait": read_wait, "resolved": _resolved, "late": _late}
)
"""What keeping a promise may feel like."""

PLAIN_VALENCES: Final[Mapping[str, Valence]] = MappingProxyType({"none": NoValence(), "sentiment": Sentiment()})
VALENCES: Final[Mapping[str, Callable[[Field], Valence]]] = MappingProxyType(
    {
        "const": _const,
        "scale": _scale,
        "wait": read_wait,
        "resolved": _resolved,
        "late": _late,
        "kept": _kept,
        "per": _per,
        "conditional": _conditional,
    }
)
