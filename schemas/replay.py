"""What is asked of ingest to take dead letters again, and what it answers: between our own processes."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

REPLAY: Final = "/v1/replay"
"""Takes letters whose source is named in each; with an operator's key."""

TRIAL: Final = "/v1/replay/trial"
"""Says what would become of them, and keeps nothing."""

LETTERS_MAX: Final = 100
"""Of one request: at the most so many are kept or not in one step."""


TIME_US_MAX: Final = 253_402_300_799_000_000
"""The last second of the year 9999."""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter."""

    channel: str | None
    """Which channel read it; None: it is a record of the log."""
    path: str = ""
    source: str = ""
    """Of whose key it came; a record of the log says its source itself."""
    origin: str = ""
    """The page that it came of."""
    came: Annotated[int, msgspec.Meta(ge=0, le=TIME_US_MAX)]
    """When its sender sent it, in microseconds since 1970."""
    original: bytes
    """What was set aside, masked; in base64."""


class Letters(msgspec.Struct, frozen=True, kw_only=True):
    """A request."""

    letters: list[Letter]
    masked: bool = False
    """Take those also of which something is missing that neither the score nor the customer depends on."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one letter, or would: accepted when all of its events are."""

    status: Literal["accepted", "rejected"]
    reason: str = ""
    detail: str = ""
    retry_after_s: int = 0
    """Seconds after which it may be sent again; 0 where that would change nothing."""
    records: list[msgspec.Raw] = []
    """Its events as the log has them, or would have them."""


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: a result a letter, in their order."""

    results: list[Result]
