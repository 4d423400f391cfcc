"""Where a server that listens on an address is reached from this machine."""

from __future__ import annotations

from typing import Final

EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised here, never chosen
"""A server that listens on all addresses is reached on the loopback one."""


def reached_at(host: str) -> str:
    """Return the address under which a server that listens on `host` is reached from here, as a URL writes it."""
    host = EVERYWHERE.get(host, host)
    return f"[{host}]" if ":" in host else host
