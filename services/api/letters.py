"""Answer about dead letters: which there are, what they hold, what a replay does or would do; and discard them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from pydantic import BaseModel

from schemas import dead_letter, lettersapi
from schemas.instant import write_instant
from schemas.lettersapi import CHANGES_MAX, LetterAnswer, LetterOutcome, LettersAnswer, LetterSummary, OutcomesAnswer
from services.api.customers import NO_STORE
from services.api.entrance import Entrance
from services.api.letter_requests import MASKED, PAGING, SELECTING, Meant, cursor_of, letter_id, meant_of
from services.api.replaying import Fate, Handled, Replayer, closed
from services.api.requests import Asked, bad
from services.infra.contacts import REMOVED
from services.infra.errors import UnavailableError
from services.infra.http.answer import Answer
from services.infra.http.problems import Refused, refusal
from services.infra.sources import Reader, Scope
from services.state.database import ReadDatabase
from services.state.dead_letters import DeadLetterTable, LetterChange, Selection, Span, StoredLetter

READ: Final[Scope] = "dead-letters:read"
WRITE: Final[Scope] = "dead-letters:write"

Answerer = Callable[[Asked, Reader], Awaitable[BaseModel | Refused]]


class Letters:
    """Answers about letters, to whoever has a key with the scope."""

    def __init__(self, database: ReadDatabase, entrance: Entrance, replayer: Replayer) -> None:
        self._database = database
        self._entrance = entrance
        self._replayer = replayer

    async def list(self, asked: Asked) -> Answer:
        """Answer `GET /v1/dead-letters`."""
        return await self._answer(asked, READ, self._list)

    async def show(self, asked: Asked) -> Answer:
        """Answer `GET /v1/dead-letters/{letter}`."""
        return await self._answer(asked, READ, self._show)

    async def trial(self, asked: Asked) -> Answer:
        """Answer `GET /v1/dead-letters/replay`."""
        return await self._answer(asked, READ, self._trial)

    async def replay(self, asked: Asked) -> Answer:
        """Answer `POST /v1/dead-letters/replay`."""
        return await self._answer(asked, WRITE, self._replay)

    async def discard(self, asked: Asked) -> Answer:
        """Answer `POST /v1/dead-letters/discard`."""
        return await self._answer(asked, WRITE, self._discard)

    async def _answer(self, asked: Asked, scope: Scope, answerer: Answerer) -> Answer:
        reader = self._entrance.reader(asked, scope)
        if isinstance(reader, Refused):
            return refusal(reader).with_headers(NO_STORE)
        try:
            found = await answerer(asked, reader)
        except UnavailableError as error:
            return refusal(Refused("unavailable"))._replace(because=str(error)).with_headers(NO_STORE)
        answer = refusal(found) if isinstance(found, Refused) else Answer(200, found.model_dump_json().encode())
        return answer.with_headers(NO_STORE)

    async def _list(self, asked: Asked, _: Reader) -> LettersAnswer | Refused:
        meant = _meant_here(asked)
        if isinstance(meant, Refused):
            return meant
        page, through = await self._page(meant)
        shown = page[: meant.limit]
        return LettersAnswer(letters=[_summary(letter) for letter in shown], next=_next(page, meant, through))

    async def _show(self, asked: Asked, _: Reader) -> LetterAnswer | Refused:
        if asked.query:
            return bad("A parameter is not known here.")
        named = letter_id(asked.identity)
        async with self._database.letters() as table:
            found = [] if named is None else await table.found(Selection(ids=[named]), Span(0, named, 1))
            if not found:
                return Refused("unknown-dead-letter")
            (letter,) = found
            value = (await table.values([letter.id])).get(letter.id)
            changes = await table.changes(letter.id, limit=CHANGES_MAX)
        return _letter_answer(letter, value, changes)

    async def _trial(self, asked: Asked, _: Reader) -> OutcomesAnswer | Refused:
        meant = _meant_to_go(asked)
        if isinstance(meant, Refused):
            return meant
        page, through = await self._page(meant)
        handled = await self._replayer.trial(page[: meant.limit], masked=meant.masked)
        return _outcomes(handled, page, meant, through)

    async def _replay(self, asked: Asked, reader: Reader) -> OutcomesAnswer | Refused:
        meant = _meant_to_go(asked)
        if isinstance(meant, Refused):
            return meant
        page, through = await self._page(meant)
        handled = await self._replayer.replay(page[: meant.limit], masked=meant.masked, by=reader.name)
        return _outcomes(handled, page, meant, through)

    async def _discard(self, asked: Asked, reader: Reader) -> OutcomesAnswer | Refused:
        meant = _meant_here(asked)
        if isinstance(meant, Refused):
            return meant
        if not meant.selects:
            return Refused("no-letters-named")
        async with self._database.letters() as table:
            page, through = await _page(table, meant)
            fates = {letter.id: _discarded(letter) for letter in page[: meant.limit]}
            going = [id_ for id_, fate in fates.items() if fate.outcome == "discarded"]
            await table.close(going, state="discarded")
            await table.note(dict.fromkeys(going, ("discarded", "")), by=reader.name)
        return _outcomes(Handled(fates), page, meant, through)

    async def _page(self, meant: Meant) -> tuple[Sequence[StoredLetter], int]:
        async with self._database.letters() as table:
            return await _page(table, meant)


async def _page(table: DeadLetterTable, meant: Meant) -> tuple[Sequence[StoredLetter], int]:
    """Return the letters that are meant and one more, if there is one; and through which this goes on."""
    through = await table.newest() if meant.through is None else meant.through
    return await table.found(meant.selection, Span(meant.after, through, meant.limit + 1)), through


def _meant_here(asked: Asked) -> Meant | Refused:
    return meant_of(
        asked.query,
        named=(*SELECTING, *PAGING),
        limit_default=lettersapi.LETTERS_PAGE_DEFAULT,
        limit_max=lettersapi.LETTERS_PAGE_MAX,
    )


def _meant_to_go(asked: Asked) -> Meant | Refused:
    return meant_of(
        asked.query,
        named=(*SELECTING, *PAGING, MASKED),
        limit_default=lettersapi.REPLAYED_DEFAULT,
        limit_max=lettersapi.REPLAYED_MAX,
    )


def _outcomes(handled: Handled, page: Sequence[StoredLetter], meant: Meant, through: int) -> OutcomesAnswer | Refused:
    """Tell fates; where ingest stopped in the middle, what is left is for the next request."""
    told = [
        LetterOutcome(id=letter.id, **handled.fates[letter.id]._asdict())
        for letter in page
        if letter.id in handled.fates
    ]
    if handled.stopped is None:
        unknown = _unknown(meant, page)
        return OutcomesAnswer(outcomes=[*told, *unknown], next=_next(page, meant, through), retry_after_s=0)
    left = next((letter.id for letter in page if letter.id not in handled.fates), 0)
    done = [outcome for outcome in told if outcome.id < left]
    if not done:
        return handled.stopped
    next_ = cursor_of(after=done[-1].id, through=through)
    return OutcomesAnswer(outcomes=done, next=next_, retry_after_s=handled.stopped.retry_after_s)


def _unknown(meant: Meant, page: Sequence[StoredLetter]) -> Sequence[LetterOutcome]:
    """Tell of ids that are no letter's, or of none that the other filters leave."""
    known = {letter.id for letter in page}
    missing = sorted({*(meant.selection.ids or ())} - known) if len(page) <= meant.limit and not meant.after else []
    detail = "there is no such letter among those that the request means; a person's who was erased are gone"
    return [LetterOutcome(id=id_, outcome="unknown", reason="", detail=detail) for id_ in missing]


def _next(page: Sequence[StoredLetter], meant: Meant, through: int) -> str | None:
    return cursor_of(after=page[meant.limit - 1].id, through=through) if len(page) > meant.limit else None


def _discarded(letter: StoredLetter) -> Fate:
    return Fate("discarded") if letter.state == "open" else closed(letter)


def _summary(letter: StoredLetter) -> LetterSummary:
    return LetterSummary.model_validate(_told(letter))


def _told(letter: StoredLetter) -> dict[str, object]:
    return {
        "id": letter.id,
        "state": letter.state,
        "at": write_instant(letter.at),
        "origin": letter.origin,
        "reason": letter.reason,
        "detail": letter.detail,
        "source": letter.source,
        "channel": letter.headers.get(dead_letter.CHANNEL),
        "event_id": letter.event_id,
        "size": letter.size,
    }


def _letter_answer(letter: StoredLetter, value: bytes | None, changes: Sequence[LetterChange]) -> LetterAnswer:
    return LetterAnswer.model_validate(
        {
            **_told(letter),
            "path": letter.headers.get(dead_letter.PATH),
            "received_at": letter.headers.get(dead_letter.RECEIVED_AT),
            "topic": letter.topic,
            "part": letter.part,
            "offset": letter.offset,
            "value": None if value is None else value.decode("utf-8", "replace"),
            "masked": letter.origin == "ingest" and value is not None and REMOVED in value,
            "truncated": dead_letter.TRUNCATED in letter.headers,
            "changes": [{**change._asdict(), "at": write_instant(change.at)} for change in changes],
        }
    )
