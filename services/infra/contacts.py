"""Find e-mail addresses by what their bytes look like, wherever they stand; in time that grows as the text does."""

from __future__ import annotations

import re
from typing import Final

REMOVED: Final = b"[removed]"

_AT: Final = re.compile(rb"@|%40|&#64;|&#x40;|&commat;|\xef\xbc\xa0|\xef\xb9\xab", re.IGNORECASE)
"""The sign, as URLs and HTML write it, and its full-width and small forms."""

_QUOTED: Final = re.compile(rb'\\"[^"\\\x00-\x1f]{1,64}\\"\Z')
"""A local part in quotes, inside a JSON text: 64 characters are the most that RFC 5321 allows."""

_QUOTED_BYTES_MAX: Final = 64 * 4 + 4
_GAP, _RUN = b" ", b"x"


def _table(gaps: bytes) -> bytes:
    return b"".join(_GAP if byte <= ord(" ") or byte in gaps else _RUN for byte in range(256))


_LOCAL: Final = _table(b'"()<>[]{},;:\\\x7f')
"""Where a local part ends to the left; the rest RFC 5322 allows in one, and mail in other scripts."""

_DOMAIN: Final = _table(b"\"()<>{},;\\\x7f!#$%&'*+/=?^`|~")
"""Where a domain ends to the right: it may be an address in brackets."""


def without_addresses(text: bytes) -> bytes:
    """Put `[removed]` in the place of every e-mail address; whatever has an @ between two words counts as one.

    Each byte is looked at a fixed number of times: a run of letters is walked once, not once for each beginning.
    """
    kept: list[bytes] = []
    done = 0
    before = after = b""
    for at in _AT.finditer(text):
        if at.start() < done:
            continue
        if not before:
            before, after = text.translate(_LOCAL), text.translate(_DOMAIN)
        end = after.find(_GAP, at.end())
        end = len(text) if end < 0 else end
        if end == at.end():
            continue
        start = _start(text, before, done, at.start())
        if start < at.start():
            kept += (text[done:start], REMOVED)
            done = end
    kept.append(text[done:])
    return b"".join(kept)


def _start(text: bytes, before: bytes, done: int, at: int) -> int:
    start = max(done, before.rfind(_GAP, done, at) + 1)
    if start < at:
        return start
    first = max(done, at - _QUOTED_BYTES_MAX)
    quoted = _QUOTED.search(text[first:at]) if text[at - 2 : at] == b'\\"' else None
    return at if quoted is None else first + quoted.start()
