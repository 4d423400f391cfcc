"""What people read of a step of an alert or an incident, in their language; no sink's form yet."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

from services.infra.catalogue.reading import Labels
from services.outbound.notify.routes import Route
from services.outbound.notify.steps import AlertStep, Fallen, IncidentStep, Reason, Severity, Step, StepName, stored
from services.outbound.notify.words import WORDS, Words

REASONS_SHOWN: Final = 3
"""What somebody takes in at a glance."""

WORST_SHOWN: Final = 10

NAME_CHARS_MAX: Final = 200
"""Of an id or a place: people write to these what they like."""


class Message(NamedTuple):
    """What is told of one step; a sink puts it into its own form and cuts it to its own limits."""

    id: str
    """The same whenever it is sent again."""
    about: UUID
    step: StepName
    severity: Severity
    title: str
    who: str
    lines: Sequence[str]
    """Since when and why, one a line."""
    advice: str
    """Empty where there is none."""
    link: str
    """Empty where none is set."""
    opened_at: datetime
    changed_at: datetime
    rule: str
    touchpoint: str
    place: str
    record: str
    """JSON: the step itself, for programs."""


class Texts(NamedTuple):
    """What messages are made of, besides steps."""

    labels: Mapping[str, Labels]
    """By language."""
    link: str | None


def message_of(step: Step, *, route: Route, revision: int, texts: Texts) -> Message:
    """Say a step as people of a route read it."""
    words, labels = WORDS[route.row.language], texts.labels[route.row.language]
    message = Message(
        id=f"{route.name}-{step.about}-{revision}",
        about=step.about,
        step=step.state,
        severity=step.severity,
        title="",
        who="",
        lines=(words.since.format(at=_at(step.opened_at, ZoneInfo(route.row.zone))),),
        advice="",
        link="",
        opened_at=step.opened_at,
        changed_at=step.changed_at,
        rule=step.rule,
        touchpoint="",
        place="",
        record=stored(step),
    )
    if isinstance(step, AlertStep):
        return _of_alert(message, step, words, labels)._replace(
            link=_link(texts.link, customer=step.whose, alert=step.about)
        )
    return _of_incident(message, step, words, labels)


def _of_alert(message: Message, step: AlertStep, words: Words, labels: Labels) -> Message:
    reasons = sorted(step.reasons, key=lambda reason: reason.points)
    return message._replace(
        title=_marked(step, _alert_title(step, words), words),
        who=_short(step.whose),
        lines=(*message.lines, *_reasons(reasons, labels), *_grouped(step, words)),
        advice=_advice([one.touchpoint for one in reasons if one.points < 0], labels),
        touchpoint=reasons[0].touchpoint if reasons else "",
        place=next((one.place for one in reasons if one.place), ""),
    )


def _of_incident(message: Message, step: IncidentStep, words: Words, labels: Labels) -> Message:
    touchpoint = step.value if step.along == "touchpoint" else ""
    return message._replace(
        title=_incident_title(step, words, labels),
        who=words.people.format(n=step.people),
        lines=(*message.lines, words.usual.format(n=f"{step.usual:g}"), *_worst(step.worst)),
        advice=_advice((touchpoint,), labels),
        touchpoint=touchpoint,
        place=step.value if step.along == "place" else "",
    )


def digest_of(messages: Sequence[Message], *, route: Route, day: str) -> Message:
    """Say many steps at once, the critical ones first; the same steps make the same id."""
    words = WORDS[route.row.language]
    ordered = sorted(messages, key=lambda one: (one.severity != "critical", one.opened_at))
    lines = [line for one in ordered for line in _as_item(one, words)]
    first = ordered[0]
    return first._replace(
        id=f"{route.name}-digest-{day}-{_sum(messages)}",
        step="opened",
        title=words.digest.format(n=len(ordered), day=day),
        who="",
        lines=lines,
        advice="",
        link="",
    )


def _sum(messages: Sequence[Message]) -> str:
    return hashlib.sha256("\n".join(sorted(one.id for one in messages)).encode()).hexdigest()[:12]


def _as_item(message: Message, words: Words) -> list[str]:
    advice = [f"    {words.advice}: {message.advice}"] if message.advice else []
    link = [f"    {message.link}"] if message.link else []
    return [f"• {message.title}", *(f"    {line}" for line in message.lines), *advice, *link, ""]


def _alert_title(step: AlertStep, words: Words) -> str:
    title = words.titles.get(f"{step.rule}.{step.state}", words.titles[step.state])
    return title.format(
        severity=words.severities[step.severity],
        who=_short(step.whose),
        before=_figure(step.score_before),
        now=_figure(step.score),
    )


def _incident_title(step: IncidentStep, words: Words, labels: Labels) -> str:
    name = labels.touchpoints.get(step.value, step.value) if step.along == "touchpoint" else step.value
    text = words.incident_over if step.state == "resolved" else words.incident
    return text.format(n=step.people, along=words.along.get(step.along, step.along), value=_short(name))


def _marked(step: AlertStep, title: str, words: Words) -> str:
    return f"{words.test}: {title}" if step.test else title


def _reasons(reasons: Sequence[Reason], labels: Labels) -> list[str]:
    return [f"{_points(reason.points)}  {_named(reason, labels)}" for reason in reasons[:REASONS_SHOWN]]


def _named(reason: Reason, labels: Labels) -> str:
    where = ", ".join(_short(part) for part in (reason.channel, reason.place) if part)
    name = _short(labels.touchpoints.get(reason.touchpoint, reason.touchpoint))
    return f"{name} ({where})" if where else name


def _grouped(step: AlertStep, words: Words) -> list[str]:
    return [words.part_of.format(incident=step.incident)] if step.incident is not None else []


def _worst(people: Sequence[Fallen]) -> list[str]:
    return [
        f"{_short(one.who)}: {_figure(one.score_before)} → {_figure(one.score)}"
        for one in people[:WORST_SHOWN]
        if one.who
    ]


def _advice(touchpoints: Sequence[str], labels: Labels) -> str:
    return next((labels.advice[one] for one in touchpoints if one in labels.advice), "")


def _link(template: str | None, *, customer: str, alert: UUID) -> str:
    if template is None:
        return ""
    return template.replace("{customer}", quote(customer, safe=":")).replace("{alert}", str(alert))


def _figure(score: float) -> str:
    return f"{score:.0f}"


def _points(points: float) -> str:
    return f"{'−' if points < 0 else '+'}{abs(points):.1f}"


def _at(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")


def _short(text: str) -> str:
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return plain if len(plain) <= NAME_CHARS_MAX else f"{plain[: NAME_CHARS_MAX - 1]}…"
