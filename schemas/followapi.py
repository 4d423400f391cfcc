"""The answers of the read API to whoever follows scores: everybody once, and then what has changed."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from schemas.readapi import PAGE_MAX
from schemas.score import MergedCustomer, ModelVersion, Produced, ScoredCustomer

WAIT_S_MAX: Final = 30
"""What proxies let a request wait for; whoever waits longer asks again."""

KEPT_DAYS: Final = 29
"""A change is kept for thirty days; the last one is for whoever is just reading it."""

CHANGES_CURSOR_PATTERN: Final = r"^[0-9a-f]{80}$"
"""A place among the changes: to the caller it means nothing."""

CUSTOMERS_CURSOR_PATTERN: Final = r"^[0-9a-f]{96}$"
"""A place in the list of customers, and one among the changes."""

ChangesCursor = Annotated[str, Field(pattern=CHANGES_CURSOR_PATTERN)]


class ChangesAnswer(Produced):
    """Customers whose scores are others since, each once and as it stands at present."""

    changes: Annotated[list[ScoredCustomer | MergedCustomer], Field(max_length=PAGE_MAX)]
    """Take one only when its version is above the one held; in no order."""
    next: ChangesCursor
    """What to send as `after` for what follows; there may be more at once."""


class CustomersAnswer(Produced):
    """A page of customers with their stored scores."""

    customers: Annotated[list[ScoredCustomer], Field(max_length=PAGE_MAX)]
    """Those of the band and below the score that was asked for: there may be none in a page, and more in the next."""
    next: Annotated[str, Field(pattern=CUSTOMERS_CURSOR_PATTERN)] | None
    """The cursor of the next page; null when there is none."""
    changes: ChangesCursor
    """With what to go on at `/v1/scores/changes` after the last page: of when the first one was read."""
    model_version: ModelVersion
