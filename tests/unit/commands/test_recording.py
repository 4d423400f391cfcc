"""Recorded files: every line read once, times moved by whole hours, and always by the same."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.commands.bundled_maps import MAPS
from services.commands.recording import HOUR, LINE_BYTES_MAX, Line, Recorded, Recording, kept_shift, shift_to
from services.infra.errors import ConfigurationError
from services.infra.mapping.event_map import Unreadable
from services.infra.mapping.map_file import load_map

MAP = load_map(
    MAPS / "support_incident_events.yaml",
    touchpoints={"case.opened", "case.resolved", "case.reopened", "call.transferred"},
)
CASES = Path(__file__).parents[4] / "shared" / "cases" / "meaning"
NOW = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
instants = st.integers(946_684_800, 4_102_444_800).map(lambda s: datetime.fromtimestamp(s, UTC))


def line(number: int, *, at: str = "2016-03-01T10:00:00Z") -> str:
    return json.dumps(
        {
            "event_id": f"e{number}",
            "occurred_at": at,
            "customer_id": "c",
            "type": "ticket_opened",
            "ticket_id": "t",
            "attributes": {},
        }
    )


def recording(path: Path, text: str) -> Recording:
    path.write_text(text, encoding="utf-8")
    return Recording(path=path, map=MAP)


def event_of(file: Recording, one: Line, *, source: str = "a", shift_hours: int = 0) -> Recorded | Unreadable:
    (read,) = file.events(one, source=source, shift_hours=shift_hours)
    return read


@given(newest=instants, now=instants)
def test_the_newest_event_is_less_than_an_hour_ago_and_never_in_the_future(newest: datetime, now: datetime) -> None:
    moved = newest + shift_to(newest, now=now) * HOUR

    assert timedelta(0) <= now - moved < HOUR


def test_the_shift_of_the_first_run_holds_for_every_later_one(tmp_path: Path) -> None:
    file = recording(tmp_path / "a.ndjson", line(1) + "\n")
    scan = file.scan(now=NOW)

    first = kept_shift(tmp_path, scan=scan, source="a", now=NOW)
    later = kept_shift(tmp_path, scan=scan, source="a", now=NOW + timedelta(days=40))
    elsewhere = kept_shift(tmp_path / "other", scan=scan, source="a", now=NOW + timedelta(days=40))

    assert first == later
    assert elsewhere == first + 40 * 24


def test_a_file_that_has_grown_keeps_the_shift_of_its_source(tmp_path: Path) -> None:
    file = tmp_path / "a.ndjson"
    old, new = line(1), line(2, at="2016-03-01T12:30:00Z")
    first = recording(file, f"{old}\n").scan(now=NOW)
    grown = recording(file, f"{old}\n{new}\n").scan(now=NOW)
    later = NOW + timedelta(hours=3)

    kept = kept_shift(tmp_path, scan=first, source="a", now=NOW)

    assert kept_shift(tmp_path, scan=grown, source="b", now=NOW) == kept - 2
    with pytest.raises(ConfigurationError, match="another --source"):
        kept_shift(tmp_path, scan=grown, source="a", now=NOW)
    assert kept_shift(tmp_path, scan=grown, source="a", now=later) == kept


def test_one_mistyped_year_moves_no_other_event(tmp_path: Path) -> None:
    text = "\n".join([line(1), line(2, at="9999-12-31T23:59:59Z")])
    file = recording(tmp_path / "a.ndjson", text)

    scan = file.scan(now=NOW)
    shift = kept_shift(tmp_path, scan=scan, source="a", now=NOW)
    good, typo = (event_of(file, one, shift_hours=shift) for one in file.lines())

    assert isinstance(good, Recorded)
    assert timedelta(0) <= NOW - good.occurred_at < HOUR
    assert isinstance(typo, Unreadable)


def test_the_mark_that_some_programs_begin_a_file_with_belongs_to_no_line(tmp_path: Path) -> None:
    plain = recording(tmp_path / "a.ndjson", line(1) + "\n" + line(2))
    marked = recording(tmp_path / "b.ndjson", "\ufeff" + line(1) + "\n" + line(2))

    assert [type(event_of(marked, one)) for one in marked.lines()] == [Recorded, Recorded]
    assert marked.scan(now=NOW) == plain.scan(now=NOW)


@pytest.mark.skipif(not CASES.exists(), reason="the failed inputs stand beside the checkout, and are not here")
def test_the_recordings_that_failed_are_read_whole() -> None:
    map_ = load_map(CASES / "replay-map.yaml", touchpoints={"survey.csat", "email.opened"})
    lines = [
        (file, line)
        for name in ("replay-bom-and-float-id", "replay-boolean-table")
        for file in [Recording(path=CASES / f"{name}.ndjson", map=map_)]
        for line in file.lines()
    ]

    read = [event_of(file, line) for file, line in lines]

    events = [json.loads(one.event.encoded) for one in read if isinstance(one, Recorded)]
    people = {event["id"]: event["data"]["identities"][0]["value"] for event in events}
    assert len(events) == len(lines) == 7
    assert people["r1"] == "rp-1"
    assert people["r2"] == people["r3"] == "17850"
    assert people["r4"] == "12345678901234567890"
    assert [event["data"]["valence"] for event in events if event["id"] in {"r12", "r13"}] == [1.0, 1.0]
    assert events[-1]["data"]["properties"] == {"machine_made": True}


@pytest.mark.parametrize("bad", [b'{"a": "\xff"}', b"[" * 100_000, b'{"a":' * 50_000])
def test_a_line_that_is_no_text_or_never_ends_is_unreadable(tmp_path: Path, bad: bytes) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(bad + b"\n" + line(1).encode() + b"\n")
    file = Recording(path=path, map=MAP)

    assert file.scan(now=NOW).lines == 2
    read = [event_of(file, one) for one in file.lines()]
    assert [type(one) for one in read] == [Unreadable, Recorded]


def test_a_damaged_shift_is_named_and_not_guessed(tmp_path: Path) -> None:
    scan = recording(tmp_path / "a.ndjson", line(1)).scan(now=NOW)
    kept_shift(tmp_path, scan=scan, source="a", now=NOW)
    (kept,) = (tmp_path / "replay").iterdir()
    kept.write_text("{")

    with pytest.raises(ConfigurationError, match=str(kept)):
        kept_shift(tmp_path, scan=scan, source="a", now=NOW)


def test_packed_and_plain_are_the_same_file(tmp_path: Path) -> None:
    text = "\n".join(line(number) for number in range(50))
    plain = recording(tmp_path / "a.ndjson", text)
    packed = tmp_path / "b.ndjson.gz"
    packed.write_bytes(gzip.compress(text.encode()))

    scan = plain.scan(now=NOW)

    assert Recording(path=packed, map=MAP).scan(now=NOW) == scan
    assert scan.lines == 50


def test_a_scan_tells_the_newest_time_and_does_not_stumble_over_bad_lines(tmp_path: Path) -> None:
    text = "\n".join(
        [
            line(1),
            "",
            "{not json",
            '"text"',
            '{"occurred_at": "never"}',
            line(2, at="2016-05-01T10:00:00+02:00"),
            line(3),
        ]
    )

    scan = recording(tmp_path / "a.ndjson", text).scan(now=NOW)

    assert scan.lines == 6
    assert scan.newest == datetime(2016, 5, 1, 8, tzinfo=UTC)


def test_an_event_keeps_its_id_and_moves_by_the_shift(tmp_path: Path) -> None:
    file = recording(tmp_path / "a.ndjson", line(1) + "\nnonsense\n")
    good, bad = file.lines()

    event = event_of(file, good, source="replay/a", shift_hours=24)
    refused = event_of(file, bad, source="replay/a", shift_hours=24)

    assert isinstance(event, Recorded)
    sent = json.loads(event.event.encoded)
    assert (sent["id"], sent["source"], sent["time"]) == ("e1", "replay/a", "2016-03-02T10:00:00Z")
    assert (bad.number, refused) == (2, Unreadable("is not a JSON object"))


@pytest.mark.parametrize("cut", [3, 30, -4])
def test_a_file_that_breaks_off_is_told_and_not_taken_for_whole(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(gzip.compress((line(1) + "\n").encode() * 10)[:cut])

    with pytest.raises(ConfigurationError, match="to its end"):
        Recording(path=path, map=MAP).scan(now=NOW)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.ndjson"):
        Recording(path=tmp_path / "none.ndjson", map=MAP).scan(now=NOW)


def test_a_line_without_an_end_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    file = recording(tmp_path / "a.ndjson", "x" * (LINE_BYTES_MAX + 1))

    with pytest.raises(ConfigurationError, match="one event on a line"):
        file.scan(now=NOW)
