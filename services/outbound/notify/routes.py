"""Routes: who is told of which alerts, when, and by what; as their file says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time
from fnmatch import fnmatchcase
from typing import Annotated, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from services.core.bands import BANDS, UNKNOWN_BAND
from services.outbound.notify.steps import AlertStep, IncidentStep, Step

ROUTES_MAX: Final = 200
"""A route a team: more of them are not one company's."""

SINKS: Final = ("slack", "teams", "pagerduty", "mail", "webhook", "apprise")

PATTERNS_MAX: Final = 200

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Patterns = Annotated[tuple[Pattern, ...], Field(max_length=PATTERNS_MAX)]
Severity = Literal["warning", "critical"]
Band = Annotated[str, StringConstraints(min_length=1, max_length=30)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@]+(/\S*)?$", max_length=2000)]


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("is no time zone: write one such as Europe/Warsaw") from error
    return name


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True)


class Secret(_Part):
    """Where a secret stands; never the secret itself."""

    file: Text | None = None
    """A path, from the routes file's folder."""
    env: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,99}$")] | None = None


class Quiet(_Part):
    """Hours in which a route waits, in the route's time zone."""

    from_: Annotated[time, Field(alias="from")]
    to: time
    but: tuple[Severity, ...] = ()
    """Severities that wake people."""


class Owner(_Part):
    """Who is responsible for which accounts and places."""

    name: Text
    accounts: Patterns = ()
    places: Patterns = ()


class _Route(_Part):
    name: Name
    severity: tuple[Severity, ...] = ()
    band: tuple[Band, ...] = ()
    place: Patterns = ()
    account: Patterns = ()
    owner: Patterns = ()
    touchpoint: Patterns = ()
    rule: Patterns = ()
    language: Literal["en", "pl"] = "en"
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    quiet: Quiet | None = None
    cooldown_hours: Annotated[float, Field(ge=0, le=24 * 30)] = 24.0
    """A customer is notified of at most once in so long, but for a higher severity."""


class SlackRoute(_Route):
    """An incoming webhook, or a bot's token with a channel."""

    sink: Literal["slack"]
    secret: Secret
    channel: Text | None = None
    api: Url = "https://slack.com/api"


class TeamsRoute(_Route):
    """The address of a workflow that posts to a channel."""

    sink: Literal["teams"]
    secret: Secret


class PagerDutyRoute(_Route):
    """The integration key of a service, Events API v2."""

    sink: Literal["pagerduty"]
    secret: Secret
    url: Url = "https://events.pagerduty.com/v2/enqueue"


class MailRoute(_Route):
    """Mail by SMTP; with `digest` one a day."""

    sink: Literal["mail"]
    host: Text
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: Text | None = None
    secret: Secret | None = None
    sender: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=320)]
    to: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=320)], ...],
        Field(min_length=1, max_length=50),
    ]
    digest: time | None = None


class WebhookRoute(_Route):
    """A receiver of webhooks in the form of the Standard Webhooks specification."""

    sink: Literal["webhook"]
    url: Url
    secret: Secret


class AppriseRoute(_Route):
    """Anything that the apprise package knows, by its address."""

    sink: Literal["apprise"]
    secret: Secret


Row = Annotated[
    SlackRoute | TeamsRoute | PagerDutyRoute | MailRoute | WebhookRoute | AppriseRoute, Field(discriminator="sink")
]


class RoutesFile(_Part):
    """What stands in a routes file."""

    route: Annotated[tuple[Row, ...], Field(max_length=ROUTES_MAX)] = ()
    owner: Annotated[tuple[Owner, ...], Field(max_length=1000)] = ()


class Route(NamedTuple):
    """A route with its secret."""

    row: Row
    secret: SecretStr | None
    fingerprint: str
    """Of its row and its secret: another one means that somebody has changed it."""

    @property
    def name(self) -> str:
        """Its name."""
        return self.row.name

    @property
    def digest(self) -> time | None:
        """At what time of the day everything is told at once; None for at once."""
        return self.row.digest if isinstance(self.row, MailRoute) else None

    @property
    def changes_quietly(self) -> bool:
        """Whether an end changes what was said before, and makes no sound."""
        return isinstance(self.row, PagerDutyRoute) or (
            isinstance(self.row, SlackRoute) and self.row.channel is not None
        )


class Routes(NamedTuple):
    """All routes, by name, and who owns what."""

    by_name: Mapping[str, Route]
    owners: Sequence[Owner]

    def owners_of(self, step: AlertStep) -> set[str]:
        """Who is responsible: whom the alert was given to, and who owns an account or a place of it."""
        found = {step.owner} if step.owner else set()
        return found | {
            owner.name
            for owner in self.owners
            if _any(owner.accounts, step.accounts) or _any(owner.places, step.places)
        }

    def that_match(self, step: Step) -> list[Route]:
        """The routes that a step concerns."""
        return [route for route in self.by_name.values() if self.matches(route, step)]

    def matches(self, route: Route, step: Step) -> bool:
        """Whether a step concerns a route. An incident is passed by what it cannot answer: it is everybody's."""
        row = route.row
        match step:
            case IncidentStep():
                said = {"place": row.place, "touchpoint": row.touchpoint}.get(step.along, ())
                return not said or _any(said, (step.value,))
            case AlertStep():
                asked: tuple[tuple[Sequence[str], Sequence[str]], ...] = (
                    (row.severity, (step.severity,)),
                    (row.band, (band_of(step.score),)),
                    (row.place, step.places),
                    (row.account, step.accounts),
                    (row.owner, tuple(self.owners_of(step))),
                    (row.touchpoint, step.touchpoints),
                    (row.rule, (step.rule,)),
                )
                return all(not wanted or _any(wanted, found) for wanted, found in asked)


def band_of(score: float) -> str:
    """Name the band of a score that is known well enough to alert on."""
    return BANDS.name(score, 1.0)


BAND_NAMES: Final = tuple(name for name in BANDS.names if name != UNKNOWN_BAND)


def _any(patterns: Sequence[str], values: Sequence[str]) -> bool:
    return any(fnmatchcase(value, pattern) for value in values for pattern in patterns)
