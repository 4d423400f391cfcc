"""What people read: who, how far, three reasons in points, since when, what to do, and a link; in two languages."""

from __future__ import annotations

import json

import pytest
from pydantic import SecretStr

from services.outbound.notify.message import Message, message_of
from services.outbound.notify.routes import Route, SlackRoute
from services.outbound.notify.sinks.slack import blocks
from services.outbound.notify.sinks.teams import BODY_BYTES_MAX, body_of
from services.outbound.notify.steps import AlertStep, Fallen, IncidentStep, read_alert
from services.outbound.notify.words import WORDS
from tests.support.alerted import LATE, alert_id, record
from tests.support.clocks import NOON
from tests.support.notifying import TEXTS
from tests.support.sinkservers import blocks_fault


def route(language: str = "en", zone: str = "UTC") -> Route:
    row = SlackRoute.model_validate(
        {"name": "r", "sink": "slack", "secret": {"env": "X"}, "language": language, "zone": zone}
    )
    return Route(row, SecretStr("x"), "")


def step(**fields: object) -> AlertStep:
    return read_alert(json.dumps(record(**fields)).encode())  # type: ignore[arg-type]  # of the record


def said(language: str = "en", zone: str = "UTC", **fields: object) -> Message:
    return message_of(step(**fields), route=route(language, zone), revision=7, texts=TEXTS)


def test_an_alert_says_who_how_far_why_since_when_what_to_do_and_where() -> None:
    message = said(zone="Europe/Warsaw")

    assert message.title == "Critical: the score of customer:a fell from 71 to 38"
    assert list(message.lines) == [
        "Since 2026-03-01 13:00 CET",
        "−21.4  Delivery promise missed (delivery, store/12)",
        "−8.1  Caller gave up waiting (contact_centre)",
        "−2.2  Slow page (web)",
    ]
    assert message.advice == "Find the parcel, say a new date today, and make up for the delay."
    assert message.link == "https://tactus.example/customers/customer:a"
    assert message.id == f"r-{alert_id('a')}-7"


def test_an_alert_is_told_in_polish() -> None:
    message = said("pl")

    assert message.title == "Pilne: ocena customer:a spadła z 71 do 38"
    assert "−21.4  Niedotrzymany termin dostawy (delivery, store/12)" in message.lines
    assert message.advice.startswith("Znajdź przesyłkę")


@pytest.mark.parametrize("language", sorted(WORDS))
@pytest.mark.parametrize("name", ["opened", "worsened", "closed", "withdrawn", "grouped"])
def test_every_step_has_words(language: str, name: str) -> None:
    assert "customer:a" in said(language, state=name).title


@pytest.mark.parametrize("language", sorted(WORDS))
def test_an_incident_says_how_many_and_the_worst(language: str) -> None:
    incident = IncidentStep(
        incident=alert_id("i"),
        along="touchpoint",
        value="delivery.promise_missed",
        state="opened",
        opened_at=NOON,
        changed_at=NOON,
        people=42,
        usual=2,
        worst=(Fallen("customer:b", 80.0, 20.0),),
    )

    message = message_of(incident, route=route(language), revision=1, texts=TEXTS)

    assert "42" in message.title
    assert TEXTS.labels[language].touchpoints["delivery.promise_missed"] in message.title
    assert "customer:b: 80 → 20" in message.lines
    assert message.advice


def test_an_account_is_named_as_one() -> None:
    fields = record()
    del fields["customer"]

    alert = read_alert(json.dumps(fields | {"account": "acme"}).encode())

    assert alert.whose == "account:acme"


LONG = [{**LATE, "place": f"store/{'x' * 900}", "points": -1.0 - n} for n in range(20)]


def test_a_long_alert_keeps_to_the_limits_of_slack_and_teams() -> None:
    message = said(customer=f"customer:{'y' * 900}", reasons=LONG)._replace(lines=["z" * 2000] * 40)

    assert blocks_fault(blocks(message, words_of="en")) is None
    assert len(body_of(message, language="en")) <= BODY_BYTES_MAX


def test_an_id_cannot_name_a_whole_channel_or_make_a_link() -> None:
    message = said(customer="customer:<!channel> <https://evil.example|click>")

    shown = blocks(message, words_of="en")

    marked_up = [shown["text"], *(one["text"]["text"] for one in shown["blocks"] if one["text"]["type"] == "mrkdwn")]
    assert "<!channel>" not in json.dumps(marked_up)
    assert "<https://evil" not in json.dumps(marked_up)


@pytest.mark.parametrize(
    ("rule", "title"),
    [
        ("bad_answer", "Critical: a bad answer of customer:a, whose score is 38"),
        ("overdue", "Critical: a promise to customer:a is overdue, the score fell from 71 to 38"),
    ],
)
def test_a_rule_that_is_no_fall_is_told_as_what_it_is(rule: str, title: str) -> None:
    assert said(rule=rule).title == title
