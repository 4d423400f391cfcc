"""`tactus dlq`: look at dead letters, send them again, discard them; each with what became of it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from schemas.lettersapi import IDS_MAX, LETTERS_PAGE_MAX, REPLAYED_MAX
from services.client.dead_letters import (
    DISCARD,
    REPLAY,
    LettersClient,
    Outcome,
    Outcomes,
    Summary,
    Whole,
    open_letters,
)
from services.client.endpoints import find_letters
from services.infra.errors import ConfigurationError, TactusError

INTERRUPTED: Final = 130
"""What a shell expects of a program ended by Ctrl-C."""

VALUE_CHARS_MAX: Final = 4000
"""Of what a letter holds: a screenful or two; the API has it whole."""

FINE: Final = frozenset({"accepted", "duplicate", "discarded", "closed"})
"""Outcomes after which there is nothing left to do."""

WORDS: Final = {
    "accepted": "sent again",
    "duplicate": "counts already",
    "conflict": "in conflict with what counts",
    "rejected": "rejected again",
    "discarded": "discarded",
    "closed": "dealt with before",
    "unknown": "not known",
}

SAID: Final = {"GET": "nothing was changed; a replay would leave letters", "POST": "letters"}

MASKED: Final = "Where it says [removed] stood an e-mail address or a number, which letters never hold: it cannot be sent as it came."


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """Which letters a command is about."""

    ids: Sequence[int] | None = None
    state: str | None = None
    reason: str | None = None
    source: str | None = None
    channel: str | None = None
    origin: str | None = None
    since: str | None = None
    until: str | None = None
    words: str | None = None

    def parameters(self) -> dict[str, str]:
        """Write it as the API has it; raises ConfigurationError for more ids than it takes."""
        if self.ids and len(self.ids) > IDS_MAX:
            raise ConfigurationError(f"name at most {IDS_MAX} letters at once, or all of a reason, a source or a time")
        told = {name: value for name, value in asdict(self).items() if value}
        return told if not self.ids else {**told, "ids": ",".join(map(str, self.ids))}


class Pace:
    """So many letters a second, from its making on."""

    def __init__(self, rate: float, *, now_s: Callable[[], float]) -> None:
        self._rate = rate
        self._now_s = now_s
        self._started_s = now_s()

    def wait_s(self, letters: int) -> float:
        """How long to wait when so many are done."""
        return max(0.0, self._started_s + letters / self._rate - self._now_s())


def list_letters(meant: Meant, *, limit: int, data: Path | None) -> int:
    """Print letters, one a line, and how many of each reason; 0 also when there is none."""

    async def act(client: LettersClient) -> int:
        reasons: Counter[str] = Counter()
        parameters = {**meant.parameters(), "limit": str(min(limit, LETTERS_PAGE_MAX))}
        async for letter in client.letters(parameters):
            if reasons.total() == limit:
                _note(f"there are more: --limit shows more than {limit}")
                break
            reasons[letter.reason] += 1
            _say(_line(letter))
        _note(_counted(reasons) or "there is no such letter")
        return 0

    return _run(act, data=data)


def show(letter: int, *, data: Path | None) -> int:
    """Print a letter, what was done about it, and what a replay would do; 0 when there is one."""

    async def act(client: LettersClient) -> int:
        whole = await client.letter(letter)
        _say("\n".join(_shown(whole)))
        if whole.state == "open":
            async for page in client.outcomes("GET", REPLAY, {"ids": str(letter)}):
                for outcome in page.outcomes:
                    _say(f"a replay: would be {_told(outcome)}")
        return 0

    return _run(act, data=data)


def try_letters(meant: Meant, *, masked: bool, rate: float, data: Path | None) -> int:
    """Print what a replay would do of each letter; 0 when it would settle them all."""
    return _send(meant, "GET", masked=masked, rate=rate, data=data)


def replay(meant: Meant, *, masked: bool, rate: float, data: Path | None) -> int:
    """Send open letters again, so many a second, and print what became of each; 0 when they all are settled."""
    return _send(meant, "POST", masked=masked, rate=rate, data=data)


def try_to_discard(meant: Meant, *, data: Path | None) -> int:
    """Print the letters that would be closed."""
    _refuse_all(meant)

    async def act(client: LettersClient) -> int:
        found = [letter async for letter in client.letters(meant.parameters()) if letter.state == "open"]
        for letter in found:
            _say(_line(letter))
        _say(f"nothing was changed; {len(found)} letters would be discarded")
        return 0

    return _run(act, data=data)


def discard(meant: Meant, *, data: Path | None) -> int:
    """Close open letters, and print each; 0 when they all are settled."""
    _refuse_all(meant)

    async def act(client: LettersClient) -> int:
        return await _through(client.outcomes("POST", DISCARD, meant.parameters()), said="letters")

    return _run(act, data=data)


def _send(meant: Meant, method: str, *, masked: bool, rate: float, data: Path | None) -> int:

    async def act(client: LettersClient) -> int:
        parameters = {**meant.parameters(), "limit": str(max(1, min(REPLAYED_MAX, int(rate))))}
        if masked:
            parameters["masked"] = "true"
        pace = Pace(rate, now_s=time.monotonic)
        return await _through(
            client.outcomes(method, REPLAY, parameters),
            said=SAID[method],
            pace=lambda letters: client.pause(pace.wait_s(letters)),
        )

    return _run(act, data=data)


async def _through(
    pages: AsyncIterator[Outcomes], *, said: str, pace: Callable[[int], Awaitable[object]] | None = None
) -> int:
    """Print outcomes as they come, with a pause between pages if there is a pace, and their counts at the end."""
    counts: Counter[str] = Counter()
    async for page in pages:
        for outcome in page.outcomes:
            counts[outcome.outcome] += 1
            _say(f"{outcome.id}  {_told(outcome)}")
        if pace is not None and page.next is not None:
            await pace(counts.total())
    _say(f"{said}: {', '.join(f'{count} {WORDS[name]}' for name, count in counts.most_common()) or 'none'}")
    return 0 if FINE.issuperset(counts) else 1


def _run(act: Callable[[LettersClient], Awaitable[int]], *, data: Path | None) -> int:
    async def opened() -> int:
        endpoint = find_letters(data)
        async with open_letters(url=endpoint.url, key=endpoint.key) as client:
            return await act(client)

    try:
        return asyncio.run(opened())
    except KeyboardInterrupt:
        _note("interrupted; the same command goes on from here: what was sent again counts once")
        return INTERRUPTED
    except TactusError as error:
        _note(f"tactus dlq: {error}")
        return 1


def _refuse_all(meant: Meant) -> None:
    if not meant.parameters():
        raise ConfigurationError("name which letters: their ids, or all of a --reason, --source, --channel or time")


def _line(letter: Summary) -> str:
    whence = "/".join(part for part in (letter.source, letter.channel) if part) or letter.origin
    return f"{letter.id}  {letter.state}  {letter.at}  {whence}  {letter.reason}: {letter.detail}"


def _shown(whole: Whole) -> list[str]:
    """Write a letter for people, what it holds last but for what was done about it."""
    lines = [
        f"letter {whole.id}, {whole.state}, set aside {whole.at} by {whole.origin}",
        f"reason: {whole.reason}: {whole.detail}",
        f"sender: {whole.source or 'unknown'}"
        + (f", by {whole.channel} to {whole.path}" if whole.channel else "")
        + (f", at {whole.received_at}" if whole.received_at else ""),
        f"in the log: {whole.topic}/{whole.part} at {whole.offset}, {whole.size} bytes",
        *([] if whole.event_id is None else [f"event: {whole.event_id}"]),
        "what it holds (it may name persons: do not paste it into a ticket):",
        *_held(whole.value),
        *([MASKED] if whole.masked else []),
        *(["Only its beginning is kept."] if whole.truncated else []),
    ]
    return lines + [
        f"{change.at}  {WORDS[change.outcome]}, by {change.by}" + (f": {change.detail}" if change.detail else "")
        for change in whole.changes
    ]


def _held(value: str | None) -> list[str]:
    if value is None:
        return ["  nothing"]
    cut = f" … and {len(value) - VALUE_CHARS_MAX} more characters" if len(value) > VALUE_CHARS_MAX else ""
    # A terminal must not obey what a stranger sent.
    plain = "".join(one if one.isprintable() or one == "\n" else "\N{REPLACEMENT CHARACTER}" for one in value)
    return [f"  {line}" for line in f"{plain[:VALUE_CHARS_MAX]}{cut}".split("\n")]


def _told(outcome: Outcome) -> str:
    why = f"{outcome.reason}: {outcome.detail}" if outcome.outcome == "rejected" else outcome.detail
    return f"{WORDS[outcome.outcome]}{f' ({why})' if why else ''}"


def _counted(reasons: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _note(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
