"""Send dead letters again through ingest's door, and keep what became of each; or say what would become of them.

Whatever breaks off in the middle, a letter is closed only when the log has its event; sent once more, it counts once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol
from uuid import UUID

import msgspec

from schemas import dead_letter
from schemas.instant import parse_instant
from schemas.lettersapi import Outcome
from schemas.replay import REPLAY, TRIAL, Letter, Result, Results
from services.core.instants import micros_of
from services.core.sameness import body_hash, event_key
from services.infra.http.problems import Refused
from services.state.database import ReadDatabase
from services.state.dead_letters import StoredLetter
from services.state.events import signed

STEP_BYTES_MAX: Final = 400 * 1024
"""Of letters that go to ingest at once: in base64 about half of what a body may have. A single letter has less."""

CONFLICT: Final = "conflict"
AGAINST: Final = "another body under its source and id counts; a replay changes nothing: discard it"

CLOSING: Final[frozenset[Outcome]] = frozenset({"accepted", "duplicate"})
"""After these nothing is left to do about a letter."""


class Fate(NamedTuple):
    """What became of a letter, or would."""

    outcome: Outcome
    reason: str = ""
    detail: str = ""


class Handled(NamedTuple):
    """Fates of letters by their ids, and why those behind them have none yet."""

    fates: Mapping[int, Fate]
    stopped: Refused | None = None


class _Judged(NamedTuple):
    """Fates as far as they can be foreseen, and which letters repeat the event of another one of them."""

    fates: dict[int, Fate]
    behind: Mapping[int, int]


class Door(Protocol):
    """Ingest's."""

    async def send(self, path: str, letters: Sequence[Letter], *, masked: bool) -> Results | Refused:
        """Return a result a letter, in their order, or why none is taken at this time."""


class _Record(msgspec.Struct):
    """As much of a record as says which event it is."""

    id: str
    source: str
    time: datetime
    data: msgspec.Raw
    channelorigin: str = ""

    @property
    def key(self) -> UUID:
        return UUID(bytes=event_key(self.source, self.id))

    @property
    def body(self) -> int:
        return signed(body_hash(bytes(self.data), channel_origin=self.channelorigin))


class _What(msgspec.Struct):
    touchpoint: str


_RECORD: Final = msgspec.json.Decoder(_Record)
_WHAT: Final = msgspec.json.Decoder(_What)


class Replayer:
    """Knows the letters and the door."""

    def __init__(self, database: ReadDatabase, door: Door) -> None:
        self._database = database
        self._door = door

    async def trial(self, letters: Sequence[StoredLetter], *, masked: bool) -> Handled:
        """Say what would become of letters; raises UnavailableError without the database."""
        fates = _fates_at_once(letters)
        for step in [*_steps(letters, but=fates)]:
            judged = await self._judged(step, masked=masked)
            if isinstance(judged, Refused):
                return Handled(fates, judged)
            fates |= judged.fates
        return Handled(fates)

    async def replay(self, letters: Sequence[StoredLetter], *, masked: bool, by: str) -> Handled:
        """Send letters that are open, and note who had it done; raises UnavailableError without the database."""
        fates = _fates_at_once(letters)
        await self._note({id_: fate for id_, fate in fates.items() if fate.outcome != "closed"}, by=by)
        for step in [*_steps(letters, but=fates)]:
            done = await self._sent(step, masked=masked)
            if isinstance(done, Refused):
                return Handled(fates, done)
            await self._note(done, by=by)
            fates |= done
        return Handled(fates)

    async def _note(self, fates: Mapping[int, Fate], *, by: str) -> None:
        if not fates:
            return
        async with self._database.letters() as table:
            await table.note({id_: (fate.outcome, fate.detail) for id_, fate in fates.items()}, by=by)
            await table.close([id_ for id_, fate in fates.items() if fate.outcome in CLOSING], state="replayed")

    async def _sent(self, step: Sequence[StoredLetter], *, masked: bool) -> dict[int, Fate] | Refused:
        judged = await self._judged(step, masked=masked)
        if isinstance(judged, Refused):
            return judged
        fates = judged.fates
        fresh = [letter for letter in step if fates[letter.id].outcome == "accepted"]
        refused = await self._not_taken(fresh, masked=masked) if fresh else {}
        if isinstance(refused, Refused):
            return refused
        # What repeats an event that was not taken after all is no duplicate of anything.
        repeated = {letter: refused[first] for letter, first in judged.behind.items() if first in refused}
        return {**fates, **repeated, **refused}

    async def _not_taken(self, fresh: Sequence[StoredLetter], *, masked: bool) -> Mapping[int, Fate] | Refused:
        """Send letters; return the fates of those that the log has no room for."""
        answer = await self._door.send(REPLAY, await self._letters(fresh), masked=masked)
        if isinstance(answer, Refused):
            return answer
        waits_s = max(result.retry_after_s for result in answer.results)
        if waits_s:
            return Refused("too-many-requests", "These letters come too fast: ask again after Retry-After.", waits_s)
        return {
            letter.id: Fate("rejected", result.reason, result.detail)
            for letter, result in zip(fresh, answer.results, strict=True)
            if result.status == "rejected"
        }

    async def _judged(self, step: Sequence[StoredLetter], *, masked: bool) -> _Judged | Refused:
        """Tell the fate of letters by the door's own judge, and by what counts already."""
        results = await self._door.send(TRIAL, await self._letters(step), masked=masked)
        if isinstance(results, Refused):
            return results
        found = {
            letter.id: [_RECORD.decode(record) for record in result.records]
            for letter, result in zip(step, results.results, strict=True)
        }
        known = await self._counted([record for records in found.values() for record in records])
        judged: dict[int, Fate] = {}
        behind: dict[int, int] = {}
        firsts: dict[UUID, int] = {}
        for letter, result in zip(step, results.results, strict=True):
            records = found[letter.id]
            judged[letter.id] = _fate(result, records, known)
            for record in records:
                if record.key in firsts:
                    behind[letter.id] = firsts[record.key]
            # Of two letters of one event the first is sent: what is known of it holds for the second.
            fresh = [record for record in records if record.key not in known]
            known |= {record.key: record.body for record in fresh}
            firsts |= dict.fromkeys((record.key for record in fresh), letter.id)
        return _Judged(judged, behind)

    async def _counted(self, records: Sequence[_Record]) -> dict[UUID, int]:
        if not records:
            return {}
        async with self._database.letters() as table:
            counted = await table.counted([(record.key, record.time) for record in records])
        return {event.key: event.body_hash for event in counted}

    async def _letters(self, step: Sequence[StoredLetter]) -> list[Letter]:
        async with self._database.letters() as table:
            values = await table.values([letter.id for letter in step])
        return [_letter(letter, values.get(letter.id) or b"") for letter in step]


def _steps(letters: Sequence[StoredLetter], *, but: Collection[int]) -> Iterator[Sequence[StoredLetter]]:
    """Cut letters into what one request may hold."""
    step: list[StoredLetter] = []
    for letter in letters:
        if letter.id in but:
            continue
        if step and sum(one.size for one in step) + letter.size > STEP_BYTES_MAX:
            yield step
            step = []
        step.append(letter)
    if step:
        yield step


def _fates_at_once(letters: Sequence[StoredLetter]) -> dict[int, Fate]:
    """Tell the fates of letters that cannot be sent, whatever ingest would say."""
    return {letter.id: fate for letter in letters if (fate := _fate_at_once(letter)) is not None}


def _fate_at_once(letter: StoredLetter) -> Fate | None:
    if letter.state != "open":
        return closed(letter)
    if letter.reason == CONFLICT:
        return Fate("conflict", CONFLICT, AGAINST)
    if dead_letter.TRUNCATED in letter.headers:
        return Fate("rejected", "truncated", "only its beginning is kept: have its sender send it again")
    if not letter.size:
        return Fate("rejected", "empty", "nothing is kept of it but its reason: discard it")
    return None


def closed(letter: StoredLetter) -> Fate:
    """Say that a letter was dealt with before."""
    return Fate("closed", detail=f"it was {letter.state} before: nothing was changed")


def _came_us(letter: StoredLetter) -> int:
    """Return when its sender sent it, in microseconds since 1970; whoever wrote it without ingest may say anything."""
    try:
        at = parse_instant(letter.headers.get(dead_letter.RECEIVED_AT, ""))
    except ValueError:
        at = letter.at
    return max(micros_of(at), 0)


def _letter(letter: StoredLetter, value: bytes) -> Letter:
    headers = letter.headers
    came = _came_us(letter)
    if letter.origin != "ingest":
        return Letter(channel=None, came=came, original=value)
    return Letter(
        channel=headers.get(dead_letter.CHANNEL, "native"),
        path=headers.get(dead_letter.PATH, "/v1/events"),
        source=headers.get(dead_letter.SOURCE, ""),
        origin=headers.get(dead_letter.ORIGIN, ""),
        came=came,
        original=value,
    )


def _fate(result: Result, records: Sequence[_Record], known: Mapping[UUID, int]) -> Fate:
    if result.status == "rejected":
        return Fate("rejected", result.reason, result.detail)
    if any(known.get(record.key, record.body) != record.body for record in records):
        return Fate("conflict", CONFLICT, AGAINST)
    if all(record.key in known for record in records):
        return Fate("duplicate", detail="the same event counts already, or is on its way")
    return Fate("accepted", detail=", ".join(dict.fromkeys(_WHAT.decode(record.data).touchpoint for record in records)))
