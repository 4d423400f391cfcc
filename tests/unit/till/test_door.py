from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from services.till.clock import ClockError
from services.till.door import (
    Door,
    Judged,
    KeyMissingError,
    Later,
    Outcome,
    Unfit,
    Verdict,
    asked_wait_s,
    key_from,
    meaning,
    packed,
)
from services.till.limits import ASKED_WAIT_S_MAX


def means(status: int, told: object, **headers: str) -> Outcome:
    message = Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    return meaning(status, message, body, lines=2, now_s=0.0)


def results(*told: dict[str, Any], through: int | None = 7) -> dict[str, Any]:
    return {"results": list(told), "accepted_through": through, "gaps": []}


KEPT = {"index": 0, "seq": 7, "status": "accepted", "durable": "log"}
REJECTED = {"index": 1, "seq": 8, "status": "rejected", "reason": "invalid-event", "detail": "type: must be …"}


def problem(slug: str, **more: object) -> dict[str, object]:
    return {"type": f"urn:tactus:problem:{slug}", "title": "…", "detail": "do this", **more}


def test_each_line_has_its_verdict() -> None:
    outcome = means(202, results(KEPT, REJECTED))

    rejected = Verdict(accepted=False, reason="invalid-event", detail="type: must be …")
    assert outcome == Judged([Verdict(accepted=True), rejected], 7)


def test_a_line_that_came_too_fast_is_to_come_again_in_a_batch_or_as_a_whole() -> None:
    again = {**REJECTED, "reason": "rate-limited", "retry_after_s": 3}

    some = means(202, results(KEPT, again))
    all_of_them = means(429, {**problem("too-many-requests"), **results(again, again, through=None)})

    assert isinstance(some, Judged)
    assert isinstance(all_of_them, Judged)
    assert [one.wait_s for one in some.verdicts + all_of_them.verdicts] == [0, 3, 3, 3]


@pytest.mark.parametrize("slug", ["malformed-json", "body-too-large", "invalid-event"])
def test_a_body_that_the_door_refuses_holds_a_line_that_is_at_fault(slug: str) -> None:
    status = {"malformed-json": 400, "body-too-large": 413, "invalid-event": 422}[slug]

    assert means(status, problem(slug)) == Unfit(slug, "do this")


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (400, b"<html>Bad Request</html>"),
        (413, b""),
        (422, {"type": "about:blank"}),
        (200, b"<html>Welcome to the shop's WiFi</html>"),
        (202, b"ok"),
        (202, []),
        (202, results(KEPT)),
        (202, results(KEPT, {"status": "perhaps"})),
        (302, b""),
        (404, b"nginx"),
        (500, problem("internal")),
        (503, problem("unavailable")),
    ],
)
def test_what_somebody_between_says_settles_no_line(status: int, told: object) -> None:
    outcome = means(status, told, Location="http://portal")

    assert isinstance(outcome, Later)
    assert outcome.trouble


@pytest.mark.parametrize(
    ("status", "slug", "said"),
    [(401, "unauthorized", "tactus keys add"), (403, "forbidden", "kind till"), (404, "not-found", "--url")],
)
def test_what_somebody_must_mend_is_told(status: int, slug: str, said: str) -> None:
    outcome = means(status, problem(slug))

    assert isinstance(outcome, Later)
    assert outcome.mend
    assert said in outcome.trouble


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("7", 7.0),
        ("Thu, 01 Jan 1970 00:00:09 GMT", 9.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("-5", 0.0),
        ("1e99", ASKED_WAIT_S_MAX),
        ("nan", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_how_long_the_door_asks_to_wait(text: str | None, wait_s: float | None) -> None:
    assert asked_wait_s(text, now_s=0.0) == wait_s


def test_a_body_is_packed_unless_that_makes_no_sense_or_looks_like_a_bomb() -> None:
    lines = [json.dumps({"seq": number, "day": "2026-03-01"}).encode() for number in range(100)]
    body, headers = packed(lines)

    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body).splitlines() == lines
    assert packed(lines) == (body, headers)
    assert packed(lines[:1]) == (lines[0] + b"\n", {"Content-Type": "application/x-ndjson"})
    assert "Content-Encoding" not in packed([b"x" * 1000] * 400)[1]


def test_the_key_is_read_anew_each_time_or_it_is_told_how_to_give_one(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = key_from(path, "another")

    with pytest.raises(KeyMissingError, match="--key-file"):
        key()
    path.write_text(" \n")
    with pytest.raises(KeyMissingError, match="empty"):
        key()
    path.write_text("two words\n")
    with pytest.raises(KeyMissingError, match="one line"):
        key()
    path.write_text("first\n")
    assert key() == "first"
    path.write_text("second")
    assert key() == "second"
    assert key_from(None, " mine ")() == "mine"
    with pytest.raises(KeyMissingError, match="TACTUS_TILL_KEY"):
        key_from(None, None)()


class _Recording(BaseHTTPRequestHandler):
    seen: list[tuple[str, dict[str, str]]]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response(302)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing on stderr."""


@pytest.fixture
def recording() -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    seen: list[tuple[str, dict[str, str]]] = []
    server = HTTPServer(("127.0.0.1", 0), type("Handler", (_Recording,), {"seen": seen}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_redirect_is_told_and_the_key_goes_nowhere_else(
    recording: tuple[str, list[tuple[str, dict[str, str]]]],
) -> None:
    url, seen = recording
    door = Door(url=f"{url}/", store="042", key=lambda: "secret", wall_s=lambda: 1.0)

    reply = door.post("3", [b"{}"], clock=ClockError(1.5, 0.5))

    assert isinstance(reply.outcome, Later)
    assert "/elsewhere" in reply.outcome.trouble
    assert reply.clock is not None
    assert reply.clock.ahead_s < -1e9
    ((path, headers),) = seen
    assert path == "/v1/tills/042/3/events"
    assert headers["authorization"] == "Bearer secret"
    assert headers["x-till-clock-error-ms"] == "1500"


def test_no_way_to_the_door_and_no_key_are_troubles_and_no_errors() -> None:
    away = Door(url="http://127.0.0.1:1", store="042", key=lambda: "secret", wall_s=lambda: 1.0)
    keyless = Door(url="http://127.0.0.1:1", store="042", key=key_from(None, None), wall_s=lambda: 1.0)

    outcomes = [door.post("3", [b"{}"], clock=None).outcome for door in (away, keyless)]

    assert [isinstance(one, Later) and one.trouble.split(":")[0] for one in outcomes] == [
        "no answer",
        "there is no key",
    ]
