"""Each sink against its vendor's rules; a fake is right only if the vendor's own client is content with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pagerduty
import pytest
from pydantic import SecretStr
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from services.infra.clock import SystemClock
from services.outbound.notify import posting
from services.outbound.notify.message import Message, message_of
from services.outbound.notify.routes import Route, RoutesFile
from services.outbound.notify.sink import Later, Off, Refused, Sink, Told
from services.outbound.notify.sinks_of_routes import new_client, sink_of
from services.outbound.notify.steps import read_alert
from tests.support.alerted import alert_id, record
from tests.support.inbox import Listening, receiving
from tests.support.notifying import TEXTS
from tests.support.sinkservers import (
    Answer,
    PagerDutyServer,
    SinkServer,
    SlackServer,
    TeamsServer,
    WebhookServer,
    served,
)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with new_client() as made:
        yield made


def route(secret: str | None, **fields: Any) -> Route:  # noqa: ANN401 - of a row of the file
    [row] = RoutesFile.model_validate({"route": [{"name": "r", "secret": {"env": "X"}, **fields}]}).route
    return Route(row, None if secret is None else SecretStr(secret), "")


def message(state: str = "opened", *, of: Route, **fields: Any) -> Message:  # noqa: ANN401 - of the record
    step = read_alert(json.dumps(record(state=state, **fields)).encode())
    return message_of(step, route=of, revision=7, texts=TEXTS)


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    with served(SlackServer()) as server:
        assert isinstance(server, SlackServer)
        yield server


@pytest.fixture
def pager() -> Iterator[PagerDutyServer]:
    with served(PagerDutyServer()) as server:
        assert isinstance(server, PagerDutyServer)
        yield server


def test_slack_s_own_client_is_content_with_the_fake(slack: SlackServer) -> None:
    web = WebClient(token=slack.token, base_url=f"{slack.url}/api/")
    hook = WebhookClient(f"{slack.url}/services/T/B/x")

    posted = web.chat_postMessage(channel="C0123456789", text="one")
    changed = web.chat_update(channel="C0123456789", ts=posted["ts"], text="two")
    by_hook = hook.send(text="three")

    assert changed["ts"] == posted["ts"]
    assert (by_hook.status_code, by_hook.body) == (200, "ok")
    with pytest.raises(SlackApiError, match="channel_not_found"):
        web.chat_postMessage(channel="C0", text="x")
    with pytest.raises(SlackApiError, match="message_not_found"):
        web.chat_update(channel="C0123456789", ts="1.1", text="x")
    with pytest.raises(SlackApiError, match="invalid_auth"):
        WebClient(token="xoxb-other", base_url=f"{slack.url}/api/").chat_postMessage(channel="C0123456789", text="x")
    assert (
        hook.send(blocks=[{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]).body
        == "invalid_blocks"
    )


def test_pagerduty_s_own_client_is_content_with_the_fake(pager: PagerDutyServer) -> None:
    with pagerduty.EventsApiV2Client(pager.routing_key) as events, pagerduty.EventsApiV2Client("of-nobody") as stranger:
        # Their own door takes only https.
        events._url = stranger._url = pager.url

        key = events.trigger("a drop", "tactus", dedup_key="a1", severity="critical")
        opened = set(pager.open)
        events.resolve(key)

        assert (key, opened, pager.open) == ("a1", {"a1"}, {})
        with pytest.raises(pagerduty.Error):
            stranger.trigger("a drop", "tactus")
        with pytest.raises(pagerduty.Error):
            events.trigger("x" * 1025, "tactus")


async def test_a_webhook_of_slack_takes_what_we_post(slack: SlackServer, client: httpx.AsyncClient) -> None:
    by_hook = route(f"{slack.url}/services/T/B/x", sink="slack")

    outcome = await sink_of(by_hook, client, clock=SystemClock()).tell(message(of=by_hook), {})

    assert outcome == Told({})
    [body] = slack.taken
    assert "fell from 71 to 38" in body["text"]


async def test_a_message_that_can_be_changed_no_more_gets_another_in_its_thread(
    slack: SlackServer, client: httpx.AsyncClient
) -> None:
    bot = route(slack.token, sink="slack", channel="C0123456789", api=f"{slack.url}/api")
    sink = sink_of(bot, client, clock=SystemClock())
    opened = await sink.tell(message(of=bot), {})
    assert isinstance(opened, Told)
    slack.next = [Answer(200, '{"ok": false, "error": "edit_window_closed"}')]

    ended = await sink.tell(message("closed", of=bot), opened.reference)

    assert ended == opened
    assert slack.taken[-1]["thread_ts"] == opened.reference["ts"]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(404, "no_service"), Off("no_service")),
        (Answer(403, "action_prohibited"), Off("action_prohibited")),
        (Answer(410, "channel_is_archived"), Off("channel_is_archived")),
        (Answer(400, "invalid_payload"), Refused("it answered 400 (invalid_payload)")),
        (Answer(429, "", {"retry-after": "30"}), Later("it answered 429", 30.0)),
        (Answer(500, "rollup_error"), Later("rollup_error")),
        (
            Answer(302, "", {"location": "https://elsewhere.example"}),
            Off("it answered 302: it has moved; write its new address"),
        ),
    ],
)
async def test_what_a_webhook_of_slack_says_is_final_or_waits(
    slack: SlackServer, client: httpx.AsyncClient, answer: Answer, outcome: object
) -> None:
    by_hook = route(f"{slack.url}/services/T/B/x", sink="slack")
    slack.next = [answer]

    assert await sink_of(by_hook, client, clock=SystemClock()).tell(message(of=by_hook), {}) == outcome
    assert len(slack.asked) == 1


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ("not_in_channel", Off("not_in_channel")),
        ("token_revoked", Off("token_revoked")),
        ("internal_error", Later("internal_error")),
        ("msg_too_long", Refused("msg_too_long")),
    ],
)
async def test_what_the_api_of_slack_says_is_final_or_waits(
    slack: SlackServer, client: httpx.AsyncClient, error: str, outcome: object
) -> None:
    bot = route(slack.token, sink="slack", channel="C0123456789", api=f"{slack.url}/api")
    slack.next = [Answer(200, json.dumps({"ok": False, "error": error}))]

    assert await sink_of(bot, client, clock=SystemClock()).tell(message(of=bot), {}) == outcome


async def test_a_page_opens_once_for_an_alert_and_ends_with_it(
    pager: PagerDutyServer, client: httpx.AsyncClient
) -> None:
    paging = route(pager.routing_key, sink="pagerduty", url=f"{pager.url}/v2/enqueue")
    sink = sink_of(paging, client, clock=SystemClock())

    told = [await sink.tell(message(of=paging), {}) for _ in range(2)]
    opened = dict(pager.open)
    await sink.tell(message("closed", of=paging), {})

    key = str(alert_id("a"))
    assert told == [Told({"dedup_key": key})] * 2
    assert opened[key]["severity"] == "critical"
    assert opened[key]["custom_details"]["lines"][1].startswith("−21.4")
    assert pager.open == {}


async def test_pagerduty_is_left_alone_for_a_minute_and_a_wrong_event_is_final(
    pager: PagerDutyServer, client: httpx.AsyncClient
) -> None:
    paging = route(pager.routing_key, sink="pagerduty", url=f"{pager.url}/v2/enqueue")
    sink = sink_of(paging, client, clock=SystemClock())
    pager.next = [Answer(429, ""), Answer(400, '{"errors": ["\'payload.summary\' is missing"]}')]

    outcomes = [await sink.tell(message(of=paging), {}) for _ in range(2)]
    wrong = route("of-nobody", sink="pagerduty", url=f"{pager.url}/v2/enqueue")
    stranger = await sink_of(wrong, client, clock=SystemClock()).tell(message(of=wrong), {})

    assert outcomes == [Later("it answered 429", 60.0), Refused("it answered 400")]
    assert isinstance(stranger, Off)


async def test_teams_takes_an_adaptive_card(client: httpx.AsyncClient) -> None:
    with served(TeamsServer()) as teams:
        posting_to = route(f"{teams.url}/workflows/x?sig=secret", sink="teams")
        sink = sink_of(posting_to, client, clock=SystemClock())

        outcome = await sink.tell(message(of=posting_to), {})
        teams.next = [Answer(404, "")]
        gone = await sink.tell(message(of=posting_to), {})

    assert outcome == Told({})
    [card] = teams.taken
    assert card["actions"][0]["url"].endswith("customer:a")
    assert any("What to do" in part["text"] for part in card["body"])
    assert gone == Off("it answered 404")


async def test_a_webhook_is_signed_and_keeps_its_id(client: httpx.AsyncClient) -> None:
    with served(WebhookServer()) as receiver:
        assert isinstance(receiver, WebhookServer)
        hook = route(receiver.secret, sink="webhook", url=f"{receiver.url}/hook")
        sink = sink_of(hook, client, clock=SystemClock())
        receiver.next = [Answer(500, "")]

        outcomes = [await sink.tell(message(of=hook), {}) for _ in range(2)]
        receiver.next = [Answer(410, "")]
        gone = await sink.tell(message(of=hook), {})

    assert outcomes == [Later("it answered 500"), Told({})]
    assert len({asked.headers["webhook-id"] for asked in receiver.asked}) == 1
    [body] = receiver.taken
    assert body["type"] == "alert.opened"
    assert body["data"]["step"]["score"] == 38.4
    assert gone == Off("it answered 410")


@pytest.mark.parametrize("kind", ["slack", "teams", "pagerduty", "webhook"])
async def test_a_sink_that_is_not_there_waits_and_shows_no_secret(client: httpx.AsyncClient, kind: str) -> None:
    secret = {"webhook": "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0IGhlcmU=", "pagerduty": "key"}.get(
        kind, "http://127.0.0.1:9/secret"
    )
    fields = {"url": "http://127.0.0.1:9/x"} if kind in {"webhook", "pagerduty"} else {}
    absent = route(secret, sink=kind, **fields)

    outcome = await sink_of(absent, client, clock=SystemClock()).tell(message(of=absent), {})

    assert isinstance(outcome, Later)
    assert outcome.because == "it cannot be reached"


async def test_a_sink_that_hangs_is_given_up_and_may_have_been_told(
    slack: SlackServer, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "TIMEOUT_S", 0.2)
    slack.hold.clear()
    by_hook = route(f"{slack.url}/services/T/B/x", sink="slack")

    outcome = await sink_of(by_hook, client, clock=SystemClock()).tell(message(of=by_hook), {})

    assert isinstance(outcome, Later)
    assert outcome.unsure


async def test_an_answer_without_end_is_cut(client: httpx.AsyncClient) -> None:
    with served(SinkServer()) as server:
        server.next = [Answer(500, "x" * 1_000_000)]

        answer = await posting.post(client, server.url, content=b"{}", headers={})

    assert isinstance(answer, posting.Answer)
    assert len(answer.text) <= posting.ANSWER_BYTES_MAX


@pytest.fixture
def inbox() -> Iterator[Listening]:
    with receiving() as listening:
        yield listening


def mailing(port: int) -> Route:
    row = {"sink": "mail", "host": "127.0.0.1", "port": port, "tls": "none", "sender": "alerts@shop.example"}
    [made] = RoutesFile.model_validate({"route": [{"name": "r", "to": ["ann@shop.example"], **row}]}).route
    return Route(made, None, "")


def mail_sink(of: Route) -> Sink:
    return sink_of(of, new_client(), clock=SystemClock())


async def test_what_follows_stands_in_the_thread_of_the_first_mail(inbox: Listening) -> None:
    taken, port = inbox
    by_mail = mailing(port)
    sink = mail_sink(by_mail)

    opened = await sink.tell(message(of=by_mail), {})
    assert isinstance(opened, Told)
    await sink.tell(message("closed", of=by_mail)._replace(id="r-later"), opened.reference)

    first, second = taken.mails
    assert first["Message-ID"] == opened.reference["message_id"]
    assert second["References"] == second["In-Reply-To"] == first["Message-ID"]
    assert second["Message-ID"] != first["Message-ID"]
    assert first["List-Id"].startswith("Tactus")
    assert "−21.4  Delivery promise missed" in taken.texts()[0]


@pytest.mark.parametrize(
    ("to", "answer", "kind"),
    [
        ("550 no such user", "250 OK", Off),
        ("450 try later", "250 OK", Later),
        ("250 OK", "451 try later", Later),
        ("250 OK", "554 looks like spam", Refused),
    ],
)
async def test_what_a_mail_server_says_is_final_or_waits(inbox: Listening, to: str, answer: str, kind: type) -> None:
    taken, port = inbox
    taken.to, taken.answer = to, answer
    by_mail = mailing(port)

    outcome = await mail_sink(by_mail).tell(message(of=by_mail), {})

    assert isinstance(outcome, kind)
    assert "ann@" not in str(outcome)


async def test_a_mail_server_that_is_away_waits() -> None:
    by_mail = mailing(9)

    assert isinstance(await mail_sink(by_mail).tell(message(of=by_mail), {}), Later)


@pytest.mark.filterwarnings("ignore:.imghdr. is deprecated:DeprecationWarning")  # of apprise, on old Pythons
async def test_apprise_reaches_what_has_no_sink_of_its_own(client: httpx.AsyncClient) -> None:
    with served(SinkServer()) as server:
        odd = route(server.url.replace("http://", "json://"), sink="apprise")
        sink = sink_of(odd, client, clock=SystemClock())

        told = await sink.tell(message(of=odd), {})
        server.next = [Answer(500, "")]
        failed = await sink.tell(message(of=odd), {})
        unknown = await sink_of(route("nobody-knows://x", sink="apprise"), client, clock=SystemClock()).tell(
            message(of=odd), {}
        )

    assert told == Told({})
    assert "fell from 71 to 38" in json.loads(server.taken[0])["title"]
    assert isinstance(failed, Later)
    assert isinstance(unknown, Off)
    await asyncio.sleep(0)
