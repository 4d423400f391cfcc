"""Times in the forms that others write them in, with their zones."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from services.core.instants import write_instant
from services.infra.mapping.times import PLAIN, TimeForms

WARSAW = ZoneInfo("Europe/Warsaw")


@pytest.mark.parametrize(
    ("forms", "found", "instant"),
    [
        (PLAIN, "2026-03-01T12:00:00+01:00", "2026-03-01T11:00:00Z"),
        (PLAIN, " 2026-03-01 12:00:00.5Z ", "2026-03-01T12:00:00.500000Z"),
        (TimeForms(("seconds",)), 1772366400, "2026-03-01T12:00:00Z"),
        (TimeForms(("seconds",)), "1772366400.25", "2026-03-01T12:00:00.250000Z"),
        (TimeForms(("milliseconds",)), 1772366400000, "2026-03-01T12:00:00Z"),
        (TimeForms(("%d.%m.%Y %H:%M",), WARSAW), "01.03.2026 13:00", "2026-03-01T12:00:00Z"),
        (TimeForms(("%d/%b/%Y:%H:%M:%S %z",)), "01/Mar/2026:13:00:00 +0100", "2026-03-01T12:00:00Z"),
        (TimeForms(("%d.%m.%Y", "%Y-%m-%d"), WARSAW), "2026-03-01", "2026-02-28T23:00:00Z"),
        (TimeForms(zone=WARSAW), "2026-07-01T13:00:00", "2026-07-01T11:00:00Z"),
        (TimeForms(zone=WARSAW), "2026-07-01", "2026-06-30T22:00:00Z"),
        (TimeForms(zone=WARSAW), "2026-07-01T13:00:00Z", "2026-07-01T13:00:00Z"),
        # The hour that the clock shows twice is the first of the two, and always the same.
        (TimeForms(zone=WARSAW), "2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),
        (TimeForms(("seconds", "rfc3339")), "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"),
    ],
)
def test_a_time_is_read_in_its_form(forms: TimeForms, found: str | float, instant: str) -> None:
    assert write_instant(forms.read(found)) == instant


@pytest.mark.parametrize(
    ("forms", "found", "message"),
    [
        (PLAIN, "01.03.2026", "must be an RFC 3339 time"),
        (PLAIN, "2026-02-30T00:00:00Z", "must be an instant that exists"),
        (PLAIN, 1772366400, "format"),
        (TimeForms(("%d.%m.%Y",)), "01.03.2026", "without a zone: add one to the map's time"),
        (TimeForms(("%d.%m.%Y",), WARSAW), "2026-03-01", "not of the form %d.%m.%Y"),
        (TimeForms(("%d.%m.%Y",), WARSAW), "01.03.2026" * 100, "not of the form"),
        (TimeForms(("seconds",)), "soon", "not of the form seconds"),
        (TimeForms(("seconds",)), True, "not of the form seconds"),
        (TimeForms(("seconds",)), 1e300, "not of the form seconds"),
        (TimeForms(("seconds",)), float("nan"), "not of the form seconds"),
        (TimeForms(("%Y",), ZoneInfo("Asia/Tokyo")), "0001", "no calendar reaches"),
    ],
)
def test_a_time_in_no_form_of_the_map_says_what_to_write(forms: TimeForms, found: str | float, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", "\\(").replace("%", "%")):
        forms.read(found)
