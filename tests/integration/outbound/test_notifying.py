"""From a step of an alert to what people see: each route is told once, and what was told is changed or ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.support.alerted import MINUTE, Alerts, alert_id
from tests.support.notifying import Notifying
from tests.support.sinkservers import Answer, PagerDutyServer, SlackServer, served
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

PAGER = '[[route]]\nname = "pager"\nsink = "pagerduty"\nsecret = {file = "key"}\n'
HOUR = timedelta(hours=1)


@pytest.fixture
def pager(notifying: Notifying) -> Iterator[PagerDutyServer]:
    with served(PagerDutyServer()) as server:
        assert isinstance(server, PagerDutyServer)
        notifying.write(f'{PAGER}url = "{server.url}/v2/enqueue"\n', key=server.routing_key)
        yield server


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    with served(SlackServer()) as server:
        assert isinstance(server, SlackServer)
        yield server


def hook(name: str, **fields: str) -> str:
    """A route by an incoming webhook of Slack."""
    rows = "".join(f"{field} = {value}\n" for field, value in fields.items())
    return f'[[route]]\nname = "{name}"\nsink = "slack"\nsecret = {{file = "hook"}}\n{rows}'


async def test_an_alert_is_told_once_and_ended_when_it_closes(
    alerts: Alerts, notifying: Notifying, pager: PagerDutyServer
) -> None:
    await alerts.step()
    await notifying.round()
    await notifying.round()
    opened = dict(pager.open)

    await alerts.step(state="closed", score=60.0)
    await notifying.round()
    await notifying.round()

    assert [event["event_action"] for event in pager.taken] == ["trigger", "resolve"]
    assert opened.keys() == {str(alert_id("a"))}
    assert pager.open == {}
    [row] = (await alerts.notifications()).values()
    assert (row["state"], row["step"], row["told"]) == ("sent", "closed", row["revision"])


async def test_a_step_that_is_repeated_is_told_once(
    alerts: Alerts, notifying: Notifying, pager: PagerDutyServer
) -> None:
    await alerts.step()
    await notifying.round()
    await alerts.connection.execute("UPDATE feed_position SET xact = '0', id = 0")

    await notifying.round()

    assert len(pager.taken) == 1


async def test_an_alert_that_ends_before_it_was_told_tells_nobody(
    alerts: Alerts, notifying: Notifying, pager: PagerDutyServer
) -> None:
    await alerts.step()
    await alerts.step(state="withdrawn")

    await notifying.round()

    assert pager.asked == []
    [row] = (await alerts.notifications()).values()
    assert (row["state"], row["because"]) == ("suppressed", "over")


async def test_a_sink_that_is_down_for_an_hour_is_told_after(
    alerts: Alerts, notifying: Notifying, pager: PagerDutyServer
) -> None:
    await alerts.step()
    begun = notifying.clock.at
    while notifying.clock.at < begun + HOUR:
        pager.next = [Answer(503, "")]
        await notifying.round()
        notifying.clock.at += 2 * MINUTE
    tries = len(pager.asked)

    pager.next = []
    notifying.clock.at += HOUR
    await notifying.round()

    assert 4 <= tries < 12
    assert len(pager.taken) == 1
    assert len({asked.json["payload"]["custom_details"]["id"] for asked in pager.asked}) == 1


async def test_what_could_not_be_told_within_a_day_has_failed(
    alerts: Alerts, notifying: Notifying, pager: PagerDutyServer
) -> None:
    await alerts.step()
    for _ in range(14):
        pager.next = [Answer(500, "")]
        await notifying.round()
        notifying.clock.at += 2 * HOUR

    [row] = (await alerts.notifications()).values()

    assert (row["state"], row["because"]) == ("failed", "it could not be told within a day")


async def test_a_route_waits_as_long_as_its_sink_asks(
    alerts: Alerts, notifying: Notifying, pager: PagerDutyServer
) -> None:
    pager.next = [Answer(429, "", {"retry-after": "600"})]
    await alerts.step("a")
    await notifying.round()
    await alerts.step("b")

    notifying.clock.at += 9 * MINUTE
    await notifying.round()
    early = len(pager.asked)
    notifying.clock.at += 2 * MINUTE
    await notifying.round()

    assert early == 1
    assert pager.open.keys() == {str(alert_id("a")), str(alert_id("b"))}


async def test_a_key_that_is_refused_switches_the_route_off_until_it_is_mended(
    alerts: Alerts, notifying: Notifying, pager: PagerDutyServer
) -> None:
    notifying.write(f'{PAGER}url = "{pager.url}/v2/enqueue"\n', key="of-nobody")
    await alerts.step()
    await notifying.round()
    notifying.clock.at += HOUR
    await notifying.round()
    refused = len(pager.asked)

    notifying.write(f'{PAGER}url = "{pager.url}/v2/enqueue"\n', key=pager.routing_key)
    await notifying.round()

    assert refused == 1
    assert pager.open.keys() == {str(alert_id("a"))}


async def test_one_bad_notification_does_not_hold_up_the_next(
    alerts: Alerts, notifying: Notifying, slack: SlackServer
) -> None:
    notifying.write(hook("all"), hook=f"{slack.url}/services/T/B/x")
    slack.next = [Answer(500, "")]
    await alerts.step("a")
    await notifying.round()
    await alerts.step("b")

    notifying.clock.at += timedelta(seconds=6)
    slack.next = [Answer(500, "")]
    await notifying.round()
    notifying.clock.at += timedelta(seconds=40)
    await notifying.round()

    assert ["customer:b" in body["text"] for body in slack.taken] == [True, False]


async def test_a_customer_is_notified_of_once_in_a_cooldown_but_for_a_higher_severity(
    alerts: Alerts, notifying: Notifying, slack: SlackServer
) -> None:
    notifying.write(hook("all", cooldown_hours="24"), hook=f"{slack.url}/services/T/B/x")
    await alerts.step("a", severity="warning")
    await notifying.round()
    await alerts.step("b", severity="warning", customer="customer:a")
    await alerts.step("c", severity="critical", customer="customer:a")
    await alerts.step("d", severity="critical", customer="customer:other")
    await notifying.round()
    within = len(slack.taken)

    notifying.clock.at += 25 * HOUR
    await alerts.step("e", severity="warning", customer="customer:a", at=notifying.clock.at)
    await notifying.round()

    rows = await alerts.notifications()
    assert rows["all", alert_id("b")]["because"] == "cooldown"
    assert within == 3
    assert len(slack.taken) == 4


async def test_quiet_hours_wait_and_let_through_what_wakes_people(
    alerts: Alerts, notifying: Notifying, slack: SlackServer
) -> None:
    quiet = '{from = 12:00:00, to = 14:00:00, but = ["critical"]}'
    notifying.write(hook("calm", quiet=quiet, zone='"Europe/Warsaw"'), hook=f"{slack.url}/services/T/B/x")
    await alerts.step("a", severity="warning")
    await alerts.step("b", severity="critical")
    await alerts.step("c", severity="warning")
    await notifying.round()
    at_once = [body["text"] for body in slack.taken]
    await alerts.step("c", "closed")

    notifying.clock.at += HOUR
    await notifying.round()

    assert [("customer:b" in text) for text in at_once] == [True]
    assert len(slack.taken) == 2
    assert "customer:a" in slack.taken[1]["text"]


async def test_a_bot_changes_the_message_that_it_posted(
    alerts: Alerts, notifying: Notifying, slack: SlackServer
) -> None:
    notifying.write(hook("bot", channel='"C0123456789"', api=f'"{slack.url}/api"'), hook=slack.token)
    await alerts.step()
    await notifying.round()
    await alerts.step(state="worsened", score=20.0)
    await notifying.round()
    await alerts.step(state="closed", score=64.0)
    await notifying.round()

    [message] = slack.messages.values()
    assert [asked.path.rpartition("/")[2] for asked in slack.asked] == [
        "chat.postMessage",
        "chat.update",
        "chat.update",
    ]
    assert "the score is 64" in message["text"]


async def test_routes_choose_by_severity_place_touchpoint_rule_band_account_and_owner(
    alerts: Alerts, notifying: Notifying, slack: SlackServer
) -> None:
    notifying.write(
        hook("severity", severity='["warning"]')
        + hook("place", place='["store/1*"]')
        + hook("elsewhere", place='["store/9"]')
        + hook("touchpoint", touchpoint='["call.*"]')
        + hook("rule", rule='["overdue"]')
        + hook("band", band='["low"]')
        + hook("account", account='["acme"]')
        + hook("owner", owner='["ann"]')
        + hook("given", owner='["ben"]')
        + '[[owner]]\nname = "ann"\nplaces = ["store/*"]\n',
        hook=f"{slack.url}/services/T/B/x",
    )
    await alerts.connection.execute("INSERT INTO identity (id, value, person) VALUES (1, 'customer:a', 1)")
    await alerts.connection.execute("INSERT INTO contact (account, identity, since) VALUES ('acme', 1, now())")
    await alerts.step()
    await alerts.connection.execute(
        "INSERT INTO alert_work (alert, revision, assigned_to) VALUES ($1, 1, 'ben')", alert_id("a")
    )

    await notifying.round()

    told = {route for route, _ in await alerts.notifications()}
    assert told == {"place", "touchpoint", "band", "account", "owner", "given"}


async def test_a_sink_that_hangs_delays_no_other_route(
    alerts: Alerts, notifying: Notifying, pager: PagerDutyServer, slack: SlackServer
) -> None:
    slack.hold.clear()
    notifying.write(
        hook("hangs") + f'{PAGER}url = "{pager.url}/v2/enqueue"\n',
        hook=f"{slack.url}/services/T/B/x",
        key=pager.routing_key,
    )
    await alerts.step()
    await notifying.open()
    assert notifying.notifier is not None

    await notifying.notifier.round()
    await asyncio.to_thread(wait_until, lambda: pager.taken, what="the pager is told")

    assert slack.taken == []
    slack.hold.set()
    await notifying.notifier.settle()
    assert len(slack.taken) == 1


async def test_an_incident_is_one_notification_and_its_alerts_are_none(
    alerts: Alerts, notifying: Notifying, pager: PagerDutyServer
) -> None:
    await alerts.step("told")
    await notifying.round()
    for name in ("b", "c"):
        await alerts.step(name)
    incident = await alerts.incident("outage", alerts=("told", "b", "c"))
    notifying.clock.at += MINUTE
    await notifying.round()
    await notifying.round()
    open_then = dict(pager.open)
    await alerts.step("told", "closed")
    await alerts.incident("outage", state="resolved", at=notifying.clock.at)
    notifying.clock.at += MINUTE
    await notifying.round()
    await notifying.round()

    assert open_then.keys() == {str(incident)}
    assert pager.open == {}
    rows = await alerts.notifications()
    assert rows["pager", alert_id("told")]["step"] == "grouped"
    assert {rows["pager", alert_id(name)]["because"] for name in ("b", "c")} == {"incident"}
    assert [event["event_action"] for event in pager.taken].count("trigger") == 2


async def test_an_incident_that_stays_as_it_is_is_told_once(
    alerts: Alerts, notifying: Notifying, slack: SlackServer
) -> None:
    notifying.write(hook("all"), hook=f"{slack.url}/services/T/B/x")
    told = []
    for people in (12, 13, 14, 30, 31):
        await alerts.incident("outage", people=people, at=notifying.clock.at)
        await notifying.round()
        await notifying.round()
        notifying.clock.at += MINUTE
        told.append(len(slack.taken))

    assert told == [1, 1, 1, 2, 2]


async def test_what_happened_long_ago_wakes_nobody(
    alerts: Alerts, notifying: Notifying, pager: PagerDutyServer
) -> None:
    await alerts.step(at=notifying.clock.at - 25 * HOUR)

    await notifying.round()

    assert pager.asked == []
    [row] = (await alerts.notifications()).values()
    assert (row["state"], row["because"]) == ("suppressed", "old")


async def test_a_letter_that_is_no_alert_is_passed_over(
    alerts: Alerts, notifying: Notifying, pager: PagerDutyServer
) -> None:
    for value in ("{}", '{"kind": "incident"}', "no JSON"):
        say = "INSERT INTO outbox (topic, key, value) VALUES ('cx.alerts.v1', 'k', $1)"
        await alerts.connection.execute(say, value.encode())
    await alerts.step()

    await notifying.round()

    assert len(pager.taken) == 1


async def test_a_look_that_finds_nothing_writes_nothing(
    alerts: Alerts, notifying: Notifying, pager: PagerDutyServer
) -> None:
    await alerts.step()
    await alerts.incident("outage", at=notifying.clock.at)
    await notifying.round()
    assert pager.taken
    before = await alerts.connection.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")

    for _ in range(5):
        notifying.clock.at += timedelta(seconds=2)
        await notifying.round()

    after = await alerts.connection.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
    assert after == before


async def test_an_alert_whose_route_was_off_until_it_ended_tells_nobody(
    alerts: Alerts, notifying: Notifying, pager: PagerDutyServer
) -> None:
    notifying.write(f'{PAGER}url = "{pager.url}/v2/enqueue"\n', key="of-nobody")
    await alerts.step()
    await notifying.round()
    await alerts.step(state="closed")
    notifying.write(f'{PAGER}url = "{pager.url}/v2/enqueue"\n', key=pager.routing_key)

    await notifying.round()

    assert pager.taken == []
    [row] = (await alerts.notifications()).values()
    assert (row["state"], row["because"]) == ("suppressed", "over")
