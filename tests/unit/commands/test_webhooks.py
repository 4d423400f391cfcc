"""What `tactus webhooks` asks of the API, and what it prints."""

from __future__ import annotations

import json

import httpx
import pytest

from services.client.endpoints import Endpoint
from services.client.webhooks import WebhooksClient
from services.commands import webhooks

ONE = {
    "id": "00000000-0000-4000-8000-000000000001", "url": "https://hooks.example/x", "description": "", "kinds": ["alert.opened"],
    "bands": [], "severities": [], "state": "enabled", "reason": "", "made_at": "2026-03-01T12:00:00Z", "failures": 0,
    "failing_since": None, "resting_until": None, "waiting": 0,
}  # fmt: skip
ILL = {
    **ONE,
    "kinds": [],
    "state": "disabled",
    "reason": "gone",
    "failures": 3,
    "waiting": 7,
    "failing_since": "2026-03-01T11:00:00Z",
}
DELIVERY = {
    "id": 7, "message": "test_1", "kind": "webhook.test", "subject": "s", "state": "delivered", "attempts": 1, "next_at": None,
    "at": "2026-03-01T12:00:00Z", "tried_at": "2026-03-01T12:00:01Z", "outcome": "delivered", "status": 204, "answer": "", "body": "{}",
}  # fmt: skip
REFUSED = {
    **DELIVERY,
    "state": "waiting",
    "outcome": "refused",
    "status": 500,
    "answer": "no\nroom",
    "next_at": "2026-03-01T12:05:00Z",
}


class Api:
    """Answers what a test tells it to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.bodies: list[object] = []
        self.answers: list[httpx.Response] = []

    def respond(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((request.method, request.url.path.removeprefix("/v1/webhooks")))
        self.bodies.append(json.loads(request.content or b"null"))
        assert request.headers["authorization"] == "Bearer k"
        return self.answers.pop(0)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    made = Api()

    def opened(endpoint: Endpoint) -> WebhooksClient:
        return WebhooksClient(endpoint, transport=httpx.MockTransport(made.respond))

    monkeypatch.setattr(webhooks, "WebhooksClient", opened)
    monkeypatch.setattr(webhooks, "find_webhooks", lambda data: Endpoint("http://api", "k", data))
    return made


def test_a_list_says_how_each_is(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers = [httpx.Response(200, json={"webhooks": [ONE, ILL]})]

    assert webhooks.list_all(data=None) == 0

    assert capsys.readouterr().out.splitlines() == [
        f"{ONE['id']}  enabled  https://hooks.example/x  alert.opened",
        f"{ONE['id']}  disabled (gone)  https://hooks.example/x  everything  failing since 2026-03-01T11:00:00Z  7 waiting",
    ]


def test_a_secret_is_printed_once_and_alone_on_its_line(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = {"url": ONE["url"], "kinds": ["alert.opened"]}
    api.answers = [httpx.Response(201, json={**ONE, "secret": "whsec_eA=="})]

    assert webhooks.add(wanted, data=None) == 0

    assert capsys.readouterr().out == f"webhook {ONE['id']}\nsecret whsec_eA==\n"
    assert (api.asked, api.bodies) == ([("POST", "")], [wanted])


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (DELIVERY, 0, "7  delivered  2026-03-01T12:00:00Z  webhook.test  s  delivered 204\n"),
        (
            REFUSED,
            1,
            "7  waiting  2026-03-01T12:00:00Z  webhook.test  s  refused 500 no room  tried again at 2026-03-01T12:05:00Z\n",
        ),
    ],
)
def test_a_test_waits_for_the_first_attempt_and_says_what_came_of_it(
    api: Api, capsys: pytest.CaptureFixture[str], answer: dict[str, object], code: int, said: str
) -> None:
    queued = {**DELIVERY, "state": "waiting", "outcome": None, "status": None, "next_at": "2026-03-01T12:00:00Z"}
    told = ({"delivery": 7}, queued, answer)
    api.answers = [httpx.Response(200, json=one) for one in told]

    assert webhooks.test("w", wait_s=60.0, data=None) == code

    assert capsys.readouterr().out == said
    assert api.asked == [("POST", "/w/test"), ("GET", "/w/deliveries/7"), ("GET", "/w/deliveries/7")]


def test_a_test_that_nobody_sends_says_where_to_look(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    queued = {**DELIVERY, "state": "waiting", "outcome": None, "status": None, "next_at": "2026-03-01T12:00:00Z"}
    api.answers = [httpx.Response(200, json=one) for one in ({"delivery": 7}, queued)]

    assert webhooks.test("w", wait_s=0.0, data=None) == 1

    assert "is the webhook enabled" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "slug", "said"),
    [
        (422, "url-not-allowed", "Webhooks do not go to this URL. The host has"),
        (404, "unknown-webhook", "There is no webhook"),
        (403, "forbidden", "set TACTUS_WEBHOOKS_KEY to one with the scope webhooks"),
        (503, "unavailable", "try again"),
    ],
)
def test_a_refusal_says_what_to_do(
    api: Api, capsys: pytest.CaptureFixture[str], status: int, slug: str, said: str
) -> None:
    title = {"url-not-allowed": "Webhooks do not go to this URL"}.get(slug, "There is no webhook of this id")
    problem = {"type": f"urn:tactus:problem:{slug}", "title": title, "status": status, "detail": "The host has none."}
    api.answers = [httpx.Response(status, json=problem)]

    assert webhooks.show("w", data=None) == 1

    assert said in capsys.readouterr().err


def test_the_other_commands_ask_what_they_are_called(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    whole = {**ONE, "changes": [{"at": "2026-03-01T12:00:00Z", "by": "ann", "what": "made"}]}
    page = {"deliveries": [{name: value for name, value in DELIVERY.items() if name != "body"}], "next": "7"}
    api.answers = [
        httpx.Response(200, json=whole),
        httpx.Response(200, json=whole),
        httpx.Response(200, json={"secret": "whsec_eQ==", "former_until": "2026-03-02T12:00:00Z"}),
        httpx.Response(200, json=page),
        httpx.Response(200, json={"delivery": 7}),
        httpx.Response(204),
    ]

    codes = [
        webhooks.show("w", data=None),
        webhooks.turn("w", "disabled", data=None),
        webhooks.rotate("w", data=None),
        webhooks.deliveries("w", state="failed", limit=1, data=None),
        webhooks.replay("w", 7, data=None),
        webhooks.remove("w", data=None),
    ]

    assert codes == [0] * 6
    assert api.asked == [
        ("GET", "/w"),
        ("PATCH", "/w"),
        ("POST", "/w/secret"),
        ("GET", "/w/deliveries"),
        ("POST", "/w/deliveries/7/replay"),
        ("DELETE", "/w"),
    ]
    assert api.bodies[1] == {"state": "disabled"}
    assert "made by ann" in capsys.readouterr().out
