"""One run of the demo against a running stack: the shop's events go in, the scores are watched, the counts are checked."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from schemas.topics import EVENT_TOPICS
from services.client.connection import Connection
from services.client.scores import ScoresClient
from services.client.sending import Sending
from services.core.instants import instant_of
from services.demo.board import Board
from services.demo.counts import Counts
from services.demo.doors import Doors
from services.demo.screen import FRAMES_PER_S, Screen, Status
from services.demo.shop import Happening, Phase, Shop, phase_at
from services.demo.shop_sources import is_own
from services.demo.ticker import Ticker
from services.demo.tills import TillCounts
from services.demo.traffic import Message, Traffic, told_later, told_now
from services.infra.clock import Clock
from services.infra.errors import UnavailableError
from services.infra.kafka import log_ends
from services.infra.settings import KafkaSettings
from services.state.events import rows_by_source
from services.state.pool import connected
from services.state.progress import Outcomes

TICK_S: Final = 0.1
"""Live events go out this often, as many as are due."""

TICK_EVENTS_MAX: Final = 500
"""A request's worth: a machine that cannot keep up falls behind the rate, and says so by the figure shown."""

WATCHED_MAX: Final = 300
"""Customers whose scores are read; more fit on no screen, and reading costs what scoring needs."""

READERS: Final = 3
"""Questions in flight: the API shares two cores with everything else."""

APPLICATION: Final = "tactus-demo"

LOOK_AGAIN_S: Final = 0.1
LOOKS_MAX: Final = 50
"""For five seconds; an event that moves nothing must not be asked about for ever."""

PROBE_EVERY_S: Final = 0.5
PROBE_POLL_S: Final = 0.01
PROBES_KEPT: Final = 40
"""The figure shown is the median of the last twenty seconds."""

SETTLE_S: Final = 30.0
"""After the last event; a worker that was just restarted is back within that."""


@dataclass(kw_only=True)
class Demonstration:
    """What runs between the stack's start and its end."""

    connection: Connection
    shop: Shop
    clock: Clock
    doors: Doors
    reader: ScoresClient
    screen: Screen
    ticker: Ticker
    board: Board
    status: Status
    rate: float
    seconds: float | None
    began_s: float
    stop: asyncio.Event
    ended: Callable[[Phase], None]
    """Called when a phase is over and told, before the next one begins."""
    traffic: Traffic = field(default_factory=Traffic)
    sending: Sending = field(default_factory=Sending)
    tills: TillCounts = field(default_factory=TillCounts)
    """What the tills brought, known when all is sent."""
    _hardest: str | None = None
    _due: asyncio.Queue[tuple[str, int]] = field(default_factory=asyncio.Queue)
    _waiting: set[str] = field(default_factory=set)
    _latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=PROBES_KEPT))

    async def run(self) -> Counts:
        """Send, show, and count when everything is settled."""
        async with asyncio.TaskGroup() as group:
            shown = [group.create_task(self._read_scores()) for _ in range(READERS)]
            shown += [group.create_task(self._paint()), group.create_task(self.ticker.run(self.connection.kafka))]
            await self._send_history()
            probing = group.create_task(self._probe())
            await self._send_live()
            self.stop.set()
            await probing
            self.tills = await self.doors.finish()
            counts = await self._settle()
            await self._tell(self.status.phase)
            self.screen.say(self.ticker.summary())
            if counts.others:
                self.screen.say(f"Beside the shop's events {counts.others} of others count here")
            self.screen.say(
                f"Rejected at the door, each with its reason: {self.sending.rejected} of {self.sending.sent} sent"
            )
            for task in shown:
                task.cancel()
        return counts

    def example(self) -> str | None:
        """Whose score is worth an explanation: whom the outage took most from, else who moved last."""
        latest = self.board.rows(1)
        return self._hardest or (latest[0].customer if latest else None)

    def findings(self, counts: Counts) -> list[str]:
        """Where the counts differ from what the shop knows it sent."""
        expected = self.traffic.expected
        findings = counts.findings(expected, repeated=self.doors.repeated + self.tills.repeated)
        if self.tills.rejected:
            findings.append(f"set aside at the tills is {self.tills.rejected}, and should be 0")
        if self.sending.rejected != expected.rejected:
            findings.append(f"rejected at the door is {self.sending.rejected}, and should be {expected.rejected}")
        return findings

    async def _send_history(self) -> None:
        past = self.shop.history(now=instant_of(self.clock.now_us()))
        self.screen.say(f"Sending {len(past)} events of the past 60 days …")
        for first in range(0, len(past), TICK_EVENTS_MAX):
            if self.stop.is_set():
                return
            await self._send(past[first : first + TICK_EVENTS_MAX], told=told_later)

    async def _send_live(self) -> None:
        started_s = time.monotonic()
        told = 0
        self.board.begin(self.status.phase)
        while not self.stop.is_set():
            elapsed_s = time.monotonic() - started_s
            if self.seconds is not None and elapsed_s >= self.seconds:
                return
            phase = phase_at(elapsed_s, seconds=self.seconds)
            if phase is not self.status.phase:
                await self._enter(phase)
            due = min(int(elapsed_s * self.rate) - told, TICK_EVENTS_MAX)
            now = instant_of(self.clock.now_us())
            await self._send([self.shop.next(now=now, phase=phase) for _ in range(due)], told=told_now)
            told += due
            self.status.events_per_s = told / max(elapsed_s, TICK_S)
            await _pause(self.stop, TICK_S)

    async def _enter(self, phase: Phase) -> None:
        await self._tell(self.status.phase)
        self.ended(self.status.phase)
        self.status.phase = phase
        self.board.begin(phase)
        self.screen.say(f"Phase: {phase}")

    async def _tell(self, phase: Phase) -> None:
        """How the outage or the recovery that ends here told on those it reached."""
        if phase is Phase.NORMAL:
            return
        reached = self.shop.touched if phase is Phase.OUTAGE else self.shop.recovered
        names = sorted({customer.identity for customer in reached})
        for name in names[:WATCHED_MAX]:
            await self._read(name)
        if phase is Phase.OUTAGE:
            self._hardest = self.board.fallen_most(phase, names)
        told = self.board.told(phase, names, now=self.board.scores())
        self.screen.say(f"The {phase} reached {told.customers} customers: {told.points:+.1f} points on average")

    async def _send(self, happenings: Sequence[Happening], *, told: Callable[[Happening], Message]) -> None:
        await self._post(list(self.traffic.mix(map(told, happenings))))
        for happening in happenings:
            self._mark(happening.customer.identity)

    async def _post(self, messages: Sequence[Message]) -> None:
        self.sending.sent += len(messages)
        self.sending.take(await self.doors.send(messages))
        self.status.accepted = self.sending.accepted

    def _mark(self, identity: str) -> None:
        """Read this customer's score soon: an event of theirs is in the log."""
        known = len(self.board) + len(self._waiting)
        if identity in self._waiting or (known >= WATCHED_MAX and identity not in self.board.scores()):
            return
        self._waiting.add(identity)
        self._look_later(identity, LOOKS_MAX)

    def _look_later(self, identity: str, looks: int) -> None:
        asyncio.get_running_loop().call_later(LOOK_AGAIN_S, self._due.put_nowait, (identity, looks))

    async def _read_scores(self) -> None:
        while True:
            identity, looks = await self._due.get()
            if await self._read(identity) or looks == 0:
                self._waiting.discard(identity)
            else:
                self._look_later(identity, looks - 1)

    async def _read(self, identity: str) -> bool:
        """Read one score and, when it moved, its reasons; tells whether it moved.

        An API that is being started again has nothing to tell: the next look will.
        """
        try:
            score = await self.reader.score(identity)
            if score is None or self.board.has(score):
                return False
            receipt = await self.reader.receipt(identity)
        except UnavailableError:
            return False
        if receipt is None:
            return False
        if not len(self.board):
            self.screen.say(f"First score after {time.monotonic() - self.began_s:.1f} s")
        self.screen.moved(self.board.see(score, receipt))
        return True

    async def _probe(self) -> None:
        """Measure, twice a second, how long after its 2xx an event can be seen in a score."""
        while not self.stop.is_set():
            await _pause(self.stop, PROBE_EVERY_S)
            happening = self.shop.mystery(now=instant_of(self.clock.now_us()))
            before = await self._version(happening.customer.identity)
            await self._post([self.traffic.plain(happening)])
            acknowledged_s = time.monotonic()
            while before is not None and time.monotonic() - acknowledged_s < LOOKS_MAX * LOOK_AGAIN_S:
                version = await self._version(happening.customer.identity)
                if version is not None and version > before:
                    self._latencies_s.append(time.monotonic() - acknowledged_s)
                    self.status.latency_ms = statistics.median(self._latencies_s) * 1000
                    break
                await asyncio.sleep(PROBE_POLL_S)

    async def _version(self, identity: str) -> int | None:
        """The version of a customer's score, 0 before there is one; None while the API is away."""
        try:
            score = await self.reader.score(identity)
        except UnavailableError:
            return None
        return 0 if score is None else score.version

    async def _paint(self) -> None:
        while True:
            self.screen.refresh()
            await asyncio.sleep(1 / FRAMES_PER_S)

    async def _settle(self) -> Counts:
        """The counts once everything accepted has been dealt with, or after the longest wait as they stand."""
        deadline_s = time.monotonic() + SETTLE_S
        counts = None
        while True:
            try:
                counts = await self._counts(before=counts)
                done = counts.settled and counts.own >= self.traffic.expected.applied
                if done or time.monotonic() > deadline_s:
                    return counts
            except UnavailableError:
                if time.monotonic() > deadline_s:
                    raise
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _counts(self, *, before: Counts | None) -> Counts:
        """The log's length as Kafka tells it, and the workers' counts as the API's metrics show them.

        Where others go on sending the log is always a little ahead: then what it had before is what must be dealt with.
        """
        accepted = self.sending.accepted + self.tills.accepted
        in_log = before.in_log if before and before.others and before.in_log >= accepted else await self._in_log()
        outcomes = await read_outcomes(self.connection.metrics["api"][0])
        async with connected(self.connection.postgres, application=APPLICATION) as statements:
            rows = await rows_by_source(statements)
        own = sum(count for source, count in rows.items() if is_own(source))
        return Counts(accepted=accepted, in_log=in_log, outcomes=outcomes, own=own, others=sum(rows.values()) - own)

    async def _in_log(self) -> int:
        ends = await log_ends(KafkaSettings(bootstrap=self.connection.kafka), EVENT_TOPICS)
        return sum(end - earliest for earliest, end in ends.values())


async def read_outcomes(url: str) -> Outcomes:
    """What became of all records, from the API's metrics. Raises UnavailableError."""
    try:
        async with httpx.AsyncClient(trust_env=False) as http:
            text = (await http.get(url)).raise_for_status().text
    except httpx.HTTPError as error:
        raise UnavailableError(f"{url} does not answer: {type(error).__name__}") from error
    found = {
        sample.labels["outcome"]: int(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "tactus_events_total"
    }
    return Outcomes(*(found.get(name, 0) for name in Outcomes._fields))


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until it is time to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
