"""Everything that the apprise package reaches and that has no sink of its own; it can only add messages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr

from services.outbound.notify.message import Message
from services.outbound.notify.sink import Later, Off, Outcome, Told
from services.outbound.notify.steps import ENDED
from services.outbound.notify.words import WORDS

TIMEOUT_S: Final = 30.0
"""The package tries some services twice."""


class Apprise:
    """Tells wherever an address of the package leads."""

    pause_s = 1.0

    def __init__(self, secret: SecretStr, *, language: str) -> None:
        self._secret = secret
        self._words = WORDS[language]

    async def tell(self, message: Message, _reference: Mapping[str, str]) -> Outcome:
        """Send one message; the package says whether it got through, and not why it did not."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await asyncio.to_thread(self._send, message)
        except TimeoutError:
            return Later(f"it did not answer within {TIMEOUT_S:.0f} s", unsure=True)

    def _send(self, message: Message) -> Outcome:
        # Here: the package is an extra, and takes a second to load.
        import apprise  # noqa: PLC0415 - see above

        sender = apprise.Apprise()
        if not sender.add(self._secret.get_secret_value()):
            return Off("apprise does not know this address")
        lines = [*message.lines]
        if message.advice:
            lines.append(f"{self._words.advice}: {message.advice}")
        if message.link:
            lines.append(message.link)
        kind = apprise.NotifyType.SUCCESS if message.step in ENDED else apprise.NotifyType.WARNING
        done = sender.notify(title=message.title, body="\n".join(lines), notify_type=kind)
        return Told({}) if done else Later("apprise could not send it", unsure=True)
