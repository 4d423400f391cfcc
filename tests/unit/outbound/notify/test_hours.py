"""When a route may tell: across midnight, across a change of the clocks, and once a day."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest
from pydantic import SecretStr

from services.outbound.notify.hours import due_at
from services.outbound.notify.routes import MailRoute, Quiet, Route, Secret, SlackRoute

NIGHT = Quiet.model_validate({"from": time(22), "to": time(7), "but": ("critical",)})


def calm(quiet: Quiet | None = NIGHT, zone: str = "Europe/Warsaw") -> Route:
    row = SlackRoute(name="r", sink="slack", secret=Secret(env="X"), quiet=quiet, zone=zone)
    return Route(row, SecretStr("x"), "")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        pytest.param("2026-03-01T12:00", "2026-03-01T12:00", id="by day at once"),
        pytest.param("2026-03-01T20:59", "2026-03-01T20:59", id="a minute before the night, at once"),
        pytest.param("2026-03-01T21:00", "2026-03-02T06:00", id="in the evening, in the morning"),
        pytest.param("2026-03-02T02:00", "2026-03-02T06:00", id="after midnight, the same morning"),
        pytest.param("2026-03-02T06:00", "2026-03-02T06:00", id="when the night ends, at once"),
        pytest.param("2026-03-28T22:00", "2026-03-29T05:00", id="the night in which clocks go forward"),
        pytest.param("2026-10-24T22:00", "2026-10-25T06:00", id="the night in which clocks go back"),
    ],
)
def test_quiet_hours_end_by_the_clocks_of_the_zone(now: str, due: str) -> None:
    assert due_at(calm(), now=at(now), severity="warning") == at(due)


def test_what_wakes_people_does_not_wait() -> None:
    midnight = at("2026-03-02T00:00")

    assert due_at(calm(), now=midnight, severity="critical") == midnight
    assert due_at(calm(None), now=midnight, severity="warning") == midnight


def test_a_digest_comes_at_its_time_of_the_day() -> None:
    row = MailRoute(
        name="r",
        sink="mail",
        host="h",
        sender="a@b.example",
        to=("c@d.example",),
        digest=time(8),
        zone="Europe/Warsaw",
    )

    moments = [
        due_at(Route(row, None, ""), now=at(now), severity="critical")
        for now in ("2026-03-01T06:00", "2026-03-01T07:00")
    ]

    assert moments == [at("2026-03-01T07:00"), at("2026-03-02T07:00")]
