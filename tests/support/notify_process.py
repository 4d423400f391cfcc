"""What notifies as a process that a test may kill: `python -m tests.support.notify_process LEASE_S`."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

import uvloop

from services.infra.logs import configure_logs
from services.infra.settings import read_settings
from services.outbound.notify import sending
from services.outbound.notify.composing import notifier_of
from services.state.outbound import OutboundDatabase


async def main() -> None:
    """Go on until somebody ends it."""
    settings = read_settings()
    configure_logs(settings.log_level)
    sending.LEASE = timedelta(seconds=float(sys.argv[1]))  # type: ignore[misc]  # nobody waits a minute after each kill
    database = OutboundDatabase(settings.postgres, application="tactus-outbound")
    await database.open()
    notifier_of(database, settings).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
