"""Where the client commands knock, and with which key: a data directory's stack, or the one the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from pydantic import SecretStr

from services.client.addresses import reached_at
from services.client.connection import DEFAULT_DATA, Connection, find_connection
from services.infra.errors import ConfigurationError
from services.infra.settings import ApiSettings, IngestSettings, read_settings

WRITE_KEY: Final = "TACTUS_WRITE_KEY"
READ_KEY: Final = "TACTUS_READ_KEY"

READ: Final = "read"
"""The name in connection.json of the key that may read scores."""


class Endpoint(NamedTuple):
    """An address, a key that opens it, and the directory that remembers what was done there."""

    url: str
    key: str
    data: Path


def find_ingest(data: Path | None, *, key: str) -> Endpoint:
    """Return the endpoint for events; `key` is the name of the stack's own key to use.

    TACTUS_WRITE_KEY without a data directory means the endpoint that TACTUS_INGEST__HOST and __PORT name; with one it
    stands in where the stack tells no keys. Raises ConfigurationError, with what to do, when there is no stack or
    no key.
    """
    settings = read_settings()
    if data is None and settings.write_key is not None:
        return _configured(settings.ingest, settings.write_key)
    stack = _stack(data, setting=WRITE_KEY)
    return Endpoint(stack.ingest, _key(stack, key, settings.write_key, WRITE_KEY), stack.data)


def find_api(data: Path | None) -> Endpoint:
    """Return the endpoint for scores; the same rules as find_ingest's, with TACTUS_READ_KEY."""
    settings = read_settings()
    if data is None and settings.read_key is not None:
        return _configured(settings.api, settings.read_key)
    stack = _stack(data, setting=READ_KEY)
    return Endpoint(stack.api, _key(stack, READ, settings.read_key, READ_KEY), stack.data)


def _configured(part: IngestSettings | ApiSettings, key: SecretStr) -> Endpoint:
    url = f"http://{reached_at(part.host)}:{part.port}"
    return Endpoint(url, key.get_secret_value(), DEFAULT_DATA.absolute())


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
            f"this stack tells no keys, because TACTUS_SOURCES names its sources: set {setting} to one of theirs"
        )
    return own.get_secret_value()
