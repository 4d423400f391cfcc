"""Rows of bad and good input: what is sent, and what must be answered."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.senders import (
    ANONYMOUS_KEY,
    BACKFILL_KEY,
    BROWSER_KEY,
    OPERATOR_KEY,
    READ_KEY,
    REVOKED_KEY,
    SERVER_KEY,
    event,
)

FOLDER: Final = Path(__file__).parents[1] / "corpus"

KEYS: Final[Mapping[str, str]] = {
    "server": SERVER_KEY,
    "browser": BROWSER_KEY,
    "backfill": BACKFILL_KEY,
    "anonymous": ANONYMOUS_KEY,
    "operator": OPERATOR_KEY,
    "revoked": REVOKED_KEY,
    "reader": READ_KEY,
    "unknown": "a-key-of-nobody",
}

MIB: Final = 1024 * 1024


def _good() -> bytes:
    return json.dumps(event("good")).encode()


def _padded(size: int) -> bytes:
    return _good().ljust(size)


GENERATORS: Final[Mapping[str, Callable[[], bytes]]] = {
    "gzip-bomb-1000-to-1": lambda: gzip.compress(b" " * 12 * MIB),
    "gzip-of-more-than-4-MiB": lambda: gzip.compress(
        b"".join(b'{"touchpoint":"web.page_viewed","n":%d},' % n for n in range(100_000))
    ),
    "gzip-10000-members": lambda: gzip.compress(b"") * 10_000,
    "gzip-twice": lambda: gzip.compress(gzip.compress(_good())),
    "gzip-good": lambda: gzip.compress(_good()),
    "gzip-good-in-three-members": lambda: b"".join(gzip.compress(part) for part in _thirds(_good())),
    "gzip-cut-off": lambda: gzip.compress(_good())[:-9],
    "gzip-with-junk": lambda: gzip.compress(_good()) + b"junk",
    "gzip-wrong-checksum": lambda: gzip.compress(_good())[:-8] + b"\0" * 8,
    "gzip-of-nothing": lambda: gzip.compress(b""),
    "body-of-1-MiB": lambda: _padded(MIB),
    "body-of-1-MiB-and-1": lambda: _padded(MIB + 1),
    "body-of-8-MiB": lambda: _padded(8 * MIB),
    "event-of-32-KiB": lambda: _sized(32 * 1024),
    "event-of-32-KiB-and-1": lambda: _sized(32 * 1024 + 1),
    "batch-of-500": lambda: _batch(500),
    "batch-of-501": lambda: _batch(501),
    "batch-of-499-good-and-1-bad": lambda: _batch(499)[:-1] + b',{"id":"bad"}]',
    "lists-16-deep": lambda: _deep(16),
    "lists-17-deep": lambda: _deep(17),
    "lists-300-deep": lambda: _deep(300),
    "lists-10000-deep": lambda: b"[" * 10_000 + b"]" * 10_000,
    "a-million-open-brackets": lambda: b"[" * 1_000_000,
    "16000-escaped-quotes": lambda: b"{" * 17 + b'"' + b'\\"' * 16_000,
    "30000-open-braces": lambda: b'{"a":' * 6_000,
    "integer-of-5000-digits": lambda: _with_property("1" * 5000),
    "129-properties": lambda: _with_properties(129),
    "10000-names": lambda: _with_properties(10_000),
    "name-of-1-MB": lambda: b'{"' + b"x" * 1_000_000 + b'":1}',
    "text-of-9000-characters": lambda: _good().replace(b'"channel"', b'"text": "' + b"x" * 9000 + b'", "channel"'),
    "17-identities": lambda: _identities(17),
}


def _thirds(whole: bytes) -> list[bytes]:
    third = len(whole) // 3
    return [whole[:third], whole[third : 2 * third], whole[2 * third :]]


def _sized(size: int) -> bytes:
    frame = _with_property('""')
    names = (size - len(frame)) // 4000 + 1
    properties = {f"p{number}": "x" * 4000 for number in range(names)}
    sent = json.dumps(event("sized") | {"data": {**_data(), "properties": properties}}).encode()
    surplus = len(sent) - size
    return sent.replace(b"x" * surplus, b"", 1)


def _data() -> dict[str, object]:
    found = event()["data"]
    assert isinstance(found, dict)
    return found


def _batch(count: int) -> bytes:
    return json.dumps([event(f"batch-{number}") for number in range(count)]).encode()


def _with_property(value: str) -> bytes:
    marked = json.dumps(event("property") | {"data": {**_data(), "properties": {"p": "@"}}})
    return marked.replace('"@"', value).encode()


def _with_properties(count: int) -> bytes:
    properties = {f"p{number}": number for number in range(count)}
    return json.dumps(event("wide") | {"data": {**_data(), "properties": properties}}).encode()


def _deep(depth: int) -> bytes:
    # The event, its data and its properties are three levels themselves.
    inside = depth - 3
    return _with_property("[" * inside + "]" * inside)


def _identities(count: int) -> bytes:
    identities = [{"kind": "device", "value": f"d{number}"} for number in range(count)]
    return json.dumps(event("many") | {"data": {**_data(), "identities": identities}}).encode()


class Row(NamedTuple):
    """One request and its answer."""

    name: str
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    chunked: bool
    expect_status: int
    expect_type: str | None
    expect_reason: str | None

    def __str__(self) -> str:
        return self.name


_MOMENT: Final = re.compile(r"@now(?:([+-])(\d+)([smhd]))?@")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def with_moments(text: str, now: datetime) -> str:
    """Put times in place of @now@, @now+6m@, @now-401d@."""

    def moment(match: re.Match[str]) -> str:
        sign, amount, unit = match.groups()
        distance = timedelta(**{_UNITS[unit]: int(amount)}) if unit else timedelta()
        return (now - distance if sign == "-" else now + distance).isoformat()

    return _MOMENT.sub(moment, text)


def rows() -> Iterator[Row]:
    """Read every row of the corpus."""
    for file in sorted(FOLDER.glob("ingest-*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            yield _row(json.loads(line))


class Framing(NamedTuple):
    """Bytes on a connection that are hardly a request, and the answer."""

    name: str
    sent: bytes
    expect_status: int
    expect_type: str

    def __str__(self) -> str:
        return self.name


def framings() -> Iterator[Framing]:
    """Read every row of bad framing; each character of its text is one byte."""
    file = FOLDER / "framing.jsonl"
    for line in file.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        yield Framing(
            name=told["name"],
            sent=told["bytes"].encode("latin-1"),
            expect_status=told["expect_status"],
            expect_type=told["expect_type"],
        )


def _row(told: Mapping[str, object]) -> Row:
    request = told["request"]
    assert isinstance(request, dict)
    now = datetime.now(UTC)
    listed = request.get("headers", [["Content-Type", "application/json"]])
    headers = [(name, with_moments(value, now)) for name, value in listed]
    key = request.get("key", "server")
    if key is not None:
        headers.append(("Authorization", f"Bearer {KEYS[key]}"))
    return Row(
        name=str(told["name"]),
        method=request.get("method", "POST"),
        path=request.get("path", "/v1/events"),
        headers=headers,
        body=_body(request),
        chunked=request.get("chunked", False),
        expect_status=int(str(told["expect_status"])),
        expect_type=None if told["expect_type"] is None else str(told["expect_type"]),
        expect_reason=None if "expect_reason" not in told else str(told["expect_reason"]),
    )


def _body(request: Mapping[str, str]) -> bytes:
    if "generator" in request:
        return GENERATORS[request["generator"]]()
    if "body_base64" in request:
        return base64.b64decode(request["body_base64"])
    return with_moments(request.get("body", ""), datetime.now(UTC)).encode("utf-8", "surrogatepass")
