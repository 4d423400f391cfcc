"""Post a batch to the door, and tell what its answer means for the lines."""

from __future__ import annotations

import gzip
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from email.message import Message
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, Callable, Final, NamedTuple, Union

from services.till.clock import ClockError, clock_error
from services.till.limits import ANSWER_BYTES_MAX, ANSWER_S_MAX, ASKED_WAIT_S_MAX, CHUNK_BYTES

PROBLEM: Final = "urn:tactus:problem:"
"""So the door's own refusals are named; what anybody between says means nothing for a line."""

PACKS_MAX: Final = 80
"""A body that packs better than so many to one is sent as it is: the door takes it for a bomb."""

OF_LINES: Final = frozenset({400, 413, 415, 422})
"""The body is at fault, and so is a line of it."""

OF_SETTINGS: Final = {
    401: "the key is not valid: put a till's key into the key file (tactus keys add NAME --kind till makes one)",
    403: "this key may not send for tills: take one of a source of the kind till or server",
    404: "there is no such door: check --url, --store and --till",
}
"""Somebody must mend something; until then every line is kept."""


class KeyMissingError(Exception):
    """There is no key; the words say how to give one."""


class Verdict(NamedTuple):
    """What became of one line: kept, rejected with a reason, or to be sent again after a while."""

    accepted: bool
    reason: str = ""
    detail: str = ""
    wait_s: float = 0.0


class Judged(NamedTuple):
    """A verdict on each line, in their order."""

    verdicts: list[Verdict]
    accepted_through: int | None


class Unfit(NamedTuple):
    """The door refuses the whole: some line of it is at fault."""

    reason: str
    detail: str


class Later(NamedTuple):
    """Nothing is known of any line: all of them are to be sent again."""

    trouble: str
    wait_s: float | None = None
    """What the door asks for."""
    mend: bool = False
    """Somebody must mend something first."""


Outcome = Union[Judged, Unfit, Later]


class Reply(NamedTuple):
    """An outcome, and what its answer says of this machine's clock."""

    outcome: Outcome
    clock: ClockError | None


class _Raw(NamedTuple):
    status: int
    headers: Message
    body: bytes


class Door:
    """The door of one store."""

    def __init__(self, *, url: str, store: str, key: Callable[[], str], wall_s: Callable[[], float]) -> None:
        self._base = f"{url.rstrip('/')}/v1/tills/{urllib.parse.quote(store, safe='')}"
        self._key = key
        self._wall_s = wall_s
        # A redirect would take the key to wherever it leads.
        self._opener = urllib.request.build_opener(_NoRedirect)

    def post(self, till: str, lines: Sequence[bytes], *, clock: ClockError | None) -> Reply:
        """Send lines of a till; never raises for what the way or the door does."""
        try:
            request = self._request(till, lines, clock)
        except KeyMissingError as error:
            return Reply(Later(str(error), mend=True), None)
        sent_at_s, started_s = self._wall_s(), time.monotonic()
        try:
            raw = self._answer(request)
        except (OSError, HTTPException, ValueError) as error:
            return Reply(
                Later(f"no answer: {getattr(error, 'reason', None) or str(error) or type(error).__name__}"), None
            )
        measured = clock_error(raw.headers.get("Date"), sent_at_s=sent_at_s, took_s=time.monotonic() - started_s)
        return Reply(meaning(raw.status, raw.headers, raw.body, lines=len(lines), now_s=self._wall_s()), measured)

    def _request(self, till: str, lines: Sequence[bytes], clock: ClockError | None) -> urllib.request.Request:
        body, headers = packed(lines)
        headers["Authorization"] = f"Bearer {self._key()}"
        headers["User-Agent"] = "tactus-till"
        if clock is not None:
            headers["X-Till-Clock-Error-Ms"] = str(round(clock.ahead_s * 1000))
        url = f"{self._base}/{urllib.parse.quote(till, safe='')}/events"
        # The command line takes http and https alone.
        return urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - as said

    def _answer(self, request: urllib.request.Request) -> _Raw:
        try:
            with self._opener.open(request, timeout=ANSWER_S_MAX) as answer:
                return _Raw(answer.status, answer.headers, _body(answer))
        except urllib.error.HTTPError as error:
            with error:
                return _Raw(error.code, error.headers, _body(error))


def _body(answer: Any) -> bytes:  # noqa: ANN401 - the library has several kinds of answers
    """Read a body, and no more and no longer than an answer of the door takes."""
    pieces: list[bytes] = []
    size, until_s = 0, time.monotonic() + ANSWER_S_MAX
    while size < ANSWER_BYTES_MAX:
        piece = answer.read1(CHUNK_BYTES)
        if not piece:
            break
        if time.monotonic() > until_s:
            raise TimeoutError("the answer took too long to arrive")
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


def meaning(status: int, headers: Message, body: bytes, *, lines: int, now_s: float) -> Outcome:
    """Tell what an answer means. Only the door itself can settle a line; a proxy's or a portal's words are a trouble."""
    asked_s = asked_wait_s(headers.get("Retry-After"), now_s=now_s)
    told = _object(body)
    if status == HTTPStatus.ACCEPTED:
        judged = _judged(told, lines)
        return (
            Later("whatever answered is no door of Tactus: check --url and what stands between")
            if judged is None
            else judged
        )
    named = str(told.get("type", ""))
    detail = str(told.get("detail") or told.get("title") or "")
    judged = _judged(told, lines) if named == f"{PROBLEM}too-many-requests" else None
    if judged is not None:
        return judged
    if status in OF_LINES and named.startswith(PROBLEM):
        return Unfit(named[len(PROBLEM) :], detail)
    if status in OF_SETTINGS and (named.startswith(PROBLEM) or status != HTTPStatus.NOT_FOUND):
        return Later(f"{status}: {OF_SETTINGS[status]}", asked_s, mend=True)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Later(
            f"{status}: the address leads to {headers.get('Location', 'another one')}: set --url to it", mend=True
        )
    return Later(f"{status}: {detail or 'the door takes nothing for now'}", asked_s)


def asked_wait_s(text: str | None, *, now_s: float) -> float | None:
    """Read a Retry-After, in seconds or as a date; within bounds."""
    try:
        asked_s = float(text or "")
    except ValueError:
        try:
            asked_s = parsedate_to_datetime(text or "").timestamp() - now_s
        except (TypeError, ValueError, IndexError, OverflowError):
            return None
    return min(max(asked_s, 0.0), ASKED_WAIT_S_MAX) if asked_s == asked_s else None  # noqa: PLR0124 - NaN is what differs from itself


def packed(lines: Sequence[bytes]) -> tuple[bytes, dict[str, str]]:
    """Pack a body where that is smaller, and not so much smaller that it is refused.

    A line alone goes as it is: what is refused then is the line, and not a packing that something between has spoilt.
    """
    headers = {"Content-Type": "application/x-ndjson"}
    plain = b"\n".join(lines) + b"\n"
    small = gzip.compress(plain, 6, mtime=0)
    if len(lines) == 1 or len(small) >= len(plain) or len(small) * PACKS_MAX < len(plain):
        return plain, headers
    return small, {**headers, "Content-Encoding": "gzip"}


def key_from(path: Path | None, environment: str | None) -> Callable[[], str]:
    """Return how the key is had: from its file, read anew each time so that a mended one is taken, or the environment."""

    def key() -> str:
        if path is None:
            found = (environment or "").strip()
            missing = "there is no key: name its file with --key-file, or set TACTUS_TILL_KEY"
        else:
            try:
                found = path.read_text(encoding="utf-8").strip()
            except (OSError, ValueError) as error:
                raise KeyMissingError(
                    f"the key file cannot be read ({error}): check --key-file and its rights"
                ) from error
            missing = f"the key file {path} is empty: put the till's key into it"
        if not found:
            raise KeyMissingError(missing)
        if not (found.isascii() and found.isprintable()) or " " in found:
            raise KeyMissingError(
                "the key holds a blank or a character that no key has: put the key alone, on one line"
            )
        return found

    return key


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        del req, fp, code, msg, headers, newurl


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body.decode())
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _judged(told: dict[str, Any], lines: int) -> Judged | None:
    results = told.get("results")
    if not isinstance(results, list) or len(results) != lines:
        return None
    verdicts = [_verdict(one) for one in results]
    through = told.get("accepted_through")
    if any(one is None for one in verdicts):
        return None
    return Judged([one for one in verdicts if one is not None], through if isinstance(through, int) else None)


def _verdict(told: Any) -> Verdict | None:  # noqa: ANN401 - JSON of somebody else
    if not isinstance(told, dict) or told.get("status") not in ("accepted", "rejected"):
        return None
    if told["status"] == "accepted":
        return Verdict(accepted=True)
    wait = told.get("retry_after_s", 0)
    wait_s = min(float(wait), ASKED_WAIT_S_MAX) if isinstance(wait, (int, float)) else 0.0
    return Verdict(
        accepted=False, reason=str(told.get("reason", "rejected")), detail=str(told.get("detail", "")), wait_s=wait_s
    )
