"""Mail once a day, and several processes along one route."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from tests.support.alerted import Alerts, alert_id
from tests.support.inbox import Listening, receiving
from tests.support.notifying import Notifying
from tests.support.sinkservers import PagerDutyServer, served

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)


@pytest.fixture
def inbox() -> Iterator[Listening]:
    with receiving() as listening:
        yield listening


def mail(port: int, more: str = "") -> str:
    return (
        f'[[route]]\nname = "desk"\nsink = "mail"\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\n'
        f'sender = "tactus@shop.example"\nto = ["ann@shop.example"]\nlanguage = "pl"\n{more}'
    )


async def test_a_digest_tells_once_a_day_what_is_open_and_what_is_over(
    alerts: Alerts, notifying: Notifying, inbox: Listening
) -> None:
    notifying.write(mail(inbox.port, "digest = 14:00:00\n"))
    await alerts.step("a", severity="warning")
    await alerts.step("b")
    await alerts.step("c")
    await notifying.round()
    await alerts.step("c", "closed")
    early = list(inbox.inbox.mails)
    notifying.clock.at += 2 * HOUR
    await notifying.round()
    await alerts.step("b", "closed", score=66.0, at=notifying.clock.at)
    await notifying.round()
    notifying.clock.at += 24 * HOUR
    await notifying.round()

    assert early == []
    first, second = inbox.inbox.texts()
    assert first.index("customer:b") < first.index("customer:a")
    assert "customer:c" not in first
    assert "−21.4  Niedotrzymany termin dostawy" in first
    assert "alert o customer:b zamknięty, ocena wynosi 66" in second
    assert "customer:a" not in second


async def test_a_digest_that_is_sent_again_carries_the_same_id(
    alerts: Alerts, notifying: Notifying, inbox: Listening
) -> None:
    notifying.write(mail(inbox.port, "digest = 14:00:00\n"))
    await alerts.step("a")
    await alerts.step("b")
    await notifying.round()
    notifying.clock.at += 2 * HOUR
    await notifying.round()
    # As if the process had died before it could mark them.
    await alerts.connection.execute("UPDATE notification SET state = 'waiting', told = 0")
    notifying.clock.at += timedelta(minutes=1)

    await notifying.round()

    first, second = inbox.inbox.mails
    assert first["Message-ID"] == second["Message-ID"]


async def test_what_follows_an_alert_stands_in_the_thread_of_its_mail(
    alerts: Alerts, notifying: Notifying, inbox: Listening
) -> None:
    notifying.write(mail(inbox.port))
    await alerts.step("a")
    await notifying.round()
    await alerts.step("a", "closed")
    await notifying.round()

    first, second = inbox.inbox.mails
    assert second["In-Reply-To"] == first["Message-ID"]
    assert first["X-Tactus-Alert"] == str(alert_id("a"))


async def test_several_processes_tell_each_alert_once(
    alerts: Alerts, notifying: Notifying, postgres_dsn: str, tmp_path: Path
) -> None:
    other = Notifying(postgres_dsn, tmp_path)
    with served(PagerDutyServer()) as pager:
        assert isinstance(pager, PagerDutyServer)
        row = f'[[route]]\nname = "pager"\nsink = "pagerduty"\nsecret = {{file = "key"}}\nurl = "{pager.url}/v2/enqueue"\n'
        notifying.write(row, key=pager.routing_key)
        for number in range(4):
            await alerts.step(f"c{number}")
        await asyncio.gather(notifying.round(), other.round())
        await asyncio.gather(notifying.round(), other.round())
        await other.close()

    assert len(pager.taken) == 4
    assert len(pager.open) == 4


async def test_the_age_of_what_waits_counts_from_when_it_should_have_been_told(
    alerts: Alerts, notifying: Notifying, inbox: Listening
) -> None:
    inbox.inbox.answer = "451 try later"
    notifying.write(mail(inbox.port, "quiet = {from = 11:00:00, to = 14:00:00}\n"))

    async def age_after(pause: timedelta) -> float:
        notifying.clock.at += pause
        await notifying.round()
        return REGISTRY.get_sample_value("tactus_notification_oldest_age_seconds", {"adapter": "mail"}) or 0.0

    await alerts.step("a")
    ages = [await age_after(pause) for pause in (timedelta(), HOUR, HOUR, HOUR)]

    assert ages[:2] == [0, 0]
    assert ages[3] == pytest.approx(3600, abs=5)
