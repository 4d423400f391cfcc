"""Read values, conditions and times out of a map file's nodes."""

from __future__ import annotations

import codecs
from dataclasses import replace
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import yaml

from services.infra.catalogue.yaml_nodes import LOADER, Field
from services.infra.mapping.event_map import Condition, CsvForm, TimeRule
from services.infra.mapping.expressions import Expression, Faulty
from services.infra.mapping.times import FORMS_MAX, RFC_3339, WORDS, TimeForms
from services.infra.mapping.values import Place, Scalar, Value
from services.infra.near import hint, nearest

ITEMS_MAX: Final = 8
"""Events of one row, parts of an id: a checkout with an answer, a delivery and a survey has three."""

SOURCES: Final = ("field", "find", "header")
TREATMENTS: Final = ("table", "otherwise", "number", "decimal", "times", "slug", "before")
_PLACES: Final[dict[str, Place]] = {"row": "row", "body": "body", "file": "file"}

STAND_IN: Final = Value(constant="x.unknown")
"""For what could not be read; the file's problems are raised before it can be used."""


def items_of(field: Field) -> list[Field] | None:
    """The entries of a list; None for what is none."""
    if not isinstance(field.node, yaml.SequenceNode):
        return None
    return [replace(field, node=entry, line=entry.start_mark.line + 1) for entry in field.node.value]


def value_from_row(field: Field) -> Value:
    """Read a value that is not the same in every row."""
    value = value_of(field)
    if value.is_constant:
        field.wrong("must come from the row; write {field: its_name}")
    return value


def value_of(field: Field) -> Value:
    """Read a value: a constant, or where it is found and what is done to it."""
    if isinstance(field.node, yaml.ScalarNode):
        return Value(constant=scalar_of(field))
    return _value(field, field.record(required=(), optional=(*SOURCES, "of", *TREATMENTS)))


def time_of(field: Field) -> TimeRule:
    """Read where the time stands and how it is written."""
    if isinstance(field.node, yaml.ScalarNode):
        field.wrong("must come from the row; write {field: its_name}, or leave it out to take the time of arrival")
        return TimeRule(value=STAND_IN)
    parts = field.record(required=(), optional=(*SOURCES, "of", "table", "otherwise", "format", "zone"))
    forms = _forms(parts["format"]) if "format" in parts else (RFC_3339,)
    zone = _zone(parts["zone"]) if "zone" in parts else None
    value = _value(field, {name: part for name, part in parts.items() if name not in ("format", "zone")})
    return TimeRule(value=value, forms=TimeForms(forms=forms, zone=zone))


def condition_of(field: Field) -> Condition:
    """Read a condition: an expression on the row, or {find: expression, of: body}."""
    if field.word() is not None:
        return Condition(expression=expression_of(field))
    parts = field.record(required=("find",), optional=("of",))
    expression = expression_of(parts["find"]) if "find" in parts else _NOTHING
    return Condition(expression=expression, place=_place(parts["of"]) if "of" in parts else "row")


def expression_of(field: Field) -> Expression:
    """Read an expression."""
    try:
        return Expression(field.text() or "@")
    except Faulty as error:
        field.wrong(str(error))
        return _NOTHING


def csv_form_of(field: Field | None) -> CsvForm:
    """Read how a file of comma-separated values is written."""
    parts = {} if field is None else field.record(required=(), optional=("delimiter", "encoding"))
    form = CsvForm()
    if "delimiter" in parts:
        delimiter = str(scalar_of(parts["delimiter"]))
        if len(delimiter) != 1 or delimiter in '"\r\n' or not delimiter.isascii():
            parts["delimiter"].wrong('must be one character, such as ";" or "\\t"')
        form = replace(form, delimiter=delimiter)
    if "encoding" in parts:
        form = replace(form, encoding=_encoding(parts["encoding"]))
    return form


def scalar_of(field: Field) -> Scalar:
    """A text, a number or a truth value."""
    value: object = None
    if isinstance(field.node, yaml.ScalarNode):
        loader = LOADER("")
        try:
            value = loader.construct_object(field.node)
        except ValueError:  # such as a date that does not exist
            value = None
        finally:
            loader.dispose()
    if isinstance(value, str | int | float | bool):
        return value
    field.wrong("must be a text, a number, true or false; put quotes around dates and words such as null")
    return ""


_NOTHING: Final = Expression("@")


def _value(field: Field, parts: dict[str, Field]) -> Value:
    sources = [name for name in SOURCES if name in parts]
    if len(sources) != 1:
        field.wrong(
            "lacks where it is found; write one of `field`, `find` and `header`"
            if not sources
            else f"has both `{sources[0]}` and `{sources[1]}`; remove one of the two"
        )
        return STAND_IN
    place: Place = "headers" if "header" in parts else "row"
    if "of" in parts:
        place = _place(parts["of"])
    path = (parts["header"].text().lower(),) if "header" in parts else ()
    return Value(
        path=tuple(parts["field"].text().split(".")) if "field" in parts else path,
        expression=expression_of(parts["find"]) if "find" in parts else None,
        place=place,
        table={name: scalar_of(part) for name, part in parts["table"].mapping().items()} if "table" in parts else None,
        otherwise=scalar_of(parts["otherwise"]) if "otherwise" in parts else None,
        as_number="decimal" in parts or ("number" in parts and _truth(parts["number"])),
        decimal=_decimal(parts["decimal"]) if "decimal" in parts else ".",
        times=parts["times"].number(least=-1e12, most=1e12) if "times" in parts else None,
        slug=_truth(parts["slug"]) if "slug" in parts else False,
        before=parts["before"].text() if "before" in parts else "",
    )


def _place(field: Field) -> Place:
    return _PLACES.get(field.choice(tuple(_PLACES)), "row")


def _decimal(field: Field) -> str:
    return field.choice((".", ","))


def _truth(field: Field) -> bool:
    truth = scalar_of(field)
    if not isinstance(truth, bool):
        field.wrong("must be true or false")
        return False
    return truth


def _forms(field: Field) -> tuple[str, ...]:
    forms = field.texts() if items_of(field) is not None else (field.text(),)
    if len(forms) > FORMS_MAX:
        field.wrong(f"has {len(forms)} forms, of which a map has at most {FORMS_MAX}")
    for form in forms:
        if form not in WORDS and "%" not in form:
            near = nearest(form, WORDS)
            hint = f"did you mean {near}? " if near else ""
            field.wrong(f"{form!r} is no form of a time; {hint}write {', '.join(WORDS)}, or one such as %d.%m.%Y %H:%M")
    return forms


def _zone(field: Field) -> ZoneInfo:
    name = field.text()
    known = available_timezones()
    if name not in known:
        field.wrong(f"{name!r} is no zone; {hint(name, known, otherwise='write one such as Europe/Warsaw')}")
        return ZoneInfo("UTC")
    return ZoneInfo(name)


def _encoding(field: Field) -> str:
    name = field.text()
    try:
        "a".encode(codecs.lookup(name).name)
    except (LookupError, UnicodeError):
        field.wrong(f"{name!r} is no encoding; write utf-8, utf-16, cp1250 or another")
    return name
