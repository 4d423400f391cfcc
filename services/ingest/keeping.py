"""Make records durable: in the log, or while it is away, in the spool, from which they go on to the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Literal, NamedTuple, TypeVar

import structlog

from services.infra.errors import UnavailableError
from services.infra.kafka import LogRecord
from services.ingest.event_log import EventLog
from services.ingest.spool import Spool

log = structlog.get_logger(__name__)

LOOK_S: Final = 0.5
"""How often the log is asked for while it is away; the producer looks for it as often."""

T = TypeVar("T")

Durable = Literal["log", "spool"]


class Kept(NamedTuple):
    """Where records are, but those at these positions: they are too large for their topic."""

    too_large: Collection[int]
    durable: Durable


class _Waiting(NamedTuple):
    records: Sequence[LogRecord]
    written: asyncio.Future[None]


class Keeper:
    """Keeps what the door accepts."""

    def __init__(self, event_log: EventLog, spool: Spool | None = None) -> None:
        self._log = event_log
        self._spool = spool
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._waiting: list[_Waiting] = []
        self._flushing: asyncio.Task[None] | None = None

    def unready(self) -> str | None:
        """Tell why nothing can be kept, or None."""
        away = self._log.unready()
        if away is None or self._spool is None:
            return away
        refused = self._spool.refusal()
        return None if refused is None else f"{away}; {refused}"

    def bytes_max(self, topic: str) -> int:
        """Tell how large a record of the topic may be, with all that stands around it."""
        return self._log.bytes_max(topic)

    async def append(self, records: Sequence[LogRecord]) -> Kept:
        """Return when every record is durable, but those that are too large; raises UnavailableError when none can be.

        What the log has not acknowledged in time goes to the spool, and may so be in the log twice: it counts once.
        """
        if self._log.unready() is None:
            try:
                return Kept(await self._log.append(records), "log")
            except UnavailableError:
                if self._spool is None:
                    raise
        if self._spool is None:
            raise UnavailableError(self._log.unready() or "the log is away")
        too_large = {at for at, one in enumerate(records) if one.batch_bytes > self._log.bytes_max(one.topic)}
        await self._spooled(self._spool, [one for at, one in enumerate(records) if at not in too_large])
        return Kept(too_large, "spool")

    async def drain(self) -> None:
        """Send what is in the spool, the oldest first, beside what comes; for ever."""
        while self._spool is not None:
            if self._log.unready() is None and await self._sent_some(self._spool):
                continue
            await asyncio.sleep(LOOK_S)

    async def close(self) -> None:
        """Finish what is being written, and let another process have the spool."""
        if self._spool is not None:
            if self._flushing is not None:
                await self._flushing
            await self._on_disk(self._spool.close)
        self._disk.shutdown()

    async def _spooled(self, spool: Spool, records: Sequence[LogRecord]) -> None:
        """Write together what waits: a disk takes as long for a hundred records as for one."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(records, written))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush(spool), name="spool")
        await written

    async def _flush(self, spool: Spool) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            refused: UnavailableError | None = None
            try:
                await self._on_disk(partial(spool.append, [record for one in waiting for record in one.records]))
            except UnavailableError as error:
                refused = error
            for one in waiting:
                if not one.written.done():
                    if refused is None:
                        one.written.set_result(None)
                    else:
                        one.written.set_exception(UnavailableError(str(refused)))

    async def _sent_some(self, spool: Spool) -> bool:
        part = await self._on_disk(spool.next)
        if part is None:
            return False
        try:
            too_large = await self._log.append(part.records)
        except UnavailableError as error:
            log.info("spool_waits", reason=str(error))
            return False
        if too_large:
            # Its topic took larger ones when they were accepted.
            await self._on_disk(partial(spool.put_aside, part, too_large))
        await self._on_disk(partial(spool.sent, part))
        return True

    async def _on_disk(self, act: Callable[[], T]) -> T:
        """Do something with the spool beside the loop; one thing after the other, also when nobody waits for it any more."""
        return await asyncio.get_running_loop().run_in_executor(self._disk, act)
