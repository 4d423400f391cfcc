"""The headers of a record in the dead-letter topic: ingest writes them, the aggregator copies them."""

from __future__ import annotations

from typing import Final

REASON: Final = "reason"
"""A word that does not change."""

DETAIL: Final = "detail"
"""What to mend."""

SOURCE: Final = "source"
"""The key's source."""

RECEIVED_AT: Final = "receivedat"
"""When the request came, RFC 3339."""

CHANNEL: Final = "channel"
"""Which channel read it: the adapter's name."""

PATH: Final = "path"
"""Where it was sent, without its query: a till's path says which till."""

PATH_CHARS_MAX: Final = 512
"""A longer path led nowhere."""

ORIGIN: Final = "origin"
"""Of which pages it came, where it came of one: they say whom its key may name."""

TRUNCATED: Final = "truncated"
"""The whole size in bytes, when only the beginning is kept."""
