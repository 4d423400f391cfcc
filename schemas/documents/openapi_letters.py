"""The operations of the read API about dead letters."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from schemas.documents.openapi import Json, json_answer, problem_answers
from schemas.lettersapi import (
    IDS_PATTERN,
    LETTERS_CURSOR_PATTERN,
    LETTERS_PAGE_DEFAULT,
    LETTERS_PAGE_MAX,
    NAME_PATTERN,
    REPLAYED_DEFAULT,
    REPLAYED_MAX,
    SOURCE_PATTERN,
    WORDS_PATTERN,
    LetterAnswer,
    LettersAnswer,
    OutcomesAnswer,
)

LETTER_ANSWERS: Final = (LetterAnswer, LettersAnswer, OutcomesAnswer)

LETTERS_KEY: Final[Json] = {
    "lettersKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "A read key with the scope dead-letters:read, or dead-letters:write for what changes something.",
    }
}

_REFUSALS: Final = (
    "bad-parameter",
    "unauthorized",
    "forbidden",
    "method-not-allowed",
    "not-acceptable",
    "too-many-requests",
    "internal",
    "unavailable",
)


def _text(name: str, description: str, pattern: str) -> Json:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _limit(most: int, default: int) -> Json:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return {"name": "limit", "in": "query", "description": "Letters in the answer.", "schema": schema}


def _one_of(name: str, description: str, words: list[str]) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": {"enum": words}}


def _time(name: str, description: str) -> Json:
    return {
        "name": name,
        "in": "query",
        "description": f"{description}, RFC 3339 with an offset.",
        "schema": {"type": "string", "format": "date-time"},
        "example": "2026-03-01T12:00:00Z",
    }


_SELECTING: Final[list[Json]] = [
    _text("ids", "These letters, parted by commas.", IDS_PATTERN),
    _one_of(
        "state",
        "What was done about them; open when left out, and all of those that `ids` names.",
        ["open", "replayed", "discarded", "all"],
    ),
    _text("reason", "Set aside for this reason.", NAME_PATTERN),
    _text("source", "Of this key's source, with all that stands behind a slash after it.", SOURCE_PATTERN),
    _text("channel", "Read by this channel.", NAME_PATTERN),
    _one_of("origin", "Set aside at the door, or by who reads the log.", ["ingest", "aggregator"]),
    _time("since", "Set aside at this time or later"),
    _time("until", "Set aside before this time"),
    _text(
        "words",
        "With these words in the detail, in whatever case; the detail holds nothing of a customer.",
        WORDS_PATTERN,
    ),
    _text("cursor", "`next` of the answer before.", LETTERS_CURSOR_PATTERN),
]

_MASKED: Final[Json] = {
    "name": "masked",
    "in": "query",
    "description": (
        "true: send those also of which an e-mail address or a number was removed where neither the score nor the "
        "customer depends on it; what stands there in their place is [removed]."
    ),
    "schema": {"type": "boolean", "default": False},
}

_LETTER: Final[Json] = {
    "name": "letter",
    "in": "path",
    "required": True,
    "description": "The letter's id.",
    "schema": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
    "example": 1,
}


def letter_paths() -> Json:
    """Return the operations by their paths."""
    listed = [*_SELECTING, _limit(LETTERS_PAGE_MAX, LETTERS_PAGE_DEFAULT)]
    sent = [*_SELECTING, _limit(REPLAYED_MAX, REPLAYED_DEFAULT), _MASKED]
    set_up = (*_REFUSALS, "replay-not-set-up")
    return {
        "/v1/dead-letters": {
            "get": _operation("listDeadLetters", "Dead letters, the oldest first", LettersAnswer, listed, _REFUSALS)
        },
        "/v1/dead-letters/replay": {
            "get": _operation(
                "tryDeadLetters", "What a replay would do; nothing changes", OutcomesAnswer, sent, set_up
            ),
            "post": _operation(
                "replayDeadLetters",
                "Send letters again through ingest's door; each counts once however often that is done",
                OutcomesAnswer,
                sent,
                set_up,
            ),
        },
        "/v1/dead-letters/discard": {
            "post": _operation(
                "discardDeadLetters",
                "Close letters that are not wanted; some must be named",
                OutcomesAnswer,
                listed,
                (*_REFUSALS, "no-letters-named"),
            )
        },
        "/v1/dead-letters/{letter}": {
            "get": _operation(
                "readDeadLetter",
                "A letter with what it holds and what was done about it",
                LetterAnswer,
                [_LETTER],
                (*_REFUSALS, "unknown-dead-letter"),
            )
        },
    }


def _operation(
    name: str, summary: str, answer: type[BaseModel], parameters: list[Json], refusals: tuple[str, ...]
) -> Json:
    return {
        "operationId": name,
        "summary": summary,
        "security": [{key: []} for key in LETTERS_KEY],
        "parameters": parameters,
        "responses": {"200": json_answer("The answer.", answer), **problem_answers(refusals)},
    }
