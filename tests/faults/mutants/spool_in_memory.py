"""A door that answers when a record is on its way to the spool: a plugin of pytest, and the process that it starts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from services.infra.kafka import LogRecord
from services.ingest import __main__ as ingest
from services.ingest.keeping import Keeper
from services.ingest.spool import Spool
from tests.support import ingestprocess

spooled = Keeper._spooled
LATE_S = 0.1
under_way: set[asyncio.Task[None]] = set()


async def answer_first(self: Keeper, spool: Spool, records: Sequence[LogRecord]) -> None:
    """Write when there is time for it."""

    async def later() -> None:
        await asyncio.sleep(LATE_S)
        await spooled(self, spool, records)

    under_way.add(asyncio.create_task(later()))


if __name__ == "__main__":
    Keeper._spooled = answer_first  # type: ignore[method-assign]  # that is the mutation
    ingest.main()
else:
    ingestprocess.program = ("-m", __name__)
