"""Find the elements of a JSON list without reading them, so that one that nobody can read spares its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

WINDOW_BYTES: Final = 64 * 1024
"""Looked at in one step: the arrays of a step stay within a megabyte, however long the list is."""

_WHITESPACE: Final = b" \t\n\r"
_QUOTE, _COMMA = ord('"'), ord(",")
_STEPS: Final = np.zeros(256, dtype=np.int8)
_STEPS[list(b"[{")] = 1
_STEPS[list(b"]}")] = -1


class _Marks(NamedTuple):
    """What a window holds of the list itself: where elements are parted, and where the list ends, if it does."""

    commas: list[int]
    end: int | None


def elements_of(body: bytes, *, count_max: int, may_follow: bool = False) -> list[bytes] | None:
    """Return the bytes of each element, at most one more than `count_max`; None when the list itself is broken.

    Only quotes, brackets and commas are looked at: whether an element is JSON is for whoever reads it. The list is
    broken when it does not end, has an element of nothing, or something follows it that may not.
    """
    start = body.index(b"[")
    commas: list[int] = []
    for marks in _windows(body, start):
        commas += marks.commas
        if len(commas) > count_max:
            return _between(body, start, commas)
        if marks.end is not None:
            if body[marks.end : marks.end + 1] != b"]":
                return None
            if not may_follow and body[marks.end + 1 :].strip(_WHITESPACE):
                return None
            elements = _between(body, start, [*commas, marks.end])
            if elements == [b""]:
                return []
            return elements if all(elements) else None
    return None


def _between(body: bytes, start: int, ends: list[int]) -> list[bytes]:
    starts = [start, *ends]
    return [body[first + 1 : end].strip(_WHITESPACE) for first, end in zip(starts, ends, strict=False)]


def _windows(body: bytes, start: int) -> Iterator[_Marks]:
    # What follows a backslash is no quote; pairs of backslashes go first, so that of `\\"` the quote counts.
    plain = body.replace(b"\\\\", b"__").replace(b'\\"', b"__")
    quoted = np.bool_(False)  # noqa: FBT003 - numpy's own false
    depth = 0
    for offset in range(start, len(plain), WINDOW_BYTES):
        window = np.frombuffer(plain, np.uint8, min(WINDOW_BYTES, len(plain) - offset), offset)
        inside = np.logical_xor.accumulate(window == _QUOTE) ^ quoted
        steps = _STEPS.take(window) * ~inside
        depths = np.cumsum(steps, dtype=np.int32) + depth
        ends = np.flatnonzero((steps < 0) & (depths == 0))
        end = int(ends[0]) if len(ends) else len(window)
        parted = (window == _COMMA) & ~inside & (depths == 1)
        yield _Marks(_positions(parted[:end], offset), offset + end if len(ends) else None)
        quoted, depth = inside[-1], int(depths[-1])


def _positions(found: NDArray[np.bool_], offset: int) -> list[int]:
    positions: list[int] = (np.flatnonzero(found) + offset).tolist()
    return positions
