"""A webhook in the form of the Standard Webhooks specification; the same id for the same step, however often it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import httpx
import msgspec
from pydantic import SecretStr
from standardwebhooks import Webhook

from services.infra.clock import Clock
from services.outbound.notify.message import Message
from services.outbound.notify.posting import Answer, post
from services.outbound.notify.routes import WebhookRoute
from services.outbound.notify.sink import Later, Outcome, Told


class SignedWebhook:
    """Tells a program; every step is a message of its own."""

    pause_s = 0.0

    def __init__(self, row: WebhookRoute, secret: SecretStr, client: httpx.AsyncClient, *, clock: Clock) -> None:
        self._row = row
        self._webhook = Webhook(secret.get_secret_value())
        self._client = client
        self._clock = clock

    async def tell(self, message: Message, _reference: Mapping[str, str]) -> Outcome:
        """Sign and post a step."""
        body = msgspec.json.encode(
            {
                "type": f"{'incident' if message.rule == 'incident' else 'alert'}.{message.step}",
                "timestamp": message.changed_at.isoformat(),
                "data": {
                    "title": message.title,
                    "lines": list(message.lines),
                    "advice": message.advice,
                    "link": message.link,
                    "step": msgspec.Raw(message.record.encode()),
                },
            }
        )
        # The package takes the time for UTC, whatever zone it has.
        at = datetime.fromtimestamp(self._clock.now_us() // 1_000_000, UTC)
        headers = {
            "webhook-id": message.id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._webhook.sign(msg_id=message.id, timestamp=at, data=body.decode()),
        }
        answer = await post(self._client, self._row.url, content=body, headers=headers)
        match answer:
            case Later():
                return answer
            case Answer(taken=True):
                return Told({})
            case Answer(status=404 | 405):
                # A receiver that is being deployed; only 410 says that it wants no more.
                return Later(f"it answered {answer.status}")
            case Answer():
                return answer.trouble()
