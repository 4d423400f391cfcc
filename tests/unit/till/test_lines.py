from __future__ import annotations

import json
from datetime import timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from services.ingest.adapters import till as adapter
from services.till import lines
from services.till.limits import LINE_BYTES_MAX
from services.till.lines import Line, Reading, Unfit, is_whole, read_line

READING = Reading("3", ZoneInfo("Europe/Warsaw"), "2026-03-02T08:00:00.000+00:00")
AT = "2026-03-01T11:40:00+01:00"


def read(**said: object) -> Line:
    line = read_line(json.dumps(said).encode(), READING)
    assert isinstance(line, Line), line
    return line


def test_a_line_is_known_by_its_day_and_its_number_whatever_else_it_calls_itself() -> None:
    plain, named = read(seq=991, time=AT), read(seq=991, time=AT, id="b1946ac9")

    assert plain.key == named.key == "2026-03-01/991"
    assert plain.digest == named.digest
    assert read(seq=991, day="2026-02-28", time=AT).key == "2026-02-28/991"


def test_the_same_said_in_another_order_and_another_way_of_times_is_the_same() -> None:
    one = read(seq=1, day="2026-03-01", time=AT, training=True)
    again = read(training=True, time="2026-03-01T10:40:00Z", day="2026-03-01", seq=1)

    assert (one.key, one.digest) == (again.key, again.digest)
    assert read(seq=1, day="2026-03-01", time=AT).digest != one.digest


@pytest.mark.parametrize("kind", ["order", "suspended", "reopened"])
def test_what_comes_before_the_receipt_leaves_it_its_number(kind: str) -> None:
    assert read(seq=1, time=AT, type=kind).key == f"2026-03-01/1/{kind}"


def test_agent_and_door_know_lines_by_the_same_words() -> None:
    assert lines.BEFORE_THE_RECEIPT == adapter.BEFORE_THE_RECEIPT
    assert lines.NAME.pattern == adapter.NAME.pattern
    assert lines.NUMBER_MAX == adapter.NUMBER_MAX


@pytest.mark.parametrize(
    ("time", "sent"),
    [
        ("2026-03-01T11:40:00", "2026-03-01T11:40:00+01:00"),
        ("2026-07-01 11:40", "2026-07-01T11:40:00+02:00"),
        ("2026-10-25T02:30:00", "2026-10-25T02:30:00+02:00"),
        (AT, AT),
        ("2026-03-01T11:40:00.1234567Z", "2026-03-01T11:40:00.123456+00:00"),
        ("2026-03-01T25:00:00", "2026-03-01T25:00:00"),
        (None, READING.now),
    ],
)
def test_a_time_without_a_zone_is_the_store_s_and_a_line_without_a_time_is_of_now(time: str | None, sent: str) -> None:
    line = read(seq=1, day="2026-03-01") if time is None else read(seq=1, day="2026-03-01", time=time)

    assert json.loads(line.body)["time"] == sent


def test_without_a_zone_the_machine_s_own_holds() -> None:
    moment = lines.instant("2026-03-01T11:40:00", None)

    assert moment is not None
    assert moment.utcoffset() is not None
    assert lines.instant("2026-03-01T11:40:00", timezone(timedelta(hours=-3))) != moment.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("text", "reason", "said"),
    [
        (b"{broken", "malformed-json", "newline"),
        (b"[1]", "malformed-json", "object"),
        (b'{"seq": NaN}', "malformed-json", "object"),
        (b'{"seq": 1, "day": "2026-03-01", "properties": {"a": 1e999}}', "malformed-json", "number"),
        (b'{"seq": 1, "day": "2026-03-01", "text": "\\ud83d"}', "malformed-json", "character"),
        (b"[" * 5000, "malformed-json", "object"),
        (b'{"seq": 1, "text": "\xff"}', "malformed-json", "UTF-8"),
        (b'{"day": "2026-03-01"}', "invalid-line", "seq"),
        (b'{"seq": true, "day": "2026-03-01"}', "invalid-line", "seq"),
        (b'{"seq": -1, "day": "2026-03-01"}', "invalid-line", "seq"),
        (b'{"seq": 1}', "invalid-line", "day"),
        (b'{"seq": 1, "day": 20260301}', "invalid-line", "day"),
        (b'{"seq": 1, "time": "now"}', "invalid-line", "day"),
        (b'{"seq": 1, "text": "' + b"a" * LINE_BYTES_MAX + b'"}', "too-large", "bytes"),
    ],
)
def test_what_has_no_natural_key_or_cannot_be_read_is_told_what_to_mend(text: bytes, reason: str, said: str) -> None:
    unfit = read_line(text, READING)

    assert isinstance(unfit, Unfit)
    assert unfit.reason == reason
    assert said in unfit.detail
    assert text.startswith(unfit.text)


def test_a_line_needs_a_till() -> None:
    unfit = read_line(b'{"seq": 1, "day": "2026-03-01"}', READING._replace(till=None))

    assert isinstance(unfit, Unfit)
    assert "--till" in unfit.detail


def test_no_beginning_of_an_object_is_taken_for_a_whole_one() -> None:
    whole = json.dumps({"seq": 1, "properties": {"a": "}", "b": [1, {}]}}).encode()

    assert is_whole(whole)
    assert not any(is_whole(whole[:length]) for length in range(len(whole)))
