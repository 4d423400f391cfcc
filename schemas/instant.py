"""Instants as the contract writes them: RFC 3339, read the same way as in the core."""

from __future__ import annotations

from services.core.instants import INSTANT_PATTERN, parse_instant, write_instant

__all__ = ["INSTANT_PATTERN", "parse_instant", "write_instant"]
