"""Where the client commands knock, and with which key: a data directory's stack, or the one the settings name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import SecretStr

from services.client.addresses import reached_at
from services.client.connection import DEFAULT_DATA, Connection, find_connection
from services.client.connection import FILE as CONNECTION
from services.client.keys import ALERTS, LETTERS, READ, WEBHOOKS, read_keys
from services.infra.errors import ConfigurationError
from services.infra.settings import ApiSettings, IngestSettings, Settings, read_settings

WRITE_KEY: Final = "TACTUS_WRITE_KEY"
READ_KEY: Final = "TACTUS_READ_KEY"
LETTERS_KEY: Final = "TACTUS_LETTERS_KEY"
ALERTS_KEY: Final = "TACTUS_ALERTS_KEY"
WEBHOOKS_KEY: Final = "TACTUS_WEBHOOKS_KEY"


class Endpoint(NamedTuple):
    """An address, a key that opens it, and the directory that remembers what was done there."""

    url: str
    key: str
    data: Path


def find_ingest(data: Path | None, *, key: str) -> Endpoint:
    """Return the endpoint for events; `key` is the name of the stack's own key to use.

    Without a data directory TACTUS_WRITE_KEY means the endpoint that TACTUS_INGEST__HOST and __PORT name, and so do,
    where no stack runs, the generated keys beside the file that TACTUS_SOURCES names; with one TACTUS_WRITE_KEY
    stands in where the stack tells no keys. Raises ConfigurationError, with what to do, when there is no stack or
    no key.
    """
    settings = read_settings()
    own = settings.write_key
    found = None if data is not None else _configured(settings, settings.ingest, own, key)
    if found is not None:
        return found
    stack = _stack(data, setting=WRITE_KEY)
    return Endpoint(stack.ingest, _key(stack, key, own, WRITE_KEY), stack.data)


def find_api(data: Path | None) -> Endpoint:
    """Return the endpoint for scores; the same rules as find_ingest's, with TACTUS_READ_KEY."""
    return _find_api(data, READ, READ_KEY, lambda settings: settings.read_key)


def find_letters(data: Path | None) -> Endpoint:
    """Return the endpoint for dead letters; the same rules as find_ingest's, with TACTUS_LETTERS_KEY."""
    return _find_api(data, LETTERS, LETTERS_KEY, lambda settings: settings.letters_key)


def find_webhooks(data: Path | None) -> Endpoint:
    """Return the endpoint for webhooks; the same rules as find_ingest's, with TACTUS_WEBHOOKS_KEY."""
    return _find_api(data, WEBHOOKS, WEBHOOKS_KEY, lambda settings: settings.webhooks_key)


def find_alerts(data: Path | None) -> Endpoint:
    """Return the endpoint for work on alerts; the same rules as find_ingest's, with TACTUS_ALERTS_KEY."""
    return _find_api(data, ALERTS, ALERTS_KEY, lambda settings: settings.alerts_key)


def find_keys_folder(data: Path | None) -> Path:
    """Return where generated keys are: the data directory, or beside the file that TACTUS_SOURCES names."""
    if data is not None:
        return data.absolute()
    sources = read_settings().sources
    return DEFAULT_DATA.absolute() if sources is None else sources.absolute().parent


def _find_api(data: Path | None, name: str, setting: str, key_of: Callable[[Settings], SecretStr | None]) -> Endpoint:
    settings = read_settings()
    own = key_of(settings)
    found = None if data is not None else _configured(settings, settings.api, own, name)
    if found is not None:
        return found
    stack = _stack(data, setting=setting)
    return Endpoint(stack.api, _key(stack, name, own, setting), stack.data)


def _configured(
    settings: Settings, part: IngestSettings | ApiSettings, own: SecretStr | None, name: str
) -> Endpoint | None:
    """The endpoint that the settings name, if they or the keys beside the sources file give a key for it."""
    key = own.get_secret_value() if own is not None else None
    if key is None and settings.sources is not None and not (DEFAULT_DATA / CONNECTION).exists():
        key = (read_keys(settings.sources.absolute().parent) or {}).get(name)
    if key is None:
        return None
    return Endpoint(f"http://{reached_at(part.host)}:{part.port}", key, DEFAULT_DATA.absolute())


def _stack(data: Path | None, *, setting: str) -> Connection:
    try:
        return find_connection(data)
    except ConfigurationError as error:
        if data is not None:
            raise
        raise ConfigurationError(f"{error}, or set {setting} to reach the one that the settings name") from error


def _key(stack: Connection, name: str, own: SecretStr | None, setting: str) -> str:
    told = stack.keys.get(name)
    if told is not None:
        return told
    if own is None:
        raise ConfigurationError(
            f"this stack tells no {name} key (TACTUS_SOURCES names its sources, or the key was taken out): "
            f"set {setting} to one of theirs"
        )
    return own.get_secret_value()
