"""Whether a process lives and whether it wants requests: the same two answers on every port."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from services.infra.http.answer import Answer

TEXT: Final = "text/plain; charset=utf-8"

Readiness = Callable[[], str | None]
"""None when ready, else the reason why not."""


def plain(status: int, words: str) -> Answer:
    """Answer with a line of text."""
    return Answer(status, f"{words}\n".encode(), TEXT)


def livez() -> Answer:
    """Answer `GET /livez`: that it answers is the answer."""
    return plain(200, "alive")


def readyz(ready: Readiness) -> Answer:
    """Answer `GET /readyz`."""
    reason = ready()
    return plain(200, "ready") if reason is None else plain(503, reason)
