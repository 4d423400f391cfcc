"""What the server says of itself: its version, whether its commits survive a power cut, and its clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from services.state.pool import Statements

DURABLE: Final = ("fsync", "synchronous_commit", "full_page_writes")
"""Settings without which what was committed may be lost."""


class ServerFacts(NamedTuple):
    """A server as it answers."""

    version: str
    not_durable: Sequence[str]
    """Settings of DURABLE that are off."""


async def facts_of(statements: Statements) -> ServerFacts:
    """Ask the server for its version and its durability."""
    version = await statements.value("server_version")
    off = await statements.rows("settings_off", list(DURABLE))
    return ServerFacts(version, [row["name"] for row in off])


async def clock_s(statements: Statements) -> float:
    """The server's time of day, in seconds since 1970."""
    return float(await statements.value("clock"))
