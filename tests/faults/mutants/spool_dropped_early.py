"""A spool that forgets records when they are sent, and not when the log has them. A plugin of pytest."""

from __future__ import annotations

from services.ingest.spool import Part, Spool

find = Spool.next


def find_and_forget(self: Spool) -> Part | None:
    """Return the oldest records, and forget them."""
    part = find(self)
    if part is not None:
        Spool.sent(self, part)
    return part


Spool.next = find_and_forget  # type: ignore[method-assign]  # that is the mutation
