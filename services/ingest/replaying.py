"""Take dead letters again, each in the name of the source that it came from, or say what would become of them.

An operator's key opens this door. A letter is read by the channel that read it first and judged by the rights that its
source has by then; what is rejected again makes no second letter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from schemas.limits import EVENT_BYTES_MAX
from schemas.replay import LETTERS_MAX, REPLAY, TRIAL, Letters, Result, Results
from schemas.replay import Letter as Sent
from services.infra.contacts import REMOVED
from services.infra.http.answer import Answer
from services.infra.http.problems import Refused
from services.infra.sources import Source, Sources
from services.ingest.adapter import Adapter, Keeping, Listed, Outcome, Request, key_of_authorization
from services.ingest.decode import MALFORMED, Incoming, Letter, read_text
from services.ingest.head import Head
from services.ingest.judge import Accepted, arrival
from services.ingest.names import Names
from services.ingest.rejection import Reason, Rejected

JSON: Final = (("content-type", "application/json"),)
"""Whatever a letter came as, it stands in the letter as JSON if it is any."""

RECORD_BYTES_MAX: Final = 2 * EVENT_BYTES_MAX
"""What the log has of an event is larger than the event: its hashes, marks and times stand there as well."""

SEND_AGAIN: Final = "e-mail addresses or numbers were removed from it: have its sender send it again, under the same id"
SPARED: Final = "; nothing that counts is missing, so --masked sends it as it is"

_REMOVED: Final = REMOVED.decode()
_LETTERS: Final = msgspec.json.Decoder(Letters)
_RESULTS: Final = msgspec.json.Encoder()


class Reading:
    """Knows how each channel reads a letter."""

    def __init__(self, channels: Sequence[Adapter], names: Mapping[str, Names], sources: Callable[[], Sources]) -> None:
        """Know the channels, what their names mean, and who may send by then."""
        self._channels = {channel.name: channel for channel in channels}
        self._names = names
        self._sources = sources

    def letters(self, request: Request) -> Listed | Refused:
        """Find the events of a request's letters; refused as a whole is what holds no letters."""
        try:
            told = _LETTERS.decode(request.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return MALFORMED
        if len(told.letters) > LETTERS_MAX:
            return Refused("body-too-large", f"Send at most {LETTERS_MAX} letters at once.")
        return Listed(len(told.letters), self._events(told, request))

    def _events(self, told: Letters, request: Request) -> Iterator[Incoming]:
        for place, sent in enumerate(told.letters):
            came = min(arrival(sent.came), request.received)
            if sent.channel is None:
                read = read_text(sent.original, bytes_max=RECORD_BYTES_MAX)
                yield read._replace(letter=Letter(place, None, came))
                continue
            source = self._source(sent)
            letter = Letter(place, source if isinstance(source, Source) else request.source, came)
            if isinstance(source, Rejected):
                yield Incoming(sent.original, source, letter=letter)
                continue
            hook = self._sources().hook_of(source)
            again = request._replace(body=sent.original, source=source, received=came, hook=hook)
            for incoming in self._read_by(sent, again, masked=told.masked):
                yield incoming._replace(letter=letter)

    def _source(self, sent: Sent) -> Source | Rejected:
        """Return who sent it, with the rights that the page had where it was sent."""
        source = self._sources().named(sent.source)
        if source is None:
            return Rejected(Reason.NOT_ALLOWED, "its source is not in the sources file any more")
        if sent.origin and not source.serves_pages_of(sent.origin):
            return Rejected(Reason.NOT_ALLOWED, "pages of its origin may not use the key of its source")
        return source.on_page(sent.origin or None)

    def _read_by(self, sent: Sent, request: Request, *, masked: bool) -> Iterable[Incoming]:
        """Read a letter as its channel does, or say why it cannot be sent again."""
        channel = self._channels.get(sent.channel or "")
        named = None if channel is None else _named(channel, sent.path)
        if channel is None or named is None:
            return [_rejected(sent, Reason.INVALID, "no channel reads what was sent to this path")]
        missing = list(_places(read_text(sent.original).event)) if REMOVED in sent.original else []
        spared = all(_is_spare(place, channel) for place in missing)
        if missing and not (spared and masked):
            return [_rejected(sent, Reason.MASKED, f"{SEND_AGAIN}{SPARED if spared else ''}")]
        reread = channel.reread or channel.read
        listed = reread(request._replace(head=Head(JSON, path=sent.path, named=named), names=self._names[channel.name]))
        if isinstance(listed, Refused):
            reason = Reason.MALFORMED if listed == MALFORMED else Reason.INVALID
            return [_rejected(sent, reason, listed.detail or "its channel finds no event in it")]
        return listed.incoming if listed.length else [_rejected(sent, Reason.INVALID, "it holds no event")]


def replaying(
    channels: Sequence[Adapter], *, names: Mapping[str, Names], sources: Callable[[], Sources]
) -> Sequence[Adapter]:
    """Make the two doors for letters of these channels: one that keeps, one that only says."""
    reading = Reading(channels, names, sources)
    door = partial(
        Adapter, identify=identify, read=reading.letters, answer=answer, key_stands="`Authorization: Bearer KEY`"
    )
    return (
        door(name="replay", routes=(REPLAY,), keeps=Keeping.GOOD, examples=()),
        door(name="replay-trial", routes=(TRIAL,), keeps=Keeping.NOTHING, examples=()),
    )


def identify(head: Head, sources: Sources) -> Source | Refused:
    """Tell which operator it is."""
    source = key_of_authorization(head, sources)
    if isinstance(source, Source) and not source.replay:
        return Refused("forbidden", "Use an operator's key: one whose row in the sources file says replay = true.")
    return source


def answer(outcome: Outcome) -> Answer:
    """Answer 200 with a result a letter, whatever became of it."""
    results: dict[int, Result] = {}
    for incoming, verdict in zip(outcome.incoming, outcome.verdicts, strict=True):
        place = 0 if incoming.letter is None else incoming.letter.place
        results[place] = _joined(results.get(place), verdict.outcome)
    return Answer(200, _RESULTS.encode(Results(results=[results[place] for place in sorted(results)])))


def _joined(before: Result | None, outcome: Accepted | Rejected) -> Result:
    """Join the verdict on one more event of a letter: the first that is rejected speaks for it."""
    if before is not None and before.status == "rejected":
        return before
    if isinstance(outcome, Rejected):
        return Result(
            status="rejected", reason=outcome.reason, detail=outcome.detail, retry_after_s=outcome.retry_after_s
        )
    return Result(status="accepted", records=[*(before.records if before else ()), msgspec.Raw(outcome.value)])


def _rejected(sent: Sent, reason: Reason, detail: str) -> Incoming:
    return Incoming(sent.original, Rejected(reason, detail))


def _is_spare(place: str, channel: Adapter) -> bool:
    return any(place == spare or place.startswith(f"{spare}.") for spare in channel.spare)


def _places(event: object) -> Iterator[str]:
    """Give the dotted path of everything that was removed; what cannot be read is all of it."""
    if not isinstance(event, dict):
        yield ""
        return
    waiting: list[tuple[str, object]] = [("", event)]
    while waiting:
        path, value = waiting.pop()
        match value:
            case dict():
                waiting += [(f"{path}.{name}" if path else str(name), inner) for name, inner in value.items()]
                yield from (path for name in value if _REMOVED in str(name))
            case list():
                waiting += [(path, inner) for inner in value]
            case str() if _REMOVED in value:
                yield path
            case _:
                pass


def _named(channel: Adapter, path: str) -> Mapping[str, str] | None:
    """Return what a path names, by the channel's routes; None where none of them has it."""
    for route in channel.routes:
        parts = re.split(r"\{(\w+)\}", route)
        pattern = "".join(f"(?P<{part}>[^/]+)" if at % 2 else re.escape(part) for at, part in enumerate(parts))
        found = re.fullmatch(pattern, path)
        if found is not None:
            return found.groupdict()
    return None
