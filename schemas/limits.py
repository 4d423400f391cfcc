"""What a request and its events may be at most; the door enforces it, clients keep to it, the documents print it."""

from __future__ import annotations

from typing import Final

BODY_BYTES_MAX: Final = 1024 * 1024
"""A browser beacon is 64 KiB, a till's batch of 500 sales about 400; twice that is room, not a risk."""

INFLATED_BYTES_MAX: Final = 4 * 1024 * 1024
"""JSON of events compresses 8 to 15 times, so a full batch of 500 events at 8 KiB each still fits."""

RATIO_MAX: Final = 100
"""The most regular real batch seen compresses 40 times; a bomb a thousand."""

EVENTS_MAX: Final = 500
"""What the SDKs and tills send at once at most."""

EVENT_BYTES_MAX: Final = 32 * 1024
"""The limit that senders know from other collectors; the widest real event seen has 12 KiB."""

VALUES_MAX: Final = 65_536
"""JSON values of a whole request: 131 for each of 500 events; an order with thirty lines has about 150, and nobody sends
500 of those at once. Each costs about a microsecond, so a request costs less than a tenth of a second."""

DEPTH_MAX: Final = 16
"""An order with lines, options and taxes nests eight deep."""

HEADERS_MAX: Final = 64
"""A browser behind two proxies sends 40."""

HEADER_BYTES_MAX: Final = 16 * 1024
"""Room for a long cookie that nobody here reads."""


def kib(size: int) -> str:
    """Write a size in whole KiB."""
    return f"{size // 1024} KiB"


def mib(size: int) -> str:
    """Write a size in whole MiB."""
    return f"{size // 1024**2} MiB"
