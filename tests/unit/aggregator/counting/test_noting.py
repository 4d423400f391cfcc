"""What a chunk says of its sources."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import dead_letter
from schemas.topics import DLQ, EVENTS, LATE
from services.aggregator.counting.batch import read_chunk, refused_by_ingest
from services.aggregator.counting.noting import note_of, runs_of
from services.core.catalogue import Catalogue
from services.infra.catalogue.reading import load_catalogue
from services.state.source_notes import HourNote, NameNote, SourceNote, TillNote
from tests.support.chunks import LogRecord, chunk, event

NOON_MS = int(datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()) * 1000
HOUR = NOON_MS // 3_600_000
NOON = "2026-06-01T12:00:00Z"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(None)


def noted(catalogue: Catalogue, *values: bytes, topic: str = EVENTS) -> SourceNote | None:
    whole = chunk(values, at_ms=NOON_MS, topic=topic)
    batch = read_chunk(whole, catalogue=catalogue, known={})
    return note_of(whole, batch.events, batch.dead, declared=catalogue.entries)


def said(event_id: str, *, time: str = NOON, source: str = "shop", **envelope: object) -> bytes:
    return event(event_id, time=time, source=source, envelope={"receivedat": NOON, "keykind": "till", **envelope})


def test_events_are_noted_under_the_name_that_the_sources_file_gives(catalogue: Catalogue) -> None:
    note = noted(catalogue, said("1"), said("2", source="shop/command-line"), said("3", source="web/x/y/z"))

    assert note is not None
    one = {"live": 1, "first_ms": NOON_MS, "last_ms": NOON_MS}
    assert note.hours == [HourNote("shop", HOUR, **{**one, "live": 2}), HourNote("web", HOUR, **one)]
    assert (note.names, note.tills) == ([], [])


def test_events_of_the_late_topic_say_nothing_of_the_rhythm(catalogue: Catalogue) -> None:
    note = noted(catalogue, said("1"), topic=LATE)

    assert note is not None
    assert [(hour.live, hour.late, hour.last_ms) for hour in note.hours] == [(0, 1, NOON_MS)]


def test_names_that_no_sources_file_can_hold_are_not_noted(catalogue: Catalogue) -> None:
    assert noted(catalogue, said("1", source="Made Up"), said("2", source="x" * 65)) is None
    assert noted(catalogue) is None


def test_undeclared_touchpoints_are_counted_by_source(catalogue: Catalogue) -> None:
    unknown = [event(str(n), time=NOON, touchpoint="x.ordr_completed", source="web/a") for n in range(3)]

    note = noted(catalogue, *unknown, event("9", time=NOON, touchpoint="order.completed"))

    assert note is not None
    assert note.names == [NameNote("web", "x.ordr_completed", 3, NOON_MS)]


def test_records_that_are_set_aside_count_as_rejected_by_their_source(catalogue: Catalogue) -> None:
    headers = ((dead_letter.REASON, b"invalid"), (dead_letter.SOURCE, b"web"))
    letters = chunk([], at_ms=NOON_MS, topic=DLQ)._replace(
        records=[LogRecord(0, NOON_MS, None, b"x", headers), LogRecord(1, NOON_MS, None, b"y")]
    )

    dead = refused_by_ingest(letters).dead
    note = note_of(letters, [], dead, declared=catalogue.entries)

    assert note == SourceNote(hours=[HourNote("web", HOUR, rejected=1)], names=[], tills=[])


def test_the_least_between_sending_and_arriving_is_the_clocks_error(catalogue: Catalogue) -> None:
    note = noted(
        catalogue,
        said("1", sentat="2026-06-01T11:59:58Z", time="2026-06-01T08:00:00Z"),
        said("2", sentat="2026-06-01T12:05:00Z"),
        said("3", timeorigin="clamped", clienttime="2026-06-01T12:00:04Z"),
        said("4", time="2026-06-01T08:00:00Z"),
    )

    assert note is not None
    [hour] = note.hours
    assert (hour.live, hour.timed, hour.ahead, hour.clock_ms) == (4, 3, 1, -300_000)


def test_a_clock_that_is_years_wrong_is_noted_as_far_as_the_column_goes(catalogue: Catalogue) -> None:
    note = noted(catalogue, said("1", sentat="1970-01-01T00:00:00Z"), said("2", sentat="9999-01-01T00:00:00Z"))

    assert note is not None
    assert note.hours[0].clock_ms == -(2**31 - 1)


def test_a_tills_numbers_are_noted_by_business_day_and_its_lines_tell_its_clock(catalogue: Catalogue) -> None:
    mine = "store/042/3"
    lines = [said(f"2026-06-01/{n}", source=mine, time="2026-06-01T11:59:00Z") for n in (5, 3, 4, 9)]
    steps = [said("2026-06-01/9/suspended", source=mine), said("2026-05-31/77", source=mine, timeorigin="arrival")]

    note = noted(catalogue, *lines, *steps)

    assert note is not None
    assert note.tills == [
        TillNote(mine, "2026-06-01", 3, 5, NOON_MS, 0),
        TillNote(mine, "2026-06-01", 9, 9, NOON_MS, 0),
        TillNote(mine, "2026-05-31", 77, 77, NOON_MS, None),
    ]


def test_what_only_looks_like_a_tills_transaction_is_none(catalogue: Catalogue) -> None:
    mine = "store/042/3"
    note = noted(
        catalogue,
        said("2026-06-01/1", source=mine, keykind="browser"),
        said("2026-06-01/1", source="store/042"),
        said("2026-06-01/2", source="store/042/3/4"),
        said("2026-13-01/3", source=mine),
        said("2026-06-09/4", source=mine),
        said("2025-06-09/5", source=mine),
        said("2026-06-01/x", source=mine),
        said("2026-06-01/99999999999999999", source=mine),
    )

    assert note is not None
    assert note.tills == []


@given(st.sets(st.integers(0, 60)))
def test_runs_hold_each_number_once_and_no_other(numbers: set[int]) -> None:
    runs = [*runs_of(numbers)]

    assert [n for low, high in runs for n in range(low, high + 1)] == sorted(numbers)
    assert all(high + 1 < low for (_, high), (low, _) in pairwise(runs))
