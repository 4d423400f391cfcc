"""The CRM room of the outbound process by itself, with a lease so short that a test can wait for it."""

from __future__ import annotations

import sys
from datetime import timedelta

from services.infra.clock import SystemClock
from services.infra.lifecycle import run
from services.infra.settings import Settings
from services.outbound.crm import meter, sync
from services.outbound.crm_systems import open_crm
from services.state.outbound import OutboundDatabase


async def serve(settings: Settings) -> None:
    """Keep systems right until killed."""
    database = OutboundDatabase(settings.postgres, application="test-crm")
    await open_crm(settings, database, SystemClock()).systems.follow()


if __name__ == "__main__":
    meter.HELD_FOR = sync.HELD_FOR = timedelta(seconds=float(sys.argv[1]))  # type: ignore[misc,attr-defined]  # no test waits for minutes
    sync.WATCH_S = sync.IDLE_S = sync.AGAIN_S = 0.1  # type: ignore[misc]  # the same
    run(serve, name="crm")
