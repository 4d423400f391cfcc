"""Slack: an incoming webhook, which can only add messages, or a bot, which changes the one it posted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import httpx
import msgspec
from pydantic import SecretStr

from services.outbound.notify.message import Message
from services.outbound.notify.posting import Answer, cut, post
from services.outbound.notify.routes import SlackRoute
from services.outbound.notify.sink import Later, Off, Outcome, Refused, Told
from services.outbound.notify.steps import ENDED
from services.outbound.notify.words import WORDS

HEADER_CHARS_MAX: Final = 150
SECTION_CHARS_MAX: Final = 3000
TEXT_CHARS_MAX: Final = 4000
"""As the vendor documents header and section blocks, and what it advises for `text`."""

SHUT: Final = frozenset(
    {
        *("no_service", "no_active_hooks", "no_team", "team_disabled", "channel_not_found", "channel_is_archived"),
        *("is_archived", "action_prohibited", "posting_to_general_channel_denied", "user_not_found", "invalid_token"),
        *("not_in_channel", "not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired"),
        *("missing_scope", "no_permission", "org_login_required", "ekm_access_denied", "restricted_action"),
        *("not_allowed_token_type", "team_access_not_granted", "access_denied"),
    }
)
"""What no other message changes: the channel or the key is gone, or may not post."""

BUSY: Final = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
    | {"rollup_error", "team_added_to_org"}
)

UNCHANGEABLE: Final = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})

_MARKS: Final = {"warning": "🟠", "critical": "🔴"}
_OVER: Final = "🟢"


class Reply(msgspec.Struct, frozen=True):
    """What the Web API answers; its status is 200 for errors, too."""

    ok: bool = False
    error: str = ""
    ts: str = ""
    channel: str = ""


class Slack:
    """Tells in a channel."""

    pause_s = 1.0
    """A message a second and channel."""

    def __init__(self, row: SlackRoute, secret: SecretStr, client: httpx.AsyncClient) -> None:
        self._row = row
        self._secret = secret
        self._client = client

    async def tell(self, message: Message, reference: Mapping[str, str]) -> Outcome:
        """Post, or change what was posted; a message that can be changed no more gets a second one in its thread."""
        body = blocks(message, words_of=self._row.language)
        if self._row.channel is None:
            return await self._by_webhook(body)
        body |= {"metadata": {"event_type": "tactus_notification", "event_payload": {"id": message.id}}}
        if not reference.get("ts"):
            return await self._by_bot("chat.postMessage", {"channel": self._row.channel, **body})
        place = {"channel": reference.get("channel", self._row.channel)}
        changed = await self._by_bot("chat.update", {**place, "ts": reference["ts"], **body})
        if isinstance(changed, Refused) and changed.because in UNCHANGEABLE:
            added = await self._by_bot("chat.postMessage", {**place, "thread_ts": reference["ts"], **body})
            return Told(reference) if isinstance(added, Told) else added
        return changed

    async def _by_webhook(self, body: Mapping[str, Any]) -> Outcome:
        answer = await post(self._client, self._secret.get_secret_value(), content=_json(body), headers={})
        if isinstance(answer, Later):
            return answer
        if answer.taken:
            return Told({})
        word = answer.text.strip()
        return _meaning(word) or answer.trouble(said=word if word.isidentifier() else "")

    async def _by_bot(self, method: str, body: Mapping[str, Any]) -> Outcome:
        headers = {
            "authorization": f"Bearer {self._secret.get_secret_value()}",
            "content-type": "application/json; charset=utf-8",
        }
        answer = await post(self._client, f"{self._row.api}/{method}", content=_json(body), headers=headers)
        if isinstance(answer, Later):
            return answer
        return _of_reply(answer)


def _of_reply(answer: Answer) -> Outcome:
    if not answer.taken:
        return answer.trouble()
    try:
        reply = msgspec.json.decode(answer.text, type=Reply)
    except msgspec.DecodeError:
        return Later("it answered something else than JSON", unsure=True)
    if reply.ok:
        return Told({"ts": reply.ts, "channel": reply.channel})
    return _meaning(reply.error) or Refused(reply.error[:100])


def _meaning(word: str) -> Outcome | None:
    """What one of the vendor's words means for all messages; None for what concerns this one, or is no word of it."""
    if word in SHUT:
        return Off(word)
    return Later(word) if word in BUSY else None


def blocks(message: Message, *, words_of: str) -> dict[str, Any]:
    """A message as Slack shows it, within its limits."""
    words = WORDS[words_of]
    mark = _OVER if message.step in ENDED else _MARKS[message.severity]
    found: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": cut(f"{mark} {message.title}", HEADER_CHARS_MAX)}},
    ]
    parts = ["\n".join(map(_escaped, message.lines))]
    if message.advice:
        parts.append(f"*{words.advice}:* {_escaped(message.advice)}")
    if message.link:
        parts.append(f"<{_escaped(message.link)}|{words.link}>")
    found += [{"type": "section", "text": {"type": "mrkdwn", "text": _cut_mrkdwn(part)}} for part in parts if part]
    return {"text": cut(_escaped(message.title), TEXT_CHARS_MAX), "blocks": found}


def _escaped(text: str) -> str:
    """The three letters that Slack gives a meaning: without it an id could name everybody in the channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut_mrkdwn(text: str) -> str:
    if len(text) <= SECTION_CHARS_MAX:
        return text
    # Not within an escaped letter.
    return text[: SECTION_CHARS_MAX - 1].rpartition("\n")[0] + "…"


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()
