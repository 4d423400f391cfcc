"""Spread what changed over the endpoints: each change becomes, once, a delivery for everybody who wants to hear it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from services.core.instants import instant_of
from services.infra.background import Background
from services.infra.clock import Clock
from services.infra.logs import get_logger
from services.outbound.webhooks.messages import SCORE, of_letter, of_score
from services.state.feeds import Outgoing, ScoreChange
from services.state.following import record_of
from services.state.outbound import OutboundDatabase, OutboundTransaction
from services.state.webhook_deliveries import Listener, Message

SCORES: Final = "webhooks.scores"
LETTERS: Final = "webhooks.letters"
"""Their positions in the feeds."""

TRANSACTIONS_MAX: Final = 50
PERSONS_MAX: Final = 2000
"""Of a page of scores; a transaction that scored more is a page of its own. With ten endpoints a page is 20,000 rows."""

LETTERS_MAX: Final = 500

IDLE_S: Final = 0.2
AGAIN_S: Final = 2.0

log = get_logger(__name__)


class Spreading:
    """The task that spreads; of several processes one does it at a time."""

    def __init__(self, database: OutboundDatabase, clock: Clock, *, spread: Callable[[], None]) -> None:
        """Spread what the database tells; `spread` is called once there are new deliveries."""
        self._spread = spread
        self._database = database
        self._clock = clock
        self._background = Background("webhook_spreading", self.round, again_s=AGAIN_S)

    def start(self) -> None:
        """Go on in the background."""
        self._background.start(pause_s=0.0)

    async def stop(self) -> None:
        """Leave off."""
        await self._background.stop()

    async def round(self) -> float:
        """Spread a page of each feed; how long to wait for the next."""
        await self._database.open()
        more = False
        for page in (self._scores, self._letters):
            async with self._database.transaction() as transaction:
                spread, further = await page(transaction)
            more |= further
            if spread:
                self._spread()
        return 0.0 if more else IDLE_S

    async def _scores(self, transaction: OutboundTransaction) -> tuple[int, bool]:
        """Spread a page of scores; how many deliveries that made, and whether there is another page."""
        position = await transaction.webhooks.lead(SCORES)
        if position is None:
            return 0, False
        changes = await transaction.feeds.changes(position, limit=TRANSACTIONS_MAX)
        page = _page(changes)
        if not page:
            return 0, False
        listeners = [one for one in await transaction.webhooks.listeners() if not one.kinds or SCORE in one.kinds]
        spread = await self._spread_scores(transaction, page, listeners) if listeners else 0
        await transaction.feeds.move(SCORES, page[-1].position)
        return spread, len(page) < len(changes) or len(changes) == TRANSACTIONS_MAX

    async def _spread_scores(
        self, transaction: OutboundTransaction, page: Sequence[ScoreChange], listeners: Sequence[Listener]
    ) -> int:
        """Tell how each person stands at present: what happened in between is stale already."""
        newest = {person: change for change in page for person in change.persons}
        standing = await transaction.following.standing(newest)
        messages, stale = [], []
        for person, change in newest.items():
            record = record_of(standing[person], change.version) if person in standing else None
            if record is not None:
                heard = [one for one in listeners if one.made_at <= change.at]
                told, past = of_score(record, heard)
                messages += told
                stale += past
        if stale:
            await transaction.webhooks.supersede(stale)
        return await self._put(transaction, messages)

    async def _letters(self, transaction: OutboundTransaction) -> tuple[int, bool]:
        """Spread a page of steps of alerts and incidents, as `_scores` does."""
        position = await transaction.webhooks.lead(LETTERS)
        if position is None:
            return 0, False
        page = await transaction.feeds.outgoing(position, limit=LETTERS_MAX)
        if not page:
            return 0, False
        listeners = await transaction.webhooks.listeners()
        messages = [message for outgoing in page for message in _messages(outgoing, listeners)]
        spread = await self._put(transaction, messages)
        await transaction.feeds.move(LETTERS, page[-1].position)
        return spread, len(page) == LETTERS_MAX

    async def _put(self, transaction: OutboundTransaction, messages: Sequence[Message]) -> int:
        return await transaction.webhooks.spread(messages, at=instant_of(self._clock.now_us())) if messages else 0


def _messages(outgoing: Outgoing, listeners: Sequence[Listener]) -> Sequence[Message]:
    """What a letter tells. One that cannot be read is left out, and said: nobody would hear anything behind it."""
    try:
        return of_letter(outgoing, listeners)
    except ValueError as error:
        log.error("webhook_letter_unreadable", letter=outgoing.position.id, because=type(error).__name__)  # noqa: TRY400 - its text holds the letter
        return []


def _page(changes: Sequence[ScoreChange]) -> Sequence[ScoreChange]:
    """As many transactions as one page takes, and one at least."""
    persons = 0
    for place, change in enumerate(changes):
        persons += len(change.persons)
        if persons > PERSONS_MAX:
            return changes[: max(place, 1)]
    return changes
