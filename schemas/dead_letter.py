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

TRUNCATED: Final = "truncated"
"""The whole size in bytes, when only the beginning is kept."""
