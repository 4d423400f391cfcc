"""Read what a till says of one transaction: its natural key, and the line as the door takes it. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime, tzinfo
from typing import Any, Final, NamedTuple, NoReturn

from services.till.limits import ASIDE_BYTES_MAX, LINE_BYTES_MAX

NUMBER_MAX: Final = 2**53
"""Up to here every reader of JSON agrees on an integer."""

NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,40}")
"""A store's and a till's, as the door takes them."""

BEFORE_THE_RECEIPT: Final = frozenset({"order", "suspended", "reopened"})
"""What may be followed by a receipt of the same number: the door knows it by the number and this word."""

UNTOLD: Final = frozenset({"id", "time"})
"""What may differ when the same is said again: tills write times in several ways, and give other ids after a repair."""

DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
LOCAL_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?(?:[.,]([0-9]+))?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """One transaction; `key` is its id within its till: business day, number and, before the receipt, what it is."""

    till: str
    key: str
    digest: bytes
    """Of what the till said, whatever the order of its fields: the same key with another digest is a contradiction."""
    body: bytes


class Unfit(NamedTuple):
    """What cannot be sent, and what to mend."""

    reason: str
    detail: str
    text: bytes


class Reading(NamedTuple):
    """What a line leaves open."""

    till: str | None
    """Whose lines these are, if they do not say it."""
    zone: tzinfo | None
    """Of times that name none; None: the machine's own."""
    now: str
    """The time of a line that has none: this one. A door that hears of it days later could not know better."""


def read_line(text: bytes, reading: Reading) -> Line | Unfit:
    """Read a line of NDJSON."""
    if reading.till is None:
        return unfit("no-till", "name the till with --till: only POSLog files say whose transactions they hold", text)
    if len(text) > LINE_BYTES_MAX:
        return too_long(text)
    try:
        said = json.loads(text.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError):
        return unfit("malformed-json", "a line is one JSON object in UTF-8, and ends with a newline", text)
    if not isinstance(said, dict):
        return unfit("malformed-json", "a line is one JSON object", text)
    return line_of(said, text, reading.till, reading)


def line_of(said: dict[str, Any], text: bytes, till: str, reading: Reading) -> Line | Unfit:
    """Make the line of a till; `text` is where it was read."""
    number, time = said.get("seq"), said.get("time")
    if type(number) is not int or not 0 <= number <= NUMBER_MAX:
        return unfit("invalid-line", f"seq: must be the transaction's number, 0 to {NUMBER_MAX}", text)
    day = said.get("day") or (time[:10] if isinstance(time, str) else "")
    if not isinstance(day, str) or DAY.fullmatch(day) is None:
        return unfit(
            "invalid-line", "day: must be the business day, such as 2026-03-01, or time must begin with it", text
        )
    try:
        told = {name: value for name, value in said.items() if name not in UNTOLD}
        canonical = json.dumps(told, sort_keys=True, allow_nan=False).encode()
        body = json.dumps({**said, "time": _time(time, reading)}, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return unfit("malformed-json", "holds a number or a character that no reader of JSON agrees on", text)
    if len(body) > LINE_BYTES_MAX:
        return too_long(text)
    kind = said.get("type")
    step = f"/{kind}" if isinstance(kind, str) and kind in BEFORE_THE_RECEIPT else ""
    return Line(till, f"{day}/{number}{step}", hashlib.sha256(canonical).digest()[:16], body)


def is_whole(text: bytes) -> bool:
    """Tell whether what no newline ends is a line all the same: an object that is cut off never ends with its brace."""
    try:
        return isinstance(json.loads(text.decode()), dict)
    except (ValueError, RecursionError):
        return False


def cut_off(text: bytes) -> Unfit:
    """Set aside a line that never came to its end."""
    return unfit("cut-off", "the line was not ended: the till went down, or is still writing it", text)


def too_long(text: bytes) -> Unfit:
    """Set aside the beginning of a line that no door takes."""
    return unfit("too-large", f"a line has at most {LINE_BYTES_MAX} bytes", text)


def unfit(reason: str, detail: str, text: bytes) -> Unfit:
    """Say what is wrong with a text, and keep what fits of it."""
    return Unfit(reason, detail, text[:ASIDE_BYTES_MAX])


def with_zone(time: str, zone: tzinfo | None) -> str:
    """Give a time that names no zone this one; what is no time stays as it is, for the door to say so."""
    moment = instant(time, zone)
    return time if moment is None else moment.isoformat()


def instant(time: str, zone: tzinfo | None) -> datetime | None:
    """Read a date and a time, with or without a zone; of the hour that comes twice in autumn the first is meant."""
    found = LOCAL_TIME.fullmatch(time.strip())
    if found is None:
        return None
    date, minutes, seconds, fraction, offset = found.groups()
    text = f"{date}T{minutes}{seconds or ':00'}.{(fraction or '0')[:6].ljust(6, '0')}{(offset or '').replace('Z', '+00:00')}"
    try:
        moment = datetime.fromisoformat(text)
        if offset is not None:
            return moment
        return moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
    except (ValueError, OverflowError, OSError):
        return None


def _time(time: object, reading: Reading) -> object:
    if time is None:
        return reading.now
    return with_zone(time, reading.zone) if isinstance(time, str) else time


def _no_number(_: str) -> NoReturn:
    raise ValueError("not a number of JSON")
