"""The sink of a route."""

from __future__ import annotations

from typing import assert_never

import httpx
from pydantic import SecretStr

from services.infra.clock import Clock
from services.outbound.notify.routes import (
    AppriseRoute,
    MailRoute,
    PagerDutyRoute,
    Route,
    SlackRoute,
    TeamsRoute,
    WebhookRoute,
)
from services.outbound.notify.sink import Sink
from services.outbound.notify.sinks.apprise import Apprise
from services.outbound.notify.sinks.mail import Mail
from services.outbound.notify.sinks.pagerduty import PagerDuty
from services.outbound.notify.sinks.slack import Slack
from services.outbound.notify.sinks.teams import Teams
from services.outbound.notify.sinks.webhook import SignedWebhook


def new_client() -> httpx.AsyncClient:
    """The connections that sinks share; posting bounds each request."""
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=20, keepalive_expiry=30)
    return httpx.AsyncClient(follow_redirects=False, timeout=httpx.Timeout(15.0), limits=limits)


def sink_of(route: Route, client: httpx.AsyncClient, *, clock: Clock) -> Sink:
    """Make the sink that a route tells by."""
    secret = route.secret or SecretStr("")
    match route.row:
        case SlackRoute() as row:
            return Slack(row, secret, client)
        case TeamsRoute() as row:
            return Teams(row, secret, client)
        case PagerDutyRoute() as row:
            return PagerDuty(row, secret, client)
        case MailRoute() as row:
            return Mail(row, route.secret)
        case WebhookRoute() as row:
            return SignedWebhook(row, secret, client, clock=clock)
        case AppriseRoute() as row:
            return Apprise(secret, language=row.language)
        case unreachable:
            assert_never(unreachable)
