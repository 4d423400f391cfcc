"""Say what is wrong in a sources file: the line, the place, and what to write there instead."""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Mapping
from functools import cache
from tomllib import TOMLDecodeError
from typing import Final, NamedTuple

from pydantic import ValidationError

Place = tuple[str | int, ...]
"""Where in the file, as pydantic has it: table, row, field, and perhaps which of its values."""

MAKE_A_KEY: Final = 'make one with `key=$(openssl rand -hex 24)` and write what `printf %s "$key" | sha256sum` says'

_DIGESTS: Final = f"write a list of digests, 64 hexadecimal digits each: {MAKE_A_KEY}"

_RATE: Final = "write a number of events a second, 1 to 1000000"

_FIXES: Final[Mapping[str, str]] = {
    "name": "write a name of a-z, 0-9, dots, _ and -, at most 64 characters",
    "kind": 'write "server", "till" or "browser"',
    "identity": 'write "claimed" or "anonymous"',
    "keys_sha256": _DIGESTS,
    "revoked_sha256": _DIGESTS,
    "touchpoints": 'write a list of names, * for any part of one: ["web.*"]',
    "impressions": 'write "own" or "catalogue"',
    "age_days_max": "write a number of days, 1 to 400; backfill = true takes any age",
    "region": 'write the region that numbers without a country code are of, as ISO 3166 has it: "PL"',
    "events_per_s_max": _RATE,
    "requests_per_s_max": _RATE,
    "address_events_per_s_max": _RATE,
    "identity_events_per_s_max": _RATE,
    "day_bytes_max": "write a number of bytes, 1 or more",
    "former_spellings": "write true or false",
    "backfill": "write true or false",
    "replay": "write true or false",
    "places": "write true or false",
    "traits": "write a list of at most 32 names of a-z, 0-9, blanks, dots, _ and -, none of which names or finds somebody "
    'as email, phone or name do: ["plan", "segment"]',
    "previous_ids": 'write "customers" or "visitors"',
    "hook": 'write a table: hook = {provider = "shopify", secret_files = ["/run/secrets/shopify"]}, and url = "https://…" where '
    "the vendor signs the address that it was given",
    "signature": 'write how the sender signs: signature = {header = "x-signature", algorithm = "hmac-sha256", encoding = "hex"}, '
    "and prefix, signed, timestamp_header, fields and tolerance_s where it has them",
    "staff": 'write a table: staff = {identities = ["email:ann@shop.example"], addresses = ["203.0.113.0/24"]}, whose ranges '
    "end in bits that are 0 and are, of IPv6, a /64 or larger",
    "origins": 'write a list of origins without a path: ["https://shop.example"], or ["*"]',
    "scopes": 'write a list of scopes: ["scores:read"], "alerts:write" for who works on alerts, "dead-letters:read" or "dead-letters:write" for an operator',
    "source": "write each source under a line [[source]]",
    "reader": "write each reader under a line [[reader]]",
}

_AT_LINE: Final = re.compile(r"at line (\d+)")
_TABLE: Final = re.compile(r"\s*\[\[\s*([\w-]+)\s*\]\]")
_FIELD: Final = re.compile(r"\s*\"?([\w-]+)\"?\s*=")

_WORDS: Final = (
    "", "12345", "123456", "12345678", "1234567890", "abc", "admin", "apikey", "api-key", "api_key", "browser", "changeme", "change-me", "client", "crm", "default", "demo",
    "dev", "example", "foo", "bar", "key", "key1", "key2", "local", "my-key", "my_key", "mykey", "none", "null",
    "pass", "password", "password1", "read", "read-key", "read_key", "reader", "root", "secret", "server", "shop",
    "source", "tactus", "test", "test-key", "testing", "till", "token", "undefined", "website", "write", "write-key",
    "write_key", "xxx", "your-key", "your_key", "YOUR_KEY", "YOUR-KEY", "KEY", "$key", "${key}",
)  # fmt: skip
"""What stands in examples, here and elsewhere, and what people type to try something."""

_DIGITS_MAX: Final = 4
"""Every number of up to four digits is such a key as well."""


class Fault(NamedTuple):
    """What is wrong at a place, and what to do about it."""

    place: Place
    fix: str


@cache
def trivial_digests() -> frozenset[str]:
    """Return the digests of keys that anybody can guess; the examples of the documentation are among them."""
    numbers = (f"{number:0{digits}}" for digits in range(1, _DIGITS_MAX + 1) for number in range(10**digits))
    keys = (*_WORDS, *string.printable, *numbers)
    return frozenset(hashlib.sha256(key.encode()).hexdigest() for key in keys)


def toml_fault(error: TOMLDecodeError, text: str) -> str:
    """Say where a text is not TOML."""
    found = _AT_LINE.search(str(error))
    line = int(found[1]) if found else len(text.splitlines())
    return f"line {line}: this is not TOML ({error}): mend the line"


def fault_of(error: ValidationError) -> Fault:
    """Return the first fault that validation found; nothing of what stands in the file is repeated."""
    found = error.errors(include_input=False, include_url=False)[0]
    place, field = found["loc"], next((str(part) for part in reversed(found["loc"]) if isinstance(part, str)), "")
    within = next((table for table in ("signature", "hook", "staff") if table in place), field)
    fix = _FIXES.get(within, "")
    match found["type"]:
        case "missing":
            return Fault(place, f"is missing: {fix}")
        case "extra_forbidden" if within != field:
            return Fault(place, f"is not known: {fix}")
        case "extra_forbidden":
            return Fault(place, f"is not known: take it out, or write one of {', '.join(_FIXES)}")
        case "value_error" if str(found["ctx"]["error"]):
            return Fault(place, str(found["ctx"]["error"]))
        case _:
            return Fault(place, f"is wrong: {fix or found['msg']}")


def said(fault: Fault, text: str) -> str:
    """Say a fault of the file with this text, with the line where it can be told."""
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault.place).lstrip(".")
    line = line_of(fault.place, text)
    return f"line {line}: {where} {fault.fix}" if line else f"{where} {fault.fix}"


def line_of(place: Place, text: str) -> int | None:
    """Return the line of a place, of its table when the field is missing; None for a file that is written otherwise."""
    table, row, field = (*place, None, None)[:3]
    lines = text.splitlines()
    starts = [at for at, line in enumerate(lines) if (found := _TABLE.match(line)) and found[1] == table]
    if not isinstance(row, int):
        return next((at + 1 for at, line in enumerate(lines) if _named(line) == table), None)
    if row >= len(starts):
        return None
    start = starts[row]
    end = next((at for at in range(start + 1, len(lines)) if _TABLE.match(lines[at])), len(lines))
    return next((at + 1 for at in range(start + 1, end) if _named(lines[at]) == field), start + 1)


def last_line_with(words: str, text: str) -> str:
    """Name the last line that holds these words; words that are written otherwise name no line."""
    before, found, _ = text.rpartition(words)
    return f"line {len(before.splitlines()) or 1}" if found else "a line"


def _named(line: str) -> str | None:
    found = _TABLE.match(line) or _FIELD.match(line)
    return found[1] if found else None
