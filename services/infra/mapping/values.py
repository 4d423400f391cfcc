"""Where a map's values come from: a constant, a field, an expression or a header, and what is done to what is found."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from services.core.slugs import slug
from services.infra.mapping.expressions import STEPS_OF_EVENT_MAX, Expression, Work

Scalar = str | int | float | bool
_SCALARS: Final = (str, int, float, bool)

EXACT_MAX: Final = 2.0**53
"""From here on different whole numbers are the same float."""

NUMBER_CHARS_MAX: Final = 40
"""A float written out has 24."""

Place = Literal["row", "body", "headers", "file"]
"""Where a value is looked for: in the row, in the whole body around it, in a request's headers, or in {name, line}."""

_NOTHING: Final[Mapping[str, object]] = {}
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One row, and what is around it."""

    row: object
    body: object = None
    headers: Mapping[str, object] = field(default_factory=lambda: _NOTHING)
    file: Mapping[str, object] = field(default_factory=lambda: _NOTHING)
    work: Work = field(default_factory=lambda: Work(STEPS_OF_EVENT_MAX))

    def at(self, place: Place) -> object:
        """Give what stands in a place."""
        match place:
            case "row":
                return self.row
            case "body":
                return self.body
            case "headers":
                return self.headers
            case "file":
                return self.file


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """Where a value comes from: a constant, or a field or an expression, and what is done to what it finds.

    `table` translates it, `otherwise` stands in where nothing or nothing known is found, `as_number` reads a text as a
    number whose fraction stands after `decimal`, `times` multiplies it, `slug` makes a name of it and `before` is put in
    front.
    """

    constant: Scalar | None = None
    path: Sequence[str] = ()
    expression: Expression | None = None
    place: Place = "row"
    table: Mapping[str, Scalar] | None = None
    otherwise: Scalar | None = None
    as_number: bool = False
    decimal: str = "."
    times: float | None = None
    slug: bool = False
    before: str = ""

    @property
    def name(self) -> str:
        """What to call it where it is missing or wrong."""
        return self.expression.text if self.expression is not None else ".".join(self.path)

    @property
    def is_constant(self) -> bool:
        """Tell whether it is the same in every row."""
        return not self.path and self.expression is None

    def read(self, scope: Scope) -> Scalar | None:
        """The value in this row; None when the row does not have it. Raises ValueError when it is no number."""
        if self.is_constant:
            return self.constant
        found = self._found(scope)
        if found is not None and self.table is not None:
            # 1.0 is found under "1", and under "1.0" as the file itself may write it.
            found = self.table.get(written(found, name=self.name), self.table.get(str(found)))
        if found is None:
            return self.otherwise
        if self.times is not None or self.as_number:
            number = numeric(found, name=self.name, decimal=self.decimal)
            return number if self.times is None else number * self.times
        if self.slug or self.before:
            text = written(found, name=self.name)
            return self.before + (slug(text) if self.slug else text)
        return found

    def _found(self, scope: Scope) -> Scalar | None:
        here = scope.at(self.place)
        found = _at(here, self.path) if self.expression is None else self.expression.find(here, scope.work)
        # Objects and lists are nothing that a value could be; neither is a text of blanks, as an empty cell has it.
        if not isinstance(found, _SCALARS) or (isinstance(found, str) and not found.strip()):
            return None
        return found


def _at(here: object, path: Sequence[str]) -> object:
    """What stands at this path; a table's column may have the whole path as its name."""
    if len(path) > 1 and isinstance(here, dict):
        whole = ".".join(path)
        if whole in here:
            return here[whole]
    for name in path:
        if not isinstance(here, dict):
            return None
        here = here.get(name)
    return here


def written(found: Scalar, *, name: str) -> str:
    """A value as JSON writes it, a whole number without its fraction: 17850 and 17850.0 are one customer.

    Raises ValueError for a number of which the file's own writer may have lost digits: it may stand for several.
    """
    match found:
        case bool():
            return "true" if found else "false"
        case float() if not math.isfinite(found) or abs(found) >= EXACT_MAX:
            raise ValueError(f"has a number in {name} that is too large to be exact; write it as text")
        case float() if found.is_integer():
            return str(int(found))
        case int() if not -(10**NUMBER_CHARS_MAX) < found < 10**NUMBER_CHARS_MAX:
            raise ValueError(f"has a number in {name} of more than {NUMBER_CHARS_MAX} digits; write it as text")
        case _:
            return str(found)


def numeric(found: Scalar, *, name: str, decimal: str = ".") -> float:
    """A number, also one that is written as text; raises ValueError when it is none."""
    if isinstance(found, str):
        text = found.strip()
        if decimal != ".":
            # A point beside it would part thousands, of which nobody knows whether a writer means them.
            text = "" if "." in text else text.replace(decimal, ".")
        found = float(text) if len(text) <= NUMBER_CHARS_MAX and _NUMBER.fullmatch(text) else math.nan
    if isinstance(found, bool) or abs(found) > 10**300 or not math.isfinite(found):
        raise ValueError(f"has no number in {name}")
    return float(found)
