"""Bound what a sender can make us hold: bytes in flight, bytes of a body, bytes it inflates to, depth of its JSON."""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterable, Iterator
from contextlib import contextmanager
from typing import Final

from schemas.limits import BODY_BYTES_MAX, DEPTH_MAX, INFLATED_BYTES_MAX, RATIO_MAX, VALUES_MAX
from services.infra.http.problems import Refused
from services.ingest.slices import Slices

DROPPED_BYTES_MAX: Final = 8 * BODY_BYTES_MAX
"""An honest mistake ends within this; what sends more is cut off."""

RATIO_FREE_BYTES: Final = 64 * 1024
"""What a body may inflate to whatever its ratio: a few hundred bytes of one repeated event are no bomb."""

GZIP_MEMBERS_MAX: Final = 64
"""A client that flushes often writes some tens of members; ten thousand empty ones are an attack on the loop."""

_GZIP: Final = 31
"""zlib's word for `a gzip header, the widest window`."""

_PIECE_BYTES: Final = 64 * 1024
"""One step of inflating: the limits are checked between steps."""

_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)
"""One that never ends reaches to the end of the text: else each quote inside it would be tried as a beginning."""

_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKET: Final = bytes(set(range(256)) - set(b"[]{}"))


class Budget:
    """Bytes of bodies that all requests together may hold."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self.held_bytes = 0

    @contextmanager
    def share(self) -> Iterator[Share]:
        """Give one request its share, and take it back at the end."""
        share = Share(self)
        try:
            yield share
        finally:
            self.held_bytes -= share.held_bytes

    def fits(self, size: int) -> bool:
        """Tell whether so many bytes more would still be within the budget."""
        return self.held_bytes + size <= self._bytes_max


class Share:
    """What one request holds of the budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.held_bytes = 0

    def take(self, size: int) -> bool:
        """Take so many bytes more; False when the budget is used up."""
        if not self._budget.fits(size):
            return False
        self._budget.held_bytes += size
        self.held_bytes += size
        return True


BUSY: Final = Refused("unavailable", "Too much is under way at this moment. Send the same again after Retry-After.")


TOO_LARGE: Final = Refused("body-too-large")


async def read_body(
    pieces: AsyncIterable[bytes], *, announced: str | None, waits: bool, share: Share
) -> bytes | Refused:
    """Collect a body, counting as it comes.

    A body over the limit is read on and dropped up to a second limit: a sender that is cut off while it still sends
    would never see the answer. One that `waits` for a word before it sends its body gets the answer at once.
    """
    too_large = _announces_too_much(announced)
    if too_large and waits:
        return TOO_LARGE
    body = bytearray()
    dropped = 0
    async for piece in pieces:
        if too_large or len(body) + len(piece) > BODY_BYTES_MAX:
            too_large = True
            dropped += len(piece) + len(body)
            body.clear()
            if dropped > DROPPED_BYTES_MAX:
                break
        elif share.take(len(piece)):
            body += piece
        else:
            return BUSY
    return TOO_LARGE if too_large else bytes(body)


def _announces_too_much(announced: str | None) -> bool:
    return (
        announced is not None
        and announced.isascii()
        and announced.isdigit()
        and (len(announced) > len(str(BODY_BYTES_MAX)) or int(announced) > BODY_BYTES_MAX)
    )


TOO_MANY_VALUES: Final = Refused("body-too-large", f"Send at most {VALUES_MAX} JSON values at once: fewer events.")


async def inflate(body: bytes, *, share: Share, slices: Slices) -> bytes | Refused:
    """Decompress gzip of any number of members, never holding more than the limits allow."""
    inflated = bytearray()
    bytes_max = min(INFLATED_BYTES_MAX, max(RATIO_FREE_BYTES, RATIO_MAX * len(body)))
    rest = body
    for _ in range(GZIP_MEMBERS_MAX):
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            try:
                piece = member.decompress(rest, _PIECE_BYTES)
            except zlib.error:
                return Refused("malformed-encoding")
            if len(inflated) + len(piece) > bytes_max:
                return TOO_LARGE
            if not share.take(len(piece)):
                return BUSY
            inflated += piece
            await slices.breathe()
            rest = member.unconsumed_tail
            if not piece and not rest and not member.eof:
                return Refused("malformed-encoding", "The gzip stream is cut off. Send a whole one.")
        rest = member.unused_data
        if not rest:
            return bytes(inflated)
    return Refused("body-too-large", "The gzip stream has too many members. Send one.")


def nests_too_deep(json: bytes, *, depth_max: int = DEPTH_MAX) -> bool:
    """Tell, before anything parses it, whether the text nests more than so many objects and lists.

    Each round takes away the innermost pairs, so balanced text of depth d is empty after d rounds. Text that is not
    balanced leaves brackets that never close, and is for the parser to refuse unless they are too many.
    """
    if json.count(b"[") + json.count(b"{") <= depth_max:
        return False
    brackets = _STRING.sub(b"", json).translate(_ONE_KIND, _NO_BRACKET)
    for _ in range(depth_max):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return b"[]" in brackets or brackets.count(b"[") > depth_max
