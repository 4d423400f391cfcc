"""What `tactus alerts` prints, and what it asks of the API."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from services.cli import app
from services.client.alerts import AlertsClient
from services.client.endpoints import Endpoint
from services.commands import alerts

ID = "00000000-0000-4000-8000-000000000001"
WORK = {
    "revision": 4, "assigned_to": "ben", "due_at": None, "snoozed_until": None, "acknowledged_at": "2026-03-01T12:10:00Z",
    "acknowledged_by": "eve", "done_at": None, "done_by": None, "outcome": None,
}  # fmt: skip
REASON = {"touchpoint": "delivery.promise_missed", "channel": "delivery", "place": "carrier/swift", "points": -12.5}
ALERT = {
    "id": ID, "rule": "drop", "customer": "customer:c1", "account": None, "severity": "critical", "state": "open",
    "opened_at": "2026-03-01T12:00:00Z", "changed_at": "2026-03-01T12:00:00Z", "closed_at": None, "score_before": 61.5,
    "score": 22.25, "reasons": [REASON], "incident": None, "work": WORK,
}  # fmt: skip
CHANGE = {"at": "2026-03-01T12:10:00Z", "by": "eve", "what": "acknowledged", "detail": "\x1b[31mred"}


class Api:
    """Answers with one alert, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.changes: list[tuple[Any, str]] = []
        self.away = 0
        self.refused: int | None = None

    async def respond(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((request.method, request.url.path))
        if request.method == "GET" and request.url.path == "/v1/alerts":
            self.asked.append(("filters", str(request.url.params)))
            return httpx.Response(200, json={"alerts": [ALERT], "next": None})
        if request.method == "POST":
            assert request.headers["If-Match"] == '"4"'
            self.changes.append((json.loads(request.content or b"null"), request.headers["Idempotency-Key"]))
            if self.away:
                self.away -= 1
                return httpx.Response(503, json={"title": "away", "detail": "again"})
            if self.refused is not None:
                return httpx.Response(self.refused, json={"title": "changed", "detail": "Read the alert again."})
        return httpx.Response(200, json={**ALERT, "changes": [CHANGE]}, headers={"ETag": '"4"'})


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    made = Api()

    async def wait(_: float) -> None:
        pass

    def opened(*, url: str, key: str) -> AlertsClient:
        del key
        http = httpx.AsyncClient(base_url=url, transport=httpx.MockTransport(made.respond))
        return AlertsClient(http=http, pause=wait)

    monkeypatch.setattr(alerts, "open_alerts", opened)
    monkeypatch.setattr(alerts, "find_alerts", lambda data: Endpoint("http://api", "key", data))
    return made


def tactus(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["alerts", *arguments])
    return result.exit_code, result.output


def test_a_list_says_who_how_far_why_and_what_is_done(api: Api) -> None:
    code, output = tactus("list", "--place", "carrier/swift", "--limit", "7")

    assert code == 0
    assert output == (
        f"{ID}  2026-03-01T12:00:00Z  critical  drop  open  customer:c1  62 → 22  "
        "delivery.promise_missed at carrier/swift  with ben, seen by eve\n"
    )
    assert api.asked[1] == ("filters", "state=open&place=carrier%2Fswift&limit=7")


def test_an_alert_is_shown_with_who_did_what_and_no_terminal_obeys_it(api: Api) -> None:
    code, output = tactus("show", ID)

    assert code == 0
    assert "  \N{MINUS SIGN}12.5  delivery.promise_missed, delivery, carrier/swift\n" in output
    assert "2026-03-01T12:10:00Z  acknowledged by eve: \N{REPLACEMENT CHARACTER}[31mred\n" in output
    assert api.asked == [("GET", f"/v1/alerts/{ID}")]


@pytest.mark.parametrize(
    ("arguments", "verb", "body"),
    [
        (["ack", ID], "ack", None),
        (["assign", ID, "--to", "anna"], "assign", {"to": "anna"}),
        (["assign", ID, "--to", ""], "assign", {"to": None}),
        (["due", ID, "--at", "2026-03-02T12:00:00Z"], "due", {"at": "2026-03-02T12:00:00Z"}),
        (["note", ID, "called"], "note", {"text": "called"}),
        (["snooze", ID, "--until", "2026-03-05T00:00:00Z"], "snooze", {"until": "2026-03-05T00:00:00Z"}),
        (["close", ID, "--outcome", "real"], "close", {"outcome": "real", "note": ""}),
        (["reopen", ID], "reopen", None),
    ],
)
def test_a_change_is_of_the_alert_as_it_is(arguments: list[str], verb: str, body: object, api: Api) -> None:
    code, output = tactus(*arguments)

    assert (code, output.startswith(ID)) == (0, True)
    assert api.asked == [("GET", f"/v1/alerts/{ID}"), ("POST", f"/v1/alerts/{ID}/{verb}")]
    assert [told for told, _ in api.changes] == [body]


def test_a_change_is_tried_again_under_the_same_key(api: Api) -> None:
    api.away = 2

    code, _ = tactus("note", ID, "called")

    assert code == 0
    assert len(api.changes) == 3
    assert len({key for _, key in api.changes}) == 1


def test_a_change_over_somebody_elses_ends_with_what_to_do(api: Api) -> None:
    api.refused = 412

    code, output = tactus("ack", ID)

    assert code == 1
    assert "Read the alert again." in output
