"""What a chunk says of its sources: how much they sent and when, what nobody declared, which numbers a till used. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from schemas.topics import LATE
from services.aggregator.counting.batch import Dead
from services.aggregator.counting.name_bounds import TRUSTED, source_name
from services.aggregator.counting.records import Event
from services.aggregator.processor import Chunk
from services.core.instants import instant_of
from services.state.source_notes import TILLS_DAYS, HourNote, NameNote, SourceNote, TillNote

HOUR_MS: Final = 3_600_000

SOURCE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""A name that a sources file may hold; what else a record calls its source nobody has configured."""

TILL: Final = re.compile(rf"{SOURCE.pattern}/[A-Za-z0-9._-]{{1,40}}/[A-Za-z0-9._-]{{1,40}}")
"""source/store/till, as the tills' channel writes it."""

NUMBER: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})/([0-9]{1,16})(?:/[a-z]+)?")
"""The id of a till's transaction: its business day and its number, and which step of it."""

AHEAD_MS: Final = 5_000
"""A clock that is ahead by more than this is wrong; less may be the servers' own."""

CLOCK_MS_MAX: Final = 2**31 - 1
"""What the column holds: 24 days. A clock that is more wrong is as wrong."""

DAYS_AHEAD_MAX: Final = 2
"""A business day may be tomorrow's, in a place where it has begun."""


class _TillSeen:
    """What a chunk holds of a till's day."""

    def __init__(self) -> None:
        self.numbers: set[int] = set()
        self.last_ms = 0
        self.clock_ms: int | None = None


Hours = dict[tuple[str, int], HourNote]
"""By what records call their source, and the hour."""

Tills = dict[tuple[str, str], _TillSeen | None]
"""By what records call their source, and the business day; None for what is no till's, or too far away."""


def note_of(
    chunk: Chunk, fresh: Sequence[Event], dead: Sequence[Dead], *, declared: Collection[str]
) -> SourceNote | None:
    """Note events that count for the first time, and records that never will; None when there is nothing to note."""
    hours: Hours = {}
    names: dict[tuple[str, str], NameNote] = {}
    tills: Tills = {}
    late = chunk.topic == LATE
    for event in fresh:
        at_ms = event.record.timestamp
        clock_ms = _clock_ms(event, _seen_at_till(event, tills))
        _add_event(_hour(hours, event.source, at_ms), at_ms=at_ms, late=late, clock_ms=clock_ms)
        if event.leaf[0] not in declared:
            _add_name(names, source_name(event.source), event.leaf[0], at_ms)
    for one in dead:
        if one.poison.source is not None:
            _hour(hours, one.poison.source, one.record.timestamp).rejected += 1
    configured = [hour for (source, _), hour in hours.items() if hour.source == source and SOURCE.fullmatch(source)]
    if not configured:
        return None
    unknown = [name for name in names.values() if SOURCE.fullmatch(name.source)]
    return SourceNote(configured, unknown, [*_till_notes(tills)])


def runs_of(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of each run of numbers without a hole, the least first."""
    first = last = None
    for number in sorted(numbers):
        if first is None or last is None:
            first = number
        elif number > last + 1:
            yield first, last
            first = number
        last = number
    if first is not None and last is not None:
        yield first, last


def _hour(hours: Hours, source: str, at_ms: int) -> HourNote:
    key = source, at_ms // HOUR_MS
    found = hours.get(key)
    if found is None:
        name = source_name(source)
        # What the client adds to the name is told apart only until here.
        found = hours[key] = HourNote(name, key[1]) if name == source else _hour(hours, name, at_ms)
    return found


def _add_name(names: dict[tuple[str, str], NameNote], source: str, touchpoint: str, at_ms: int) -> None:
    known = names.setdefault((source, touchpoint), NameNote(source, touchpoint, 0, 0))
    known.events += 1
    known.last_ms = max(known.last_ms, at_ms)


def _add_event(hour: HourNote, *, at_ms: int, late: bool, clock_ms: int | None) -> None:
    if late:
        hour.late += 1
    else:
        hour.live += 1
    hour.first_ms = at_ms if hour.first_ms is None else min(hour.first_ms, at_ms)
    hour.last_ms = at_ms if hour.last_ms is None else max(hour.last_ms, at_ms)
    if clock_ms is not None:
        hour.timed += 1
        hour.ahead += clock_ms < -AHEAD_MS
        hour.clock_ms = clock_ms if hour.clock_ms is None else min(hour.clock_ms, clock_ms)


def _clock_ms(event: Event, seen: _TillSeen | None) -> int | None:
    """What lay between sending and arriving, by the sender's clock; None when it does not say when it sent.

    A till sends a line when it has made it, so the least of a day tells its clock. Others keep what happened for long.
    """
    sent_us = event.sent_us
    if sent_us is None and seen is not None and event.dated:
        sent_us = event.occurred_us
    if sent_us is None:
        return None
    clock_ms = max(-CLOCK_MS_MAX, min((event.received_us - sent_us) // 1000, CLOCK_MS_MAX))
    if seen is not None:
        seen.clock_ms = clock_ms if seen.clock_ms is None else min(seen.clock_ms, clock_ms)
    return clock_ms


def _seen_at_till(event: Event, tills: Tills) -> _TillSeen | None:
    """Add a till's number to those of its day; None when the event is no till's."""
    if event.trust != TRUSTED or event.source.count("/") != 2:  # noqa: PLR2004 - source/store/till
        return None
    number = NUMBER.fullmatch(event.event_id)
    if number is None:
        return None
    key, at_ms = (event.source, number[1]), event.record.timestamp
    if key not in tills:
        tills[key] = _TillSeen() if TILL.fullmatch(event.source) and _is_near(number[1], at_ms) else None
    seen = tills[key]
    if seen is not None:
        seen.numbers.add(int(number[2]))
        seen.last_ms = max(seen.last_ms, at_ms)
    return seen


def _is_near(day: str, at_ms: int) -> bool:
    try:
        ahead = date.fromisoformat(day) - instant_of(at_ms * 1000).date()
    except ValueError:
        return False
    return timedelta(days=-TILLS_DAYS) < ahead <= timedelta(days=DAYS_AHEAD_MAX)


def _till_notes(tills: Tills) -> Iterator[TillNote]:
    for (till, day), seen in tills.items():
        if seen is not None:
            for low, high in runs_of(seen.numbers):
                yield TillNote(till, day, low, high, seen.last_ms, seen.clock_ms)
