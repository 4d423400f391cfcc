"""Fakes of the services that people are notified by: each holds to its vendor's documented limits and errors."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from standardwebhooks import Webhook, WebhookVerificationError


class Asked(NamedTuple):
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - of the vendor's own shape
        return json.loads(self.body)


class Answer(NamedTuple):
    status: int
    body: str
    headers: Mapping[str, str] = {}


@dataclass
class SinkServer:
    """Answers by its vendor's rules, but for answers that a test puts before them; remembers what it took."""

    asked: list[Asked] = field(default_factory=list)
    taken: list[Any] = field(default_factory=list)
    next: list[Answer] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def __post_init__(self) -> None:
        self.hold.set()

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        if not self.hold.is_set():
            self.hold.wait(60)
        return self.next.pop(0) if self.next else self.judge(asked)

    def judge(self, asked: Asked) -> Answer:
        self.taken.append(asked.body)
        return Answer(200, "ok")


@contextmanager
def served(server: SinkServer) -> Iterator[SinkServer]:
    """Serve on a free port for as long as the test needs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = server.answer(Asked(self.path, headers, body))
            said = answer.body.encode()
            try:
                self.send_response(answer.status)
                for name, value in {"content-length": str(len(said)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            return

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    server.url = f"http://127.0.0.1:{listening.server_address[1]}"
    try:
        yield server
    finally:
        server.hold.set()
        listening.shutdown()
        thread.join(20)
        listening.server_close()


def blocks_fault(body: Mapping[str, Any]) -> str | None:
    """What Slack says of blocks that break its limits."""
    if not body.get("text") and not body.get("blocks"):
        return "no_text"
    if len(body.get("text", "")) > 40_000:
        return "msg_too_long"
    blocks = body.get("blocks", [])
    if isinstance(blocks, str):
        blocks = json.loads(blocks)
    if len(blocks) > 50:
        return "invalid_blocks"
    for block in blocks:
        text = block.get("text", {})
        limit = {"header": 150, "section": 3000}.get(block.get("type"))
        kind = {"header": "plain_text"}.get(block.get("type"), text.get("type"))
        if limit is None or not 0 < len(text.get("text", "")) <= limit or text.get("type") != kind:
            return "invalid_blocks"
    return None


@dataclass
class SlackServer(SinkServer):
    """Incoming webhooks under /services/…, and the three methods of the Web API that post and change messages."""

    token: str = "xoxb-of-a-test"
    channels: frozenset[str] = frozenset({"C0123456789"})
    messages: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def judge(self, asked: Asked) -> Answer:
        if asked.path.startswith("/services/"):
            return self._by_webhook(asked)
        return Answer(200, json.dumps(self._by_method(asked)), {"content-type": "application/json"})

    def _by_webhook(self, asked: Asked) -> Answer:
        try:
            body = asked.json
        except ValueError:
            return Answer(400, "invalid_payload")
        fault = blocks_fault(body)
        if fault:
            return Answer(400, fault)
        self.taken.append(body)
        return Answer(200, "ok")

    def _by_method(self, asked: Asked) -> dict[str, Any]:
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            return {"ok": False, "error": "invalid_auth"}
        is_form = asked.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        body = {name: found[0] for name, found in parse_qs(asked.body.decode()).items()} if is_form else asked.json
        if body.get("channel") not in self.channels:
            return {"ok": False, "error": "channel_not_found"}
        fault = blocks_fault(body)
        if fault:
            return {"ok": False, "error": fault}
        method = asked.path.rpartition("/")[2]
        ts = body.get("ts") or f"1772366400.{len(self.messages) + 1:06}"
        if method == "chat.update" and ts not in self.messages:
            return {"ok": False, "error": "message_not_found"}
        if method not in {"chat.update", "chat.postMessage"}:
            return {"ok": False, "error": "unknown_method"}
        self.messages[ts] = body
        self.taken.append(body)
        return {"ok": True, "channel": body["channel"], "ts": ts, "message": {"text": body.get("text", "")}}


@dataclass
class PagerDutyServer(SinkServer):
    """The Events API v2: fields, their limits, and what a key has open."""

    routing_key: str = "0123456789abcdef0123456789abcdef"
    open: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def judge(self, asked: Asked) -> Answer:
        if len(asked.body) > 512 * 1024:
            return Answer(413, "too large")
        body = asked.json
        faults = self._faults(body)
        if faults:
            said = {"status": "invalid event", "message": "Event object is invalid", "errors": faults}
            return Answer(400, json.dumps(said))
        key = body.get("dedup_key") or f"made-{len(self.taken)}"
        if body["event_action"] == "trigger":
            self.open[key] = body["payload"]
        elif body["event_action"] == "resolve":
            self.open.pop(key, None)
        self.taken.append(body)
        return Answer(202, json.dumps({"status": "success", "message": "Event processed", "dedup_key": key}))

    def _faults(self, body: Mapping[str, Any]) -> list[str]:
        faults = []
        if body.get("routing_key") != self.routing_key:
            faults.append("'routing_key' is invalid")
        if len(body.get("dedup_key", "")) > 255:
            faults.append("'dedup_key' is too long (maximum is 255 characters)")
        action = body.get("event_action")
        if action not in {"trigger", "acknowledge", "resolve"}:
            faults.append("'event_action' is invalid")
        elif action != "trigger" and not body.get("dedup_key"):
            faults.append("'dedup_key' is missing or blank")
        elif action == "trigger":
            payload = body.get("payload", {})
            faults += [
                f"'payload.{name}' is missing or blank" for name in ("summary", "source") if not payload.get(name)
            ]
            if len(payload.get("summary", "")) > 1024:
                faults.append("'payload.summary' is too long (maximum is 1024 characters)")
            if payload.get("severity") not in {"critical", "error", "warning", "info"}:
                faults.append("'payload.severity' is invalid")
        return faults


@dataclass
class TeamsServer(SinkServer):
    """A workflow that posts adaptive cards to a channel."""

    def judge(self, asked: Asked) -> Answer:
        if len(asked.body) > 28 * 1024:
            return Answer(413, "RequestEntityTooLarge")
        body = asked.json
        if body.get("type") != "message" or not body.get("attachments"):
            return Answer(400, "InvalidBotRequest")
        card = body["attachments"][0]
        if (
            card["contentType"] != "application/vnd.microsoft.card.adaptive"
            or card["content"]["type"] != "AdaptiveCard"
        ):
            return Answer(400, "InvalidBotRequest")
        self.taken.append(card["content"])
        return Answer(202, "")


@dataclass
class WebhookServer(SinkServer):
    """A receiver that verifies what the Standard Webhooks specification signs, with the package's own verifier."""

    secret: str = "whsec_" + base64.b64encode(b"a secret of twenty-four!").decode()

    def judge(self, asked: Asked) -> Answer:
        try:
            Webhook(self.secret).verify(asked.body, dict(asked.headers))
        except WebhookVerificationError as error:
            return Answer(401, str(error))
        if len(asked.body) > 20_000:
            return Answer(413, "")
        self.taken.append(asked.json)
        return Answer(204, "")
