"""The settings of whoever works on a stack's servers: of the one of a data directory, or as the environment says."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from services.client.connection import DEFAULT_DATA, FILE, find_connection
from services.client.keys import SOURCES, read_hash_key
from services.infra.settings import Settings, read_settings


def stack_settings(data: Path | None) -> Settings:
    """The settings, with the addresses of the stack of this data directory, or of the usual one if it runs."""
    settings = read_settings()
    if data is None and not (DEFAULT_DATA / FILE).exists():
        return settings
    connection = find_connection(data)
    return settings.model_copy(
        update={
            "kafka": settings.kafka.embedded_at(connection.kafka),
            "postgres": settings.postgres.model_copy(update={"dsn": SecretStr(connection.postgres)}),
            "sources": settings.sources or connection.data / SOURCES,
            "hash_key": settings.hash_key or read_hash_key(connection.data),
        }
    )
