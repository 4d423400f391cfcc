"""What spreads and sends webhooks as a process that a test may kill: `python -m tests.support.webhook_process LEASE_S`."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from services.infra.logs import configure_logs
from services.infra.settings import read_settings
from services.outbound.webhooks import sender
from services.outbound.webhooks.process import open_webhooks
from services.state.outbound import OutboundDatabase


async def main() -> None:
    """Go on until somebody ends it."""
    settings = read_settings()
    configure_logs(settings.log_level)
    sender.LEASE_S = float(sys.argv[1])  # type: ignore[misc]  # nobody waits a minute after each kill
    open_webhooks(OutboundDatabase(settings.postgres, application="tactus-outbound"), settings.webhooks).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
