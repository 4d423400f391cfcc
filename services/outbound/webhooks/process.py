"""Webhooks as a part of the outbound process: what spreads, and what sends."""

from __future__ import annotations

import random
import ssl

from services.infra.clock import SystemClock
from services.infra.egress.gate import Gate
from services.infra.egress.posting import Way
from services.infra.egress.resolving import SystemResolver
from services.infra.settings import WebhookSettings
from services.outbound.webhooks.sender import Parts, Sender
from services.outbound.webhooks.spreading import Spreading
from services.state.outbound import OutboundDatabase


class Webhooks:
    """Both tasks."""

    def __init__(self, spreading: Spreading, sender: Sender) -> None:
        self._spreading = spreading
        self._sender = sender

    def start(self) -> None:
        """Go on in the background."""
        self._spreading.start()
        self._sender.start()

    async def stop(self) -> None:
        """Leave off."""
        await self._spreading.stop()
        await self._sender.stop()


def open_webhooks(database: OutboundDatabase, settings: WebhookSettings) -> Webhooks:
    """Build them as the operator has set."""
    clock = SystemClock()
    gate = Gate.of(settings, SystemResolver())
    way = Way(gate.resolver, gate.allowed, ssl.create_default_context())
    parts = Parts(database, gate, way, clock, random.SystemRandom().random)
    sender = Sender(parts)
    return Webhooks(Spreading(database, clock, spread=sender.wake), sender)
