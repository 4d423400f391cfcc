"""How a map reads a time: RFC 3339, seconds or milliseconds since 1970, or a form of its own, in a zone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final

from services.core.instants import instant_of, parse_instant

RFC_3339: Final = "rfc3339"
SECONDS: Final = "seconds"
MILLISECONDS: Final = "milliseconds"
WORDS: Final = (RFC_3339, SECONDS, MILLISECONDS)
"""Forms that have a name; all others are written with the letters of strptime, such as %d.%m.%Y %H:%M."""

CHARS_MAX: Final = 64
"""A time with its weekday, zone and microseconds has 40."""

FORMS_MAX: Final = 8
"""Of one map: each is tried on every time that fits none before it."""

_SINCE_1970_US: Final = {SECONDS: 1_000_000, MILLISECONDS: 1_000}


@dataclass(frozen=True, slots=True)
class TimeForms:
    """The forms in which a map's times are written, the first that fits counts."""

    forms: Sequence[str] = (RFC_3339,)
    zone: tzinfo | None = None
    """Of times that name none. Of an hour that a clock shows twice the first is meant."""

    def read(self, found: str | float) -> datetime:
        """Return the instant in UTC; raises ValueError, with what to write, when no form fits."""
        if self == PLAIN and isinstance(found, str):
            return _rfc_3339_only(found)
        for form in self.forms:
            moment = self._by(form, found)
            if moment is not None:
                return moment
        raise ValueError(f"has a time that is not of the form {' or '.join(self.forms)}; {ANOTHER_FORM}")

    def _by(self, form: str, found: str | float) -> datetime | None:
        if form in _SINCE_1970_US:
            return _since_1970(found, unit_us=_SINCE_1970_US[form])
        if not isinstance(found, str) or len(found) > CHARS_MAX:
            return None
        text = found.strip()
        if form == RFC_3339:
            return self._rfc_3339(text)
        try:
            moment = datetime.strptime(text, form)  # noqa: DTZ007 - the zone is given below
        except ValueError:
            return None
        return self._in_utc(moment)

    def _rfc_3339(self, text: str) -> datetime | None:
        try:
            return parse_instant(text)
        except ValueError:
            pass
        if self.zone is None:
            return None
        try:
            # What is RFC 3339 but for its offset: also a date alone, whose day begins at midnight.
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
        return self._in_utc(moment)

    def _in_utc(self, moment: datetime) -> datetime:
        if moment.tzinfo is None:
            if self.zone is None:
                raise ValueError("has a time without a zone: add one to the map's time, such as zone: Europe/Warsaw")
            moment = moment.replace(tzinfo=self.zone)
        try:
            return moment.astimezone(UTC)
        except OverflowError as error:
            raise ValueError("has a time that no calendar reaches") from error


PLAIN: Final = TimeForms()
ANOTHER_FORM: Final = "a map says another: {field: when, format: '%d.%m.%Y %H:%M', zone: Europe/Warsaw}"


def _rfc_3339_only(text: str) -> datetime:
    try:
        return parse_instant(text.strip())
    except ValueError as error:
        raise ValueError(f"has a time that {error}; {ANOTHER_FORM}") from error


def _since_1970(found: str | float, *, unit_us: int) -> datetime | None:
    try:
        number = float(found)
    except ValueError:
        return None
    if isinstance(found, bool) or not math.isfinite(number):
        return None
    try:
        return instant_of(round(number * unit_us))
    except OverflowError:
        return None
