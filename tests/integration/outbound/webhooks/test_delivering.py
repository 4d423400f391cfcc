"""What changed reaches who wants to hear it, signed, under one id however often it is sent, the latest score only."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import asyncpg
import pytest
from standardwebhooks.webhooks import Webhook
from structlog.testing import capture_logs

from schemas.webhooksapi import MESSAGE_BYTES_MAX
from services.api.webhooks import new_secret
from services.infra.errors import UnavailableError
from services.infra.metrics import WEBHOOK_DELIVERIES, WEBHOOK_ENDPOINTS
from services.outbound.webhooks.schedule import ATTEMPTS_MAX
from services.state.outbound import OutboundDatabase
from services.state.pool import Statements
from services.state.webhooks import EndpointChange, WebhookTables
from tests.support.clients import webhook_verified
from tests.support.clocks import StandingClock
from tests.support.receivers import Receiver, answer, receiver, served
from tests.support.scored import merge, score, store_people
from tests.support.webhooks import Hooks, deliveries, hooks_on, make_endpoint, put_alert

pytestmark = pytest.mark.integration


@pytest.fixture
async def owner(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def hooks(postgres_dsn: str) -> AsyncIterator[Hooks]:
    # The time of day: who verifies signatures looks at it.
    async with hooks_on(postgres_dsn, StandingClock(datetime.now(UTC))) as made:
        yield made


def told(made: Receiver) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in made.received]


async def test_a_score_and_an_alert_arrive_whole_and_signed(owner: asyncpg.Connection, hooks: Hooks) -> None:
    async with receiver() as made:
        _, secret = await make_endpoint(owner, made.url())
        (person,) = await store_people(owner, ["customer:c1"])
        version = await score(owner, person, to=31.0, band="low")
        await put_alert(owner)

        await hooks.settle()

        changed, alert = sorted(told(made), key=lambda one: one["type"], reverse=True)
        assert (changed["type"], alert["type"]) == ("score.changed", "alert.opened")
        assert (changed["data"]["customer"], changed["data"]["version"]) == ("customer:c1", version)
        assert (changed["data"]["score"], changed["data"]["band"]) == (31.0, "low")
        assert alert["data"]["alert"] == "00000000-0000-4000-8000-000000000001"
        for one in made.received:
            assert Webhook(secret).verify(one.body, one.headers)
        assert [row["state"] for row in await deliveries(owner)] == ["delivered"] * 2


async def test_the_spec_s_library_in_another_language_verifies_the_same_message(
    owner: asyncpg.Connection, hooks: Hooks
) -> None:
    async with receiver() as made:
        endpoint, former = await make_endpoint(owner, made.url())
        latter = new_secret()
        until = hooks.clock.at + timedelta(hours=24)
        await WebhookTables(Statements(owner)).rotate(endpoint, secret=latter, at=hooks.clock.at, former_until=until)
        await put_alert(owner, customer="customer:Zażółć")
        await hooks.settle()

        (one,) = made.received
        for secret in (former, latter):
            assert webhook_verified(secret, one.headers, one.body.decode()) == "alert.opened"
        with pytest.raises(AssertionError, match="No matching signature"):
            webhook_verified(new_secret(), one.headers, one.body.decode())


@pytest.mark.parametrize(
    ("filters", "kinds"),
    [
        ({}, ["score.changed", "alert.opened", "alert.closed"]),
        ({"kinds": ["alert.opened"]}, ["alert.opened"]),
        ({"kinds": ["score.changed"], "bands": ["critical"]}, []),
        ({"bands": ["low"], "severities": ["warning"]}, ["score.changed"]),
        ({"severities": ["critical"]}, ["score.changed", "alert.opened", "alert.closed"]),
        ({"kinds": ["incident.opened"]}, []),
    ],
)
async def test_an_endpoint_hears_what_its_filters_let_through(
    owner: asyncpg.Connection, hooks: Hooks, filters: dict[str, list[str]], kinds: list[str]
) -> None:
    async with receiver() as made:
        await make_endpoint(owner, made.url(), **filters)
        (person,) = await store_people(owner, ["customer:c1"])
        await score(owner, person, to=31.0, band="low")
        await put_alert(owner)
        await put_alert(owner, state="closed")

        await hooks.settle()

        assert sorted(one["type"] for one in told(made)) == sorted(kinds)


async def test_only_the_latest_score_of_somebody_is_sent(owner: asyncpg.Connection, hooks: Hooks) -> None:
    down = Receiver()
    async with served(down, refusing):
        port = down.port
    _, _ = await make_endpoint(owner, f"http://127.0.0.1:{port}/hook", kinds=["score.changed"])
    ann, ben = await store_people(owner, ["customer:ann", "customer:ben"])
    for to in (50.0, 40.0, 30.0):
        await score(owner, ann, to=to, band="low")
        await hooks.settle()
    await score(owner, ben, to=20.0, band="critical")

    async with receiver(port=port) as made:
        await hooks.later(timedelta(hours=1))

        assert {(one["data"]["customer"], one["data"]["score"]) for one in told(made)} == {
            ("customer:ann", 30.0),
            ("customer:ben", 20.0),
        }
        states = [row["state"] for row in await deliveries(owner)]
        assert states == ["superseded", "superseded", "delivered", "delivered"]


async def test_a_score_that_no_filter_lets_through_still_makes_the_one_before_it_stale(
    owner: asyncpg.Connection, hooks: Hooks
) -> None:
    await make_endpoint(owner, "http://127.0.0.1:9/hook", kinds=["score.changed"], bands=["critical"])
    (ann,) = await store_people(owner, ["customer:ann"])
    await score(owner, ann, to=10.0, band="critical")
    await hooks.settle()

    await score(owner, ann, to=50.0, band="fair")
    await hooks.settle()

    assert [row["state"] for row in await deliveries(owner)] == ["superseded"]


async def test_somebody_who_turns_out_to_be_another_is_told(owner: asyncpg.Connection, hooks: Hooks) -> None:
    async with receiver() as made:
        await make_endpoint(owner, made.url(), bands=["critical"])
        ann, visitor = await store_people(owner, ["customer:ann", "device:d1"])

        await merge(owner, visitor, into=ann)
        await hooks.settle()

        (message,) = told(made)
        assert (message["data"]["customer"], message["data"]["merged_into"]) == ("device:d1", "customer:ann")


async def test_a_transaction_that_commits_late_is_not_passed_over(
    owner: asyncpg.Connection, hooks: Hooks, postgres_dsn: str
) -> None:
    async with receiver() as made:
        await make_endpoint(owner, made.url())
        slow = await asyncpg.connect(postgres_dsn)
        transaction = slow.transaction()
        await transaction.start()
        await put_alert(slow, state="opened")
        await put_alert(owner, state="worsened")
        await hooks.settle()
        early = len(made.received)

        await transaction.commit()
        await slow.close()
        await hooks.settle()

        assert early == 0
        assert {one["type"] for one in told(made)} == {"alert.opened", "alert.worsened"}


async def test_what_happened_before_an_endpoint_was_made_is_not_told(owner: asyncpg.Connection, hooks: Hooks) -> None:
    async with receiver() as made:
        await put_alert(owner)
        endpoint, _ = await make_endpoint(owner, made.url())
        await owner.execute("UPDATE webhook_endpoint SET made_at = now() + interval '1 s' WHERE id = $1", endpoint)

        await hooks.settle()

        assert made.received == []


@pytest.mark.parametrize("value", [b"{", b"[]", b'{"state": "opened", "changed_at": "soon"}', b"\xff"])
async def test_a_letter_that_cannot_be_read_keeps_nothing_back(
    owner: asyncpg.Connection, hooks: Hooks, value: bytes
) -> None:
    async with receiver() as made:
        await make_endpoint(owner, made.url())
        await owner.execute("INSERT INTO outbox (topic, key, value) VALUES ('cx.alerts.v1', 'k', $1)", value)
        await put_alert(owner)

        with capture_logs() as logs:
            await hooks.settle()

        assert [one["type"] for one in told(made)] == ["alert.opened"]
        assert [line["event"] for line in logs] == ["webhook_letter_unreadable"]


async def test_an_alert_that_would_be_too_long_is_told_with_its_first_reasons(
    owner: asyncpg.Connection, hooks: Hooks
) -> None:
    reason = {"touchpoint": "call.answered", "events": [{"source": "s" * 200, "id": "e" * 120}] * 10}
    async with receiver() as made:
        await make_endpoint(owner, made.url())
        await put_alert(owner, reasons=[reason] * 20)

        await hooks.settle()

        (message,) = made.received
        assert len(message.body) <= MESSAGE_BYTES_MAX
        assert len(json.loads(message.body)["data"]["reasons"]) == 5


async def test_a_receiver_that_was_down_for_an_hour_gets_everything_after_it(
    owner: asyncpg.Connection, hooks: Hooks
) -> None:
    down = Receiver()
    async with served(down, refusing):
        await make_endpoint(owner, down.url())
        for number in range(20):
            await put_alert(owner, rule=f"r{number}")
        for _ in range(60):
            await hooks.later(timedelta(minutes=1))
        tried = down.connections

    async with receiver(port=down.port) as made:
        # By then the longest wait of those that were tried most is over.
        for _ in range(8):
            await hooks.later(timedelta(minutes=30))

        assert sorted(one["data"]["rule"] for one in told(made)) == sorted(f"r{number}" for number in range(20))
        assert len(set(made.ids())) == 20
        # While it was down it was left alone most of the time.
        assert tried < 20


async def test_a_message_keeps_its_id_through_all_attempts_and_fails_after_the_last(
    owner: asyncpg.Connection, hooks: Hooks
) -> None:
    async with receiver(500) as made:
        endpoint, _ = await make_endpoint(owner, made.url())
        await put_alert(owner)
        await hooks.settle()

        while (row := (await deliveries(owner))[0])["state"] == "waiting":
            resting = await owner.fetchval("SELECT resting_until FROM webhook_endpoint WHERE id = $1", endpoint)
            await hooks.later(max(row["next_at"], resting or row["next_at"]) - hooks.clock.at)

        assert len(made.received) == row["attempts"] == ATTEMPTS_MAX
        assert len(set(made.ids())) == 1
        assert len({one.headers["webhook-timestamp"] for one in made.received}) == ATTEMPTS_MAX
        assert (row["state"], row["outcome"], row["status"]) == ("failed", "refused", 500)


@pytest.mark.parametrize(
    ("status", "outcome"), [(301, "redirected"), (400, "refused"), (503, "refused"), (199, "malformed")]
)
async def test_whatever_is_not_2xx_is_tried_again(
    owner: asyncpg.Connection, hooks: Hooks, status: int, outcome: str
) -> None:
    async with receiver(status, location="http://127.0.0.1:1/") as made:
        await make_endpoint(owner, made.url())
        await put_alert(owner)

        await hooks.settle()

        (row,) = await deliveries(owner)
        assert (row["state"], row["outcome"], row["attempts"]) == ("waiting", outcome, 1)


async def test_a_receiver_that_asks_to_be_left_alone_is(owner: asyncpg.Connection, hooks: Hooks) -> None:
    async with receiver(429, retry_after="3600") as made:
        await make_endpoint(owner, made.url())
        await put_alert(owner)
        await hooks.settle()
        await put_alert(owner, state="worsened")
        for _ in range(5):
            await hooks.later(timedelta(minutes=10))
        early = len(made.received)

        await hooks.later(timedelta(minutes=11))

        assert early == 1
        assert len(made.received) > 1


async def test_an_endpoint_that_is_gone_is_told_no_more(owner: asyncpg.Connection, hooks: Hooks) -> None:
    async with receiver(410) as made:
        endpoint, _ = await make_endpoint(owner, made.url())
        await put_alert(owner)
        await hooks.settle()
        await put_alert(owner, state="closed")
        await hooks.later(timedelta(days=1))

        row = await owner.fetchrow("SELECT state, reason FROM webhook_endpoint WHERE id = $1", endpoint)
        assert row is not None
        assert tuple(row) == ("disabled", "gone")
        assert len(made.received) == 1
        assert await owner.fetchval("SELECT by || ' ' || what FROM webhook_change") == "outbound gone"
        assert dict(WEBHOOK_ENDPOINTS._levels) == {"given_up": 1}


async def test_an_endpoint_that_fails_for_five_days_is_given_up_and_goes_on_when_it_is_enabled(
    owner: asyncpg.Connection, hooks: Hooks
) -> None:
    down = Receiver()
    async with served(down, refusing):
        endpoint, _ = await make_endpoint(owner, down.url())
        for day in range(6):
            await put_alert(owner, rule=f"r{day}")
            await hooks.settle()
            states = await owner.fetchval("SELECT state FROM webhook_endpoint")
            assert states == ("disabled" if day == 5 else "enabled")
            await hooks.later(timedelta(hours=24))
    assert await owner.fetchval("SELECT reason FROM webhook_endpoint") == "failing"

    async with receiver(port=down.port) as made:
        await hooks.later(timedelta(days=1))
        assert made.received == []
        await WebhookTables(Statements(owner)).change(endpoint, EndpointChange(state="enabled"))
        await hooks.later(timedelta(days=1))

        # What waited goes; what happened when it was told no more does not.
        assert {one["data"]["rule"] for one in told(made)} == {"r0", "r1", "r2", "r3", "r4"}


async def test_both_secrets_sign_for_as_long_as_the_former_one_holds(owner: asyncpg.Connection, hooks: Hooks) -> None:
    async with receiver() as made:
        endpoint, former = await make_endpoint(owner, made.url())
        _, latter = await make_endpoint(owner, "http://127.0.0.1:9/unused", kinds=["incident.opened"])
        at = hooks.clock.at
        until = at + timedelta(hours=24)
        await WebhookTables(Statements(owner)).rotate(endpoint, secret=latter, at=at, former_until=until)
        await put_alert(owner)
        await hooks.settle()

        await put_alert(owner, state="closed")
        await hooks.later(timedelta(hours=25))

        both, one = made.received
        assert Webhook(former).verify(both.body, both.headers)
        assert Webhook(latter).verify(both.body, both.headers)
        assert len(both.headers["webhook-signature"].split(" ")) == 2
        assert len(one.headers["webhook-signature"].split(" ")) == 1


async def test_a_delivery_that_its_sender_died_over_is_sent_again_under_its_id(
    owner: asyncpg.Connection, hooks: Hooks, postgres_dsn: str
) -> None:
    silent = asyncio.Event()
    slow = Receiver()

    async def holding(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        silent.set()
        await asyncio.Event().wait()

    async with served(slow, holding):
        await make_endpoint(owner, slow.url())
        await put_alert(owner)
        await hooks.spreading.round()
        await hooks.sender.round()
        await silent.wait()
        await hooks.sender.stop()

    async with receiver(port=slow.port) as made, hooks_on(postgres_dsn, hooks.clock) as other:
        await other.later(timedelta(seconds=30))
        early = len(made.received)
        await other.later(timedelta(seconds=31))

        (row,) = await deliveries(owner)
        assert early == 0
        assert made.ids() == [row["message"]]
        assert (row["state"], row["attempts"]) == ("delivered", 2)


async def test_what_was_sent_while_the_database_is_away_is_marked_once_it_is_back(
    owner: asyncpg.Connection, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiver() as made:
        await make_endpoint(owner, made.url())
        await put_alert(owner)
        await hooks.spreading.round()
        await hooks.sender.round()
        with monkeypatch.context() as away:
            away.setattr(OutboundDatabase, "transaction", refuse)
            for _ in range(20):
                with pytest.raises(UnavailableError):
                    await hooks.sender.round()
        await hooks.settle()

        (row,) = await deliveries(owner)
        assert (row["state"], row["attempts"], len(made.received)) == ("delivered", 1, 1)


def refuse(_: OutboundDatabase) -> NoReturn:
    raise UnavailableError("it is away")


async def test_two_processes_send_each_message_once(owner: asyncpg.Connection, hooks: Hooks, postgres_dsn: str) -> None:
    async with receiver() as made, hooks_on(postgres_dsn, hooks.clock) as other:
        await make_endpoint(owner, made.url())
        for number in range(100):
            await put_alert(owner, rule=f"r{number}")

        await asyncio.gather(hooks.settle(), other.settle())
        await hooks.settle()

        assert len(made.received) == len(set(made.ids())) == 100


async def test_an_endpoint_that_leads_inside_by_now_is_not_connected_to(
    owner: asyncpg.Connection, hooks: Hooks
) -> None:
    before = WEBHOOK_DELIVERIES.labels("blocked")._value.get()
    await make_endpoint(owner, "http://10.0.0.7/hook")
    await put_alert(owner)

    await hooks.settle()

    (row,) = await deliveries(owner)
    assert (row["state"], row["outcome"]) == ("waiting", "blocked")
    assert WEBHOOK_DELIVERIES.labels("blocked")._value.get() == before + 1


async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(answer(503))
    await writer.drain()
