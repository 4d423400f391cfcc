"""Microsoft Teams: an adaptive card by a workflow's address; it can only add messages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx
from pydantic import SecretStr

from services.outbound.notify.message import Message
from services.outbound.notify.posting import Answer, cut, post
from services.outbound.notify.routes import TeamsRoute
from services.outbound.notify.sink import Later, Outcome, Told
from services.outbound.notify.steps import ENDED
from services.outbound.notify.words import WORDS

BODY_BYTES_MAX: Final = 28 * 1024
"""As the vendor documents it, with everything around the card."""

TITLE_CHARS_MAX: Final = 1000

_COLOURS: Final = {"warning": "Warning", "critical": "Attention"}


class Teams:
    """Tells in a channel or a chat. That a workflow took a card does not say that it was shown."""

    pause_s = 0.3
    """More than four a second are throttled."""

    def __init__(self, row: TeamsRoute, secret: SecretStr, client: httpx.AsyncClient) -> None:
        self._row = row
        self._secret = secret
        self._client = client

    async def tell(self, message: Message, _reference: Mapping[str, str]) -> Outcome:
        """Post a card; what changes is a second one."""
        answer = await post(
            self._client,
            self._secret.get_secret_value(),
            content=body_of(message, language=self._row.language),
            headers={},
        )
        match answer:
            case Later():
                return answer
            case Answer(taken=True):
                return Told({})
            case Answer():
                return answer.trouble()


def body_of(message: Message, *, language: str) -> bytes:
    """A message as a workflow takes it: lines are left out from the end until it is small enough."""
    lines = list(message.lines)
    while len(body := _body(message, lines, language)) > BODY_BYTES_MAX and lines:
        lines = lines[: len(lines) // 2]
    return body


def _body(message: Message, lines: Sequence[str], language: str) -> bytes:
    words = WORDS[language]
    colour = "Good" if message.step in ENDED else _COLOURS[message.severity]
    title = {"type": "TextBlock", "weight": "Bolder", "size": "Medium", "wrap": True, "color": colour}
    parts: list[dict[str, Any]] = [{**title, "text": _plain(cut(message.title, TITLE_CHARS_MAX))}]
    parts += [{"type": "TextBlock", "wrap": True, "spacing": "Small", "text": _plain(line)} for line in lines if line]
    if message.advice:
        parts.append({"type": "TextBlock", "wrap": True, "text": f"**{words.advice}:** {_plain(message.advice)}"})
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": parts,
        "fallbackText": cut(message.title, TITLE_CHARS_MAX),
    }
    if message.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": words.link, "url": message.link}]
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return json.dumps({"type": "message", "attachments": [content]}, ensure_ascii=False).encode()


def _plain(text: str) -> str:
    """Without what a card takes for emphasis, lists and links: an id is no text of ours."""
    for letter in "\\*_[]#":
        text = text.replace(letter, f"\\{letter}")
    return text
