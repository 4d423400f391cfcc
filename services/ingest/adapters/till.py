"""Tills: newline-delimited JSON, a line a transaction, numbered by the till; what was cut off is sent again from there.

The natural key (store, till, business day, number) is the event's id, whatever else a line calls itself. Who buys without
being known is known by the receipt alone: `x-receipt`, by which a return finds that sale.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import pairwise
from typing import Annotated, Any, Final, Literal

import msgspec

from schemas.instant import write_instant
from schemas.limits import EVENTS_MAX
from services.infra.http.answer import Answer
from services.infra.http.problems import Refused, refusal
from services.infra.sources import Source, Sources
from services.ingest.adapter import Adapter, Example, Listed, Outcome, Request, key_of_authorization
from services.ingest.decode import Incoming, read_text
from services.ingest.head import Head
from services.ingest.judge import Accepted
from services.ingest.rejection import Reason, Rejected

NUMBER_MAX: Final = 2**53
"""Up to here every reader of JSON agrees on an integer."""

GAPS_MAX: Final = 100
"""Of one request: what is missing beyond these shows at the next one."""

CLOCK_ERROR: Final = re.compile(r"-?[0-9]{1,12}")
"""Whole milliseconds, up to some thirty years."""

DATE_CHARS_MAX: Final = 40
"""HTTP's dates have 29 or 33."""

RECEIPT: Final = "x-receipt"

TOUCHPOINTS: Final = {
    "sale": "pos.sale_completed",
    "return": "pos.return_processed",
    "order": "x.pos_order",
    "void": "pos.sale_completed",
    "suspended": "pos.sale_completed",
    "reopened": "pos.sale_completed",
    "control": "x.pos_control",
}
BEFORE_THE_RECEIPT: Final = frozenset({"order", "suspended", "reopened"})
"""What is followed by its receipt, which is what counts. Some tills give the receipt the same number, so that what came
before it is known by the number and this word: else the receipt would contradict it."""

NEVER_HAPPENED: Final = BEFORE_THE_RECEIPT | {"void", "control"}
"""`control` is what a till does without a customer: signing on, opening the drawer. It keeps the numbers without gaps."""

NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,40}")
"""A store's and a till's, in the path."""

Number = Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]
DAY: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
Day = Annotated[str, msgspec.Meta(pattern=DAY)]
Name = Annotated[str, msgspec.Meta(pattern=rf"^{NAME.pattern}$")]


class Receipt(msgspec.Struct):
    """An earlier transaction, of this till unless it says another."""

    seq: Number
    day: Day
    store: Name | None = None
    till: Name | None = None


class Line(msgspec.Struct):
    """What a till says of one transaction; the rest of a line is an event's `data`."""

    seq: Number
    day: Day | None = None
    """The business day; the date of `time` when left out."""
    time: str | None = None
    type: Literal["sale", "return", "order", "void", "suspended", "reopened", "control", "other"] = "sale"
    """`other` has a touchpoint of its own."""
    training: bool = False
    test: bool = False
    """Paid by a test card."""
    returns: Receipt | None = None
    """Of a return: the sale that it takes back."""
    id: str | int | None = None
    """The till's other name for the transaction, which says nothing: a till that is set up anew gives other ones."""


OWN: Final = frozenset(Line.__struct_fields__)
DATA: Final = frozenset(
    {
        "touchpoint",
        "channel",
        "identities",
        "account",
        "case",
        "order",
        "rating",
        "text",
        "stake",
        "properties",
        "class",
    }
)
_FIELDS: Final = ", ".join([*Line.__struct_fields__, *sorted(DATA)])


def identify(head: Head, sources: Sources) -> Source | Refused:
    """Tell whose request it is: a till's or a server's, for what a till says is taken for true."""
    source = key_of_authorization(head, sources)
    if isinstance(source, Source) and source.kind == "browser":
        return Refused("forbidden", "Use a till's key: anybody can read a page's.")
    return source


def expects(head: Head) -> Refused | None:
    """Refuse a store or a till that no place can be made of."""
    named = head.named.get("store", ""), head.named.get("till", "")
    return (
        None
        if all(map(NAME.fullmatch, named))
        else Refused("not-found", "Name the store and the till by a-z, 0-9, . _ -")
    )


def read(request: Request) -> Listed | Refused:
    """Find the lines of a request."""
    lines = [line for text in request.body.split(b"\n") if (line := text.strip())]
    if len(lines) > EVENTS_MAX:
        return Refused("body-too-large", f"Send at most {EVENTS_MAX} lines at once.")
    return Listed(len(lines), map(partial(_event, request.head.named), lines), _sent(request))


def _sent(request: Request) -> str | None:
    """Tell when the till sent a request, by its own clock.

    Our agent measures how far its clock is ahead of ours; other clients may date their requests, as HTTP has it.
    """
    ahead_ms = request.head.one("x-till-clock-error-ms") or ""
    try:
        if CLOCK_ERROR.fullmatch(ahead_ms):
            return write_instant(request.received.at + timedelta(milliseconds=int(ahead_ms)))
        date = request.head.one("date") or ""
        sent = parsedate_to_datetime(date) if len(date) <= DATE_CHARS_MAX else None
        return None if sent is None or sent.tzinfo is None else write_instant(sent)
    except (ValueError, OverflowError):
        return None


def answer(outcome: Outcome) -> Answer:
    """Answer with a verdict on each line, through which of them the till may forget, and what seems to be missing."""
    numbers = [_number(one) for one in outcome.incoming]
    waits_s = [one.outcome.retry_after_s if isinstance(one.outcome, Rejected) else 0 for one in outcome.verdicts]
    results = [
        _result(index, number, verdict.outcome, outcome.durable)
        for index, (number, verdict) in enumerate(zip(numbers, outcome.verdicts, strict=True))
    ]
    done = next((index for index, wait_s in enumerate(waits_s) if wait_s), len(waits_s))
    through = max((number for number in numbers[:done] if number is not None), default=None)
    told = {"results": results, "accepted_through": through, "gaps": _gaps(numbers)}
    if waits_s and all(waits_s):
        return refusal(Refused("too-many-requests", retry_after_s=max(waits_s)), told)
    return Answer(202, msgspec.json.encode(told))


def _event(named: Mapping[str, str], text: bytes) -> Incoming:
    incoming = read_text(text)
    if isinstance(incoming.event, Rejected):
        return incoming
    if not isinstance(incoming.event, dict):
        return Incoming(text, Rejected(Reason.INVALID, "a line is an object"))
    if not incoming.event.keys() <= OWN | DATA:
        return Incoming(text, Rejected(Reason.INVALID, f"holds a field that no line has; those are {_FIELDS}"))
    try:
        line = msgspec.convert({name: incoming.event[name] for name in OWN & incoming.event.keys()}, Line)
    except msgspec.ValidationError as error:
        return Incoming(text, Rejected(Reason.INVALID, _where(error)))
    day = line.day or (line.time or "")[:10]
    if re.fullmatch(DAY, day) is None:
        return Incoming(text, Rejected(Reason.INVALID, "day: must be the business day, such as 2026-03-01"))
    said = {name: value for name, value in incoming.event.items() if name in DATA}
    return Incoming(text, _native(named, line, day, said))


def _native(named: Mapping[str, str], line: Line, day: str, said: Mapping[str, Any]) -> dict[str, object]:
    store, till = named["store"], named["till"]
    data: dict[str, object] = {"channel": "pos", "place": f"store/{store}", **said}
    if not data.get("identities"):
        # Of who is known otherwise it is left out: a member has hundreds of receipts, and only so many links count.
        bought = line.returns or Receipt(line.seq, day)
        data["identities"] = [{"kind": RECEIPT, "value": _receipt(bought, store=store, till=till)}]
    if line.type != "other":
        data["touchpoint"] = TOUCHPOINTS[line.type]
    event_class = _class(line)
    if event_class is not None:
        data["class"] = event_class
    step = f"/{line.type}" if line.type in BEFORE_THE_RECEIPT else ""
    event: dict[str, object] = {"id": f"{day}/{line.seq}{step}", "source": f"{store}/{till}", "data": data}
    return event if line.time is None else {**event, "time": line.time}


def _class(line: Line) -> str | None:
    if line.training:
        return "training"
    if line.test:
        return "test"
    return "void" if line.type in NEVER_HAPPENED else None


def _receipt(receipt: Receipt, *, store: str, till: str) -> str:
    return f"{receipt.store or store}/{receipt.till or till}/{receipt.day}/{receipt.seq}"


def _where(error: msgspec.ValidationError) -> str:
    """Say which field is wrong, and nothing of what stands in it."""
    field = re.search(r"\$\.([a-z.]+)", str(error)) or re.search(r"required field `([a-z]+)`", str(error))
    what = {
        "seq": f"must be the transaction's number, 0 to {NUMBER_MAX}",
        "day": "must be the business day, such as 2026-03-01",
        "type": "must be sale, return, order, void, suspended, reopened, control or other",
    }
    name = "" if field is None else field[1]
    return f"{name}: {what.get(name.rpartition('.')[2], 'has another type than it must')}"


def _number(incoming: Incoming) -> int | None:
    """Find a line's number again: in what it became, or in what it was."""
    text = incoming.original if isinstance(incoming.event, Rejected) else b""
    if isinstance(incoming.event, dict):
        return int(str(incoming.event["id"]).split("/")[1])
    seq = read_text(text).event
    number = seq.get("seq") if isinstance(seq, dict) else None
    return number if type(number) is int and 0 <= number <= NUMBER_MAX else None


def _result(index: int, number: int | None, outcome: Accepted | Rejected, durable: str) -> dict[str, object]:
    told: dict[str, object] = {"index": index, "seq": number}
    if isinstance(outcome, Accepted):
        return {**told, "status": "accepted", "durable": durable}
    told |= {"status": "rejected", "reason": outcome.reason, "detail": outcome.detail}
    return {**told, "retry_after_s": outcome.retry_after_s} if outcome.retry_after_s else told


def _gaps(numbers: Sequence[int | None]) -> list[list[int]]:
    """Return the first and the last of the numbers that are missing between those of a request."""
    seen = sorted({number for number in numbers if number is not None})
    return [[first + 1, last - 1] for first, last in pairwise(seen) if last - first > 1][:GAPS_MAX]


def _lines(*lines: Mapping[str, object]) -> bytes:
    return "\n".join(json.dumps(line) for line in lines).encode()


_LOYAL: Final = {"identities": [{"kind": "loyalty", "value": "L7"}]}

ADAPTER: Final = Adapter(
    name="till",
    routes=("/v1/tills/{store}/{till}/events",),
    identify=identify,
    expects=expects,
    read=read,
    spare=("text", "properties"),
    answer=answer,
    examples=(
        Example(
            "A sale to a member, one to nobody known, one of a trainee, and a return of the second",
            "/v1/tills/042/3/events",
            _lines(
                {"seq": 991, "time": "2026-03-01T11:40:00+01:00", **_LOYAL, "properties": {"total": 12.5}},
                {"seq": 992, "time": "2026-03-01T11:41:00+01:00"},
                {"seq": 993, "time": "2026-03-01T11:42:00+01:00", "training": True},
                {
                    "seq": 994,
                    "time": "2026-03-01T11:45:00+01:00",
                    "type": "return",
                    "returns": {"day": "2026-03-01", "seq": 992},
                    "properties": {"wait_seconds": 90},
                },
            ),
            {"content-type": "application/x-ndjson"},
            answers=202,
            touchpoints=("pos.sale_completed",) * 3 + ("pos.return_processed",),
        ),
    ),
)
