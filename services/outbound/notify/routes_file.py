"""The routes file: read with the secrets that it names; a mistake in it names its line and its fix."""

from __future__ import annotations

import hashlib
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from pydantic import SecretStr, ValidationError

from services.infra.errors import ConfigurationError
from services.infra.near import hint
from services.infra.settings import secret_of_environment
from services.infra.source_faults import Fault, said, toml_fault
from services.outbound.notify.routes import BAND_NAMES, SINKS, Route, Routes, RoutesFile, Row, Secret

FILE_BYTES_MAX: Final = 1024 * 1024
SECRET_BYTES_MAX: Final = 16_384

_FIXES: Final = {
    "name": 'write a name of small letters, digits, - and _: name = "support"',
    "sink": f"write one of {', '.join(SINKS)}",
    "secret": 'say where the secret stands: secret = {file = "slack"} or secret = {env = "SLACK"}',
    "severity": 'write a list of severities: ["critical"], or ["warning", "critical"]',
    "band": f"write a list of bands: {', '.join(BAND_NAMES)}",
    "place": 'write a list of places: ["store/*"]',
    "account": 'write a list of accounts: ["acme"]',
    "owner": 'write a list of owners: ["ann"]',
    "touchpoint": 'write a list of touchpoints: ["delivery.*"]',
    "rule": 'write a list of rules: ["drop", "bad_answer", "overdue", "incident"]',
    "language": 'write "en" or "pl"',
    "zone": 'write a time zone: zone = "Europe/Warsaw"',
    "quiet": 'write quiet = {from = 22:00:00, to = 07:00:00}, and but = ["critical"] for what wakes people',
    "cooldown_hours": "write hours, 0 to 720; 0 is none",
    "digest": "write a time of the day: digest = 08:00:00",
    "channel": 'write the channel\'s id, such as channel = "C0123456789"; a bot posts only where it was invited',
    "to": 'write a list of addresses: to = ["ann@shop.example"]',
    "sender": 'write the address that mail comes from: sender = "alerts@shop.example"',
    "host": 'write the mail server: host = "smtp.shop.example"',
    "port": "write its port: 587 with starttls, 465 with tls",
    "tls": 'write "starttls", "tls", or "none" for a server on this machine',
    "user": 'write the name to log in by, and secret = {file = "…"} for its password',
    "url": "write an address that begins with http:// or https://",
    "api": "write an address that begins with http:// or https://",
}


def load_routes(path: Path | None) -> Routes:
    """Read a routes file and the secrets it names; without a path there are no routes. Raises ConfigurationError."""
    if path is None:
        return Routes({}, ())
    text = _text_of(path)
    try:
        parsed = RoutesFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}, {toml_fault(error, text)}") from error
    except ValidationError as error:
        raise ConfigurationError(f"{path}, {said(_fault_of(error), text)}") from None
    routes: dict[str, Route] = {}
    for position, row in enumerate(parsed.route):
        fault = _wrong(row, position, routes)
        if fault is not None:
            raise ConfigurationError(f"{path}, {said(fault, text)}")
        try:
            secret = None if row.secret is None else _secret(row.secret, beside=path.parent)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"{path}, {said(Fault(('route', position, 'secret'), str(error)), text)}"
            ) from error
        fault = _wrong_secret(row, position, secret)
        if fault is not None:
            raise ConfigurationError(f"{path}, {said(fault, text)}")
        routes[row.name] = Route(row, secret, _fingerprint(row, secret))
    return Routes(routes, parsed.owner)


def _text_of(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error.strerror}): point TACTUS_OUTBOUND__ROUTES at the routes file"
        ) from error
    if len(raw) > FILE_BYTES_MAX:
        raise ConfigurationError(
            f"{path} is larger than {FILE_BYTES_MAX} bytes: point TACTUS_OUTBOUND__ROUTES elsewhere"
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML, which is UTF-8: {error}: write the file in UTF-8") from error


def _fault_of(error: ValidationError) -> Fault:
    """The first fault; nothing of what stands in the file is repeated."""
    found = error.errors(include_input=False, include_url=False)[0]
    place = tuple(part for at, part in enumerate(found["loc"]) if not (at == 2 and part in SINKS))  # noqa: PLR2004 - the row's kind
    words = [part for part in place if isinstance(part, str)]
    field = words[-1] if words else ""
    within = next((word for word in words if word in {"secret", "quiet"}), field)
    fix = _FIXES.get(within, "")
    match found["type"]:
        case "union_tag_not_found" | "union_tag_invalid":
            return Fault((*place, "sink"), f"is missing or not known: {_FIXES['sink']}")
        case "missing":
            return Fault(place, f"is missing: {fix}")
        case "extra_forbidden":
            return Fault(place, f"is not known: {hint(field, _FIXES, otherwise='take it out')}")
        case "value_error":
            return Fault(place, str(found["ctx"]["error"]))
        case _:
            return Fault(place, f"is wrong: {fix or found['msg']}")


def _wrong(row: Row, position: int, before: dict[str, Route]) -> Fault | None:
    """What the fields say together."""
    if row.name in before:
        return Fault(("route", position, "name"), "is the name of another one: give each its own")
    unknown = next((band for band in row.band if band not in BAND_NAMES), None)
    if unknown is not None:
        return Fault(("route", position, "band"), f"names no band: {_FIXES['band']}")
    if row.sink == "mail" and (row.user is None) != (row.secret is None):
        return Fault(("route", position, "user"), f"goes with a secret: {_FIXES['user']}")
    if row.sink == "apprise" and find_spec("apprise") is None:
        return Fault(("route", position, "sink"), "needs the package apprise: install tactus with the extra apprise")
    return None


def _wrong_secret(row: Row, position: int, secret: SecretStr | None) -> Fault | None:
    """Whether a secret is of the kind that its sink takes; it is not repeated."""
    value = "" if secret is None else secret.get_secret_value()
    place = ("route", position, "secret")
    is_url = value.startswith(("https://", "http://"))
    match row.sink:
        case "slack" if not is_url and row.channel is None:
            return Fault(("route", position, "channel"), f"is missing for a bot's token: {_FIXES['channel']}")
        case "teams" if not is_url:
            return Fault(place, "is no address: store the address of the workflow, with its signature")
        case "webhook" if not value.startswith("whsec_"):
            return Fault(place, "is no webhook secret: store one that begins with whsec_")
        case _:
            return None


def _secret(secret: Secret, *, beside: Path) -> SecretStr:
    if (secret.file is None) == (secret.env is None):
        raise ConfigurationError(f"is wrong: {_FIXES['secret']}")
    if secret.env is not None:
        value = secret_of_environment(secret.env)
        if value is None:
            raise ConfigurationError(f"names the variable {secret.env}, which is not set: set it where outbound runs")
        return value
    path = beside / str(secret.file)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"names {path}, which cannot be read ({error.strerror}): write the secret there"
        ) from error
    try:
        value_text = raw[: SECRET_BYTES_MAX + 1].decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"names {path}, which is not text: write the secret there") from error
    if not value_text or len(raw) > SECRET_BYTES_MAX or not value_text.isprintable():
        raise ConfigurationError(f"names {path}, which holds no secret of one line: write it there")
    return SecretStr(value_text)


def _fingerprint(row: Row, secret: SecretStr | None) -> str:
    value = "" if secret is None else secret.get_secret_value()
    return hashlib.sha256(f"{row.model_dump_json()}\n{value}".encode()).hexdigest()
