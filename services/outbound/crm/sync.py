"""One connector at work: follow what changed, write what is due, and note what the system says."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from services.core.instants import instant_of
from services.infra.background import Background
from services.infra.clock import Clock
from services.infra.logs import get_logger
from services.outbound.crm.configuration import ConnectorTable
from services.outbound.crm.contract import Absent, Again, Answer, Connector, Push, Refused, Taken, Trouble
from services.outbound.crm.delivery import Delivered, deliver
from services.outbound.crm.following import Following
from services.outbound.crm.measures import Measures
from services.outbound.crm.meter import HELD_FOR, Meter
from services.outbound.crm.records import Filled, Records
from services.state.crm import Due, Held, NotTold, RecordState, Task, Told
from services.state.outbound import OutboundDatabase

TRIES_MAX: Final = 8
"""Over about an hour: a lock that is held for longer is no passing one."""

FIRST_WAIT_S: Final = 10.0
LONGEST_WAIT_S: Final = 3600.0

PAUSE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 300.0
"""Of a connector whose system is away: five minutes after it is back everything goes on."""

IDLE_S: Final = 1.0
WATCH_S: Final = 10.0
"""How soon another process takes over."""

AGAIN_S: Final = 5.0

TASKS_AT_ONCE: Final = 10

GONE: Final = "nobody is known under this key any more"

log = get_logger(__name__)


class Sync:
    """Keeps one system right, for as long as it holds the connector."""

    def __init__(  # noqa: PLR0913 -- the parts of one connector, put together in one place
        self,
        table: ConnectorTable,
        connector: Connector,
        *,
        database: OutboundDatabase,
        records: Records,
        following: Following,
        meter: Meter,
        measures: Measures,
        clock: Clock,
        holder: str | None = None,
    ) -> None:
        self.table = table
        self._connector = connector
        self._database = database
        self._records = records
        self._following = following
        self._meter = meter
        self._measures = measures
        self._clock = clock
        self._holder = holder or uuid4().hex
        self._failures = 0
        self._dice = random.Random()  # noqa: S311 -- spreads tries, nothing secret
        self._background = Background(f"crm_{table.name}", self.round, again_s=AGAIN_S)

    def start(self) -> None:
        """Go on in the background."""
        self._background.start(pause_s=0)

    async def stop(self) -> None:
        """Leave off, wherever it is: what was sent and not noted is sent again, as it stands then."""
        await self._background.stop()
        self._measures.forget()

    async def round(self) -> float:
        """One round; how long to wait for the next. Raises UnavailableError while the database is away."""
        await self._database.open()
        now = self._now()
        async with self._database.transaction() as transaction:
            held = await transaction.crm.hold(self.table.name, holder=self._holder, now=now, until=now + HELD_FOR)
            if held is None:
                self._measures.forget()
                return WATCH_S
            self._meter.hold(self._holder)
            more = await self._following.round(transaction, held, now=now)
        await self._measures.take()
        if held.paused_until is not None and held.paused_until > now:
            return 0.0 if more else min(WATCH_S, (held.paused_until - now).total_seconds())
        sent = await self._send(held, now=now) or await self._open_tasks(now=now)
        return 0.0 if more or sent else IDLE_S

    async def _send(self, held: Held, *, now: datetime) -> bool:
        """Write what is due, as many as one call takes; whether something was written."""
        async with self._database.transaction() as transaction:
            dues = await transaction.crm.due(self.table.name, now=now, limit=self._connector.traits.batch_max)
        if not dues:
            return False
        filled = await self._records.fill(self.table, each_key_once(dues))
        pushes = [one.push for one in filled if one.push is not None]
        delivered = await self._delivered(pushes) if pushes else Delivered(())
        await self._note(filled, delivered)
        if delivered.trouble is not None:
            await self._pause(delivered.trouble)
            return False
        self._failures = 0
        if held.trouble is not None:
            async with self._database.transaction() as transaction:
                await transaction.crm.untroubled(self.table.name)
        return True

    async def _delivered(self, pushes: Sequence[Push]) -> Delivered:
        """Hand records over; after a no for want of rights once more, with fresh ones."""
        delivered = await deliver(self._connector, pushes)
        if delivered.trouble is None or delivered.trouble.kind != "unauthorised":
            return delivered
        trouble = await self._connector.renew()
        if trouble is not None:
            return delivered._replace(trouble=trouble)
        answered = {one.key for one in delivered.answers}
        rest = await deliver(self._connector, [push for push in pushes if push.key not in answered])
        return Delivered((*delivered.answers, *rest.answers), (*delivered.remotes, *rest.remotes), rest.trouble)

    async def _note(self, filled: Sequence[Filled], delivered: Delivered) -> None:
        now = self._now()
        answers = {one.key: one for one in delivered.answers}
        remotes = dict(delivered.remotes)
        told: list[Told] = []
        gone: list[int] = []
        not_told: list[NotTold] = []
        for one in filled:
            due = one.due
            answer = answers.get(due.key) if one.push is not None else Refused(due.key, GONE)
            match answer:
                case None:
                    continue
                case Taken() if due.wish == "erased":
                    gone.append(due.person)
                case Taken(_, words):
                    told.append(
                        Told(
                            due.person,
                            due.wish,
                            words,
                            remotes.get(due.key, due.remote),
                            one.version,
                            one.score,
                            one.band,
                            one.as_json,
                        )
                    )
                case Absent() if due.wish == "erased":
                    gone.append(due.person)
                case _:
                    not_told.append(NotTold(due.person, *self._put_off(answer, tries=due.tries, now=now)))
        async with self._database.transaction() as transaction:
            await transaction.crm.told(self.table.name, told, now=now)
            await transaction.crm.not_told(self.table.name, not_told, now=now)
            if gone:
                await transaction.crm.forget_people(self.table.name, gone)
        self._measures.count(taken=len(told) + len(gone), not_told=[one.state for one in not_told])
        if gone:
            log.info("crm_forgotten", connector=self.table.name, records=len(gone))
        log.info(
            "crm_written",
            connector=self.table.name,
            taken=len(told),
            not_taken=len(not_told),
            open=len(filled) - len(told) - len(not_told) - len(gone),
        )

    def _put_off(self, answer: Answer, *, tries: int, now: datetime) -> tuple[RecordState, str, datetime | None]:
        """In which state a record is that was not taken, and when to try again."""
        match answer:
            case Again(_, words) if tries + 1 < TRIES_MAX:
                # Spread, so that those that locked each other out do not meet again.
                wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**tries) * self._dice.uniform(0.5, 1)
                return "waiting", words, now + timedelta(seconds=wait_s)
            case Absent(_, words):
                return "absent", words, None
            case Again(_, words) | Refused(_, words) | Taken(_, words):
                return "failed", words, None

    async def _pause(self, trouble: Trouble) -> None:
        """Leave the system alone for as long as it asks, or for longer each time; no record is charged for it."""
        self._failures += 1
        wait_s = trouble.after_s
        if wait_s is None:
            wait_s = min(LONGEST_PAUSE_S, PAUSE_S * 2 ** (self._failures - 1)) * self._dice.uniform(0.5, 1)
        now = self._now()
        until = now + timedelta(seconds=wait_s)
        async with self._database.transaction() as transaction:
            await transaction.crm.pause(self.table.name, until=until, words=trouble.words, now=now)
        self._measures.trouble(trouble.kind)
        log.warning("crm_paused", connector=self.table.name, because=trouble.kind, for_s=round(wait_s))

    async def _open_tasks(self, *, now: datetime) -> bool:
        if self.table.task is None:
            return False
        async with self._database.transaction() as transaction:
            tasks = await transaction.crm.tasks_due(self.table.name, now=now, limit=TASKS_AT_ONCE)
        for task in tasks:
            answer = await self._opened(task)
            if isinstance(answer, Trouble):
                await self._pause(answer)
                return False
            state, words, due_at = (
                ("sent", answer.words, None)
                if isinstance(answer, Taken)
                else self._put_off(answer, tries=task.tries, now=now)
            )
            async with self._database.transaction() as transaction:
                await transaction.crm.task_answered(
                    self.table.name, task.alert, state=state, words=words, now=self._now(), due_at=due_at
                )
        return bool(tasks)

    async def _opened(self, task: Task) -> Answer | Trouble:
        answer = await self._connector.open_task(task)
        if isinstance(answer, Trouble) and answer.kind == "unauthorised":
            trouble = await self._connector.renew()
            answer = trouble or await self._connector.open_task(task)
        if isinstance(answer, Trouble) and answer.kind == "refused":
            return Refused(task.customer, answer.words)
        return answer

    def _now(self) -> datetime:
        return instant_of(self._clock.now_us())


def each_key_once(dues: Sequence[Due]) -> list[Due]:
    """Leave out who comes later under a key: two in one call would overwrite each other, or fail both."""
    by_key: dict[str, Due] = {}
    for due in dues:
        by_key.setdefault(due.key, due)
    return list(by_key.values())
