"""What somebody else's rows are in our words: fields to touchpoints, declared, no code."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from services.core.identity import refusal as refusal_to_name
from services.infra.mapping.expressions import (
    STEPS_OF_BODY_MAX,
    STEPS_OF_EVENT_MAX,
    Exhausted,
    Expression,
    Unfit,
    Work,
    holds,
)
from services.infra.mapping.times import PLAIN, TimeForms
from services.infra.mapping.values import Place, Scalar, Scope, Value, numeric, written

NUMBERS: Final = ("stake", "valence")
"""Parts of an event that are numbers; the other parts are text, also where a file writes them as numbers."""

CONTENT: Final = "content"
"""Instead of where an id stands: it is made of the whole row, and equal rows are one event."""

ID_CHARS_MAX: Final = 128
"""What an event's id has at most."""

ROWS_MAX: Final = 10_000
"""Of one line or document of a file, which is not sent as one request."""

_CANONICAL: Final = msgspec.json.Encoder(order="deterministic")

_TOO_MUCH: Final = "makes the map's expressions visit too much: find less at once, or send fewer rows"


class Unreadable(NamedTuple):
    """Why a row cannot become an event."""

    reason: str


class Readable(NamedTuple):
    """A row as an event: its id, its own time if it has one, and what happened."""

    event_id: str
    occurred_at: datetime | None
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """An expression that must find something for a row to count."""

    expression: Expression
    place: Place = "row"

    def holds(self, scope: Scope) -> bool:
        """Tell whether it does."""
        return holds(self.expression.find(scope.at(self.place), scope.work))


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityRule:
    """One way by which a row knows the person."""

    kind: str
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingRule:
    """What was answered, and on which scale: by name, of its own, or None for the catalogue's."""

    value: Value
    scale: str | Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRule:
    """Where the time stands, and how it is written."""

    value: Value
    forms: TimeForms = PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a type of row is."""

    touchpoint: Value
    channel: Value | None
    identities: Sequence[IdentityRule]
    rest: Mapping[str, Value]
    rating: RatingRule | None
    properties: Mapping[str, Value]
    when: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvForm:
    """How a file of comma-separated values is written."""

    delimiter: str | None = None
    """None: whichever of the usual ones the first line has most of."""
    encoding: str = "utf-8"


class Planned(NamedTuple):
    """An event that a row will make, or why it makes none."""

    scope: Scope
    rule: Rule | Unreadable
    is_alone: bool
    """No other event is of this row, so that the row's id is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventMap:
    """How to read every row."""

    id: Sequence[Value]
    """Parts of the id; none: it is made of the row's content."""
    time: TimeRule | None
    type: Value | None
    types: Mapping[str, Sequence[Rule]]
    otherwise: Sequence[Rule]
    """What a row of any other type is; nothing: it is left out."""
    each: Expression | None = None
    """Finds the rows in a body; None: the body is one."""
    when: Condition | None = None
    csv: CsvForm = CsvForm()

    def fields(self) -> set[str]:
        """The fields that are looked for in every row, by their whole names."""
        return {one.name for one in self._values() if one.place == "row" and one.path}

    def looks_around(self) -> bool:
        """Tell whether a row alone is not enough: what is said of it stands in a header, or in the body around it."""
        conditions = [self.when, *(rule.when for rule in self._all_rules())]
        places = {one.place for one in (*self._values(), *conditions) if one is not None}
        return "headers" in places or (self.each is not None and "body" in places)

    def _all_rules(self) -> list[Rule]:
        return [rule for rules in (*self.types.values(), self.otherwise) for rule in rules]

    def _values(self) -> list[Value]:
        values = [*self.id, self.type, None if self.time is None else self.time.value]
        for rule in self._all_rules():
            values += [rule.touchpoint, rule.channel, *rule.rest.values(), *rule.properties.values()]
            values += [one.value for one in rule.identities]
            values += [] if rule.rating is None else [rule.rating.value]
        return [one for one in values if one is not None]

    def rows(self, whole: Scope, *, rows_max: int) -> list[Scope] | Unreadable:
        """The rows of a body, at most so many."""
        if self.each is None:
            return [whole]
        try:
            found = self.each.find(whole.row, whole.work)
        except (Exhausted, Unfit) as error:
            return Unreadable(_said(error))
        rows = found if isinstance(found, list) else [] if found is None else [found]
        if len(rows) > rows_max:
            return Unreadable(f"holds {len(rows)} rows, of which a body has at most {rows_max}; send fewer at once")
        return [replace(whole, row=row) for row in rows]

    def plan(self, body: object, *, headers: Mapping[str, object], rows_max: int) -> list[Planned] | Unreadable:
        """The events that a body of a hook will make, found within a bound on work; those are then read one by one."""
        whole = Scope(row=body, body=body, headers=headers, work=Work(STEPS_OF_BODY_MAX))
        rows = self.rows(whole, rows_max=rows_max)
        if isinstance(rows, Unreadable):
            return rows
        planned = []
        for row in rows:
            try:
                planned += self.chosen(row)
            except Exhausted as error:
                return Unreadable(_said(error))
        return planned

    def chosen(self, row: Scope) -> list[Planned]:
        """The events that a row will make: none where it is left out. Raises Exhausted."""
        try:
            if self.when is not None and not self.when.holds(row):
                return []
            rules = self._rules(row)
            chosen = [rule for rule in rules if rule.when is None or rule.when.holds(row)]
        except (ValueError, Unfit) as error:
            return [Planned(row, Unreadable(str(error)), is_alone=True)]
        return [Planned(row, rule, is_alone=len(rules) == 1) for rule in chosen]

    def event(self, planned: Planned) -> Readable | Unreadable:
        """A planned event, or why it cannot be one."""
        if isinstance(planned.rule, Unreadable):
            return planned.rule
        scope = replace(planned.scope, work=Work(STEPS_OF_EVENT_MAX))
        try:
            body = _body(planned.rule, scope)
            event_id = self._id(scope, touchpoint=None if planned.is_alone else str(body["touchpoint"]))
            return Readable(event_id=event_id, occurred_at=self.occurred_at(scope), body=body)
        except (ValueError, Exhausted, Unfit) as error:
            return Unreadable(_said(error))

    def events(self, whole: Scope) -> Iterator[Readable | Unreadable]:
        """A row of a file as its events, none where it is left out, or why it cannot be some."""
        rows = self.rows(replace(whole, work=Work(STEPS_OF_BODY_MAX)), rows_max=ROWS_MAX)
        if isinstance(rows, Unreadable):
            yield rows
            return
        for row in rows:
            try:
                planned = self.chosen(replace(row, work=Work(STEPS_OF_EVENT_MAX)))
            except Exhausted as error:
                yield Unreadable(_said(error))
                continue
            yield from map(self.event, planned)

    def occurred_at(self, row: Scope) -> datetime | None:
        """The row's own time; None where it has none. Raises ValueError when it cannot be read."""
        if self.time is None:
            return None
        found = self.time.value.read(row)
        if found is None:
            raise ValueError(f"has no time: the field {self.time.value.name} is missing")
        return self.time.forms.read(found)

    def _rules(self, row: Scope) -> Sequence[Rule]:
        if self.type is None:
            return self.otherwise
        return self.types.get(_text(self.type, row, name="type"), self.otherwise)

    def _id(self, row: Scope, *, touchpoint: str | None) -> str:
        if self.id:
            event_id = "/".join(_text(part, row, name="id") for part in self.id)
        else:
            event_id = hashlib.sha256(_CANONICAL.encode(row.row)).hexdigest()[:32]
        event_id = event_id if touchpoint is None else f"{event_id}/{touchpoint}"
        if len(event_id) > ID_CHARS_MAX:
            raise ValueError(f"has an id of {len(event_id)} characters, of which one has at most {ID_CHARS_MAX}")
        return event_id


def _said(error: Exception) -> str:
    return _TOO_MUCH if isinstance(error, Exhausted) else str(error)


def _body(rule: Rule, row: Scope) -> Mapping[str, object]:
    body: dict[str, object] = {"touchpoint": _text(rule.touchpoint, row, name="touchpoint")}
    if rule.channel is not None:
        body["channel"] = _text(rule.channel, row, name="channel")
    body["identities"] = _identities(rule.identities, row)
    for name, found in _present(rule.rest, row).items():
        where = rule.rest[name].name
        body[name] = numeric(found, name=where) if name in NUMBERS else written(found, name=where)
    if rule.rating is not None:
        answer = rule.rating.value.read(row)
        if answer is not None:
            value = numeric(answer, name=rule.rating.value.name)
            scale = {} if rule.rating.scale is None else {"scale": rule.rating.scale}
            body["rating"] = {**scale, "value": value}
    properties = _present(rule.properties, row)
    if properties:
        body["properties"] = properties
    return body


def _identities(rules: Sequence[IdentityRule], row: Scope) -> list[dict[str, str]]:
    named = [(rule, rule.value.read(row)) for rule in rules]
    texts = [(rule.kind, written(value, name=rule.value.name)) for rule, value in named if value is not None]
    # What stands for nobody (null, 0, anonymous) costs no row that names somebody otherwise.
    known = [(kind, text) for kind, text in texts if refusal_to_name(kind, text) is None]
    if not known and not texts:
        raise ValueError(f"names nobody: it has no {' or '.join(rule.value.name for rule in rules)}")
    if not known:
        raise ValueError(f"names nobody: what stands in {' and '.join(rule.value.name for rule in rules)} is nobody's")
    return [{"kind": kind, "value": text} for kind, text in known]


def _present(values: Mapping[str, Value], row: Scope) -> dict[str, Scalar]:
    read = {name: value.read(row) for name, value in values.items()}
    return {name: value for name, value in read.items() if value is not None}


def _text(value: Value, row: Scope, *, name: str) -> str:
    found = value.read(row)
    if found is None:
        raise ValueError(f"has no {name}: the field {value.name} is missing")
    return written(found, name=value.name)
