"""PagerDuty: Events API v2; an alert is one incident there from its opening to its end, by its id."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import httpx
from pydantic import SecretStr

from services.outbound.notify.message import Message
from services.outbound.notify.posting import cut, post
from services.outbound.notify.routes import PagerDutyRoute
from services.outbound.notify.sink import Later, Off, Outcome, Told
from services.outbound.notify.steps import ENDED

SUMMARY_CHARS_MAX: Final = 1024
FIELD_CHARS_MAX: Final = 255
DETAILS_LINES_MAX: Final = 200
"""An event may have 512 KB; a person reads less."""

REST_S: Final = 60.0
"""The vendor asks to wait for minutes after 429 and 5xx."""

TEST: Final = "test"


class PagerDuty:
    """Triggers what opens, and resolves what ends or is part of an incident that has a page of its own."""

    pause_s = 0.5
    """Some 120 events a minute and key are always taken."""

    def __init__(self, row: PagerDutyRoute, secret: SecretStr, client: httpx.AsyncClient) -> None:
        self._row = row
        self._secret = secret
        self._client = client

    async def tell(self, message: Message, _reference: Mapping[str, str]) -> Outcome:
        """Send one event; the same alert has the same `dedup_key` for ever, so a repeated one changes nothing."""
        content = json.dumps(self.event(message), ensure_ascii=False).encode()
        answer = await post(self._client, self._row.url, content=content, headers={})
        if isinstance(answer, Later):
            return answer
        if answer.taken:
            return Told({"dedup_key": str(message.about)})
        if answer.status == 400 and "routing_key" in answer.text.lower().replace(" ", "_"):  # noqa: PLR2004 - HTTP's own
            return Off("it does not know the integration key (routing_key)")
        trouble = answer.trouble()
        return Later(trouble.because, trouble.after_s or REST_S) if isinstance(trouble, Later) else trouble

    def event(self, message: Message) -> dict[str, Any]:
        """A message as the vendor takes it."""
        common = {"routing_key": self._secret.get_secret_value(), "dedup_key": str(message.about)}
        if message.step in ENDED or message.step == "grouped":
            return {**common, "event_action": "resolve"}
        payload = {
            "summary": cut(message.title, SUMMARY_CHARS_MAX),
            "source": cut(message.who or "tactus", FIELD_CHARS_MAX),
            "severity": message.severity,
            "timestamp": message.changed_at.isoformat(),
            "component": cut(message.touchpoint, FIELD_CHARS_MAX) or None,
            "group": cut(message.place, FIELD_CHARS_MAX) or None,
            "class": message.rule,
            "custom_details": {
                "id": message.id,
                "lines": list(message.lines)[:DETAILS_LINES_MAX],
                "advice": message.advice,
            },
        }
        links = [{"href": message.link, "text": "Tactus"}] if message.link else []
        return {**common, "event_action": "trigger", "client": "Tactus", "payload": payload, "links": links}
