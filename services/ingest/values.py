"""Count the values of a JSON text without reading it, and stop when there are too many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from services.ingest.slices import Slices

WINDOW_BYTES: Final = 64 * 1024
"""Looked at in one step: a text of nothing but values is refused after the first few, and others run between two."""


async def holds_more_values(json: bytes | bytearray, *, than: int, slices: Slices) -> bool:
    """Tell whether the text may hold more values than so many; exactly, but for texts that are no JSON.

    Each value follows a comma, an opening bracket or, as the whole text, nothing, so these are counted. In most texts
    they are few even with those inside of strings, which takes a millisecond for a megabyte.
    """
    return await _adds_up(_windows(json), than - 1, slices) and await _adds_up(
        _outside_of_strings(json), than - 1, slices
    )


async def _adds_up(texts: Iterator[bytes], to_more_than: int, slices: Slices) -> bool:
    seen = 0
    for text in texts:
        seen += text.count(b",") + text.count(b"[") + text.count(b"{")
        if seen > to_more_than:
            return True
        await slices.breathe()
    return False


def _windows(json: bytes | bytearray) -> Iterator[bytes]:
    for start in range(0, len(json), WINDOW_BYTES):
        yield bytes(json[start : start + WINDOW_BYTES])


def _outside_of_strings(json: bytes | bytearray) -> Iterator[bytes]:
    inside, escaping = 0, b""
    for piece in _windows(json):
        window = escaping + piece
        # A backslash at the end says something about the next window's first byte; pairs of them say nothing.
        trailing = len(window) - len(window.rstrip(b"\\"))
        escaping = b"\\" if trailing % 2 else b""
        parts = window.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        yield b"".join(parts[inside::2])
        inside = (inside + len(parts) - 1) % 2
