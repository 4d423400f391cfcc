"""Understand which alerts a request means, or refuse it with what to change."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import quote
from uuid import UUID

from schemas.alertsapi import (
    ALERT_ID_PATTERN,
    ALERTS_PAGE_DEFAULT,
    ALERTS_PAGE_MAX,
    NAME_PATTERN,
    RULE_PATTERN,
    STATES,
    WORKS,
)
from schemas.touchpoint import CHANNEL_PATTERN, ID_PATTERN, PLACE_PATTERN, TOUCHPOINT_PATTERN
from services.api.requests import Asked, bad, moment_of, named_of_path, parameters_of, place_of
from services.infra.http.problems import Refused
from services.state.alert_work import AlertFilter
from services.state.events import Place

SHARED: Final = ("place", "touchpoint", "channel")
FILTERS: Final = ("state", "severity", "rule", "work", *SHARED, "customer", "account", "assigned", "since", "incident")
PAGING: Final = ("limit", "cursor")
INCIDENT_STATES: Final = ("open", "resolved", "all")

_FORMS: Final = {
    "state": (re.compile("|".join(STATES)), f"one of: {', '.join(STATES)}"),
    "severity": (re.compile("warning|critical"), "warning or critical"),
    "rule": (re.compile(RULE_PATTERN), "a rule as `rule` of an alert has it"),
    "work": (re.compile("|".join(WORKS)), f"one of: {', '.join(WORKS)}"),
    "place": (re.compile(PLACE_PATTERN), "kind/value"),
    "touchpoint": (re.compile(TOUCHPOINT_PATTERN), "a touchpoint as the catalogue names it"),
    "channel": (re.compile(CHANNEL_PATTERN), "a channel"),
    "account": (re.compile(ID_PATTERN), "the name of an account"),
    "assigned": (re.compile(NAME_PATTERN), "1 to 100 printable characters"),
    "incident": (re.compile(ALERT_ID_PATTERN), "the id of an incident"),
}
_LIMIT: Final = re.compile(r"[0-9]{1,3}")


class MeantAlerts(NamedTuple):
    """Alerts as a request means them, and the page of them."""

    filter: AlertFilter
    customer: Sequence[str] | None
    """Whose, by the names that the person may be kept under."""
    before: Place
    limit: int


class MeantIncidents(NamedTuple):
    """Incidents as a request means them, and the page of them."""

    state: str | None
    before: Place
    limit: int


def meant_alerts(asked: Asked, *, now: datetime, hash_key: bytes) -> MeantAlerts | Refused:
    """Understand the query of a list of alerts."""
    told = _told(asked, named=(*FILTERS, *PAGING))
    if isinstance(told, Refused):
        return told
    page = _page(told)
    if isinstance(page, Refused):
        return page
    since = None if "since" not in told else moment_of(told["since"], now=now, name="since")
    if isinstance(since, Refused):
        return since
    customer = None if "customer" not in told else named_of_path(quote(told["customer"], safe=":"), hash_key=hash_key)
    if isinstance(customer, Refused):
        return bad("The parameter customer must be kind:value.")
    return MeantAlerts(_filter(told, since, now), None if customer is None else customer.identities, *page)


def meant_incidents(asked: Asked) -> MeantIncidents | Refused:
    """Understand the query of a list of incidents."""
    told = parameters_of(asked.query, named=("state", *PAGING))
    if isinstance(told, Refused):
        return told
    page = _page(told)
    if isinstance(page, Refused):
        return page
    state = told.get("state", "all")
    if state not in INCIDENT_STATES:
        return bad(f"The parameter state must be one of: {', '.join(INCIDENT_STATES)}.")
    return MeantIncidents(None if state == "all" else state, *page)


def alert_id(segment: str) -> UUID | None:
    """Return the id that a path names; what can be none is no alert's."""
    return UUID(segment) if re.fullmatch(ALERT_ID_PATTERN, segment) else None


def _told(asked: Asked, *, named: tuple[str, ...]) -> Mapping[str, str] | Refused:
    told = parameters_of(asked.query, named=named)
    if isinstance(told, Refused):
        return told
    for name, text in told.items():
        if name in _FORMS and not _FORMS[name][0].fullmatch(text):
            return bad(f"The parameter {name} must be {_FORMS[name][1]}.")
    return told


def _page(told: Mapping[str, str]) -> tuple[Place, int] | Refused:
    limit = told.get("limit", str(ALERTS_PAGE_DEFAULT))
    if not _LIMIT.fullmatch(limit) or not 1 <= int(limit) <= ALERTS_PAGE_MAX:
        return bad(f"The parameter limit must be a whole number from 1 to {ALERTS_PAGE_MAX}.")
    before = place_of(told.get("cursor"))
    return before if isinstance(before, Refused) else (before, int(limit))


def _filter(told: Mapping[str, str], since: datetime | None, now: datetime) -> AlertFilter:
    state = told.get("state", "all")
    shared = {name: told[name] for name in SHARED if name in told}
    return AlertFilter(
        state=None if state == "all" else state,
        severity=told.get("severity"),
        rule=told.get("rule"),
        account=told.get("account"),
        assigned=told.get("assigned"),
        since=since,
        incident=UUID(told["incident"]) if "incident" in told else None,
        reason=shared or None,
        work=told.get("work"),
        now=now,
    )
