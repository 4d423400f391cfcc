"""When a route may tell something: quiet hours, and the hour of a digest. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.outbound.notify.routes import Quiet, Route

DAY = timedelta(days=1)


def due_at(route: Route, *, now: datetime, severity: str) -> datetime:
    """When what happened now may be told: now, at the end of the quiet hours, or at the next digest."""
    zone = ZoneInfo(route.row.zone)
    if route.digest is not None:
        return _next(route.digest, zone, after=now)
    quiet = route.row.quiet
    if quiet is None or severity in quiet.but or not _is_quiet(quiet, now.astimezone(zone).time()):
        return now
    return _next(quiet.to, zone, after=now)


def _is_quiet(quiet: Quiet, at: time) -> bool:
    if quiet.from_ <= quiet.to:
        return quiet.from_ <= at < quiet.to
    return at >= quiet.from_ or at < quiet.to


def _next(at: time, zone: ZoneInfo, *, after: datetime) -> datetime:
    """The next moment after this one at which clocks of the zone show a time of the day; where they skip it, soon after."""
    day = after.astimezone(zone).date()
    moments = (datetime.combine(day + DAY * ahead, at, tzinfo=zone).astimezone(UTC) for ahead in range(3))
    return next(moment for moment in moments if moment > after)
