"""`tactus replay`: send a file of recorded events through the door, at its own pace or as fast as it goes."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.client.endpoints import Endpoint, find_ingest
from services.client.events import BATCH_EVENTS_MAX, EventsClient, Outgoing, batches, open_client
from services.client.sending import Sending
from services.commands.bundled_maps import find_map, stem
from services.commands.recording import HOUR, Recorded, Recording, Scan, kept_shift
from services.commands.telling import INTERRUPTED, reason_of, say, show
from services.core.instants import instant_of
from services.infra.catalogue.reading import load_catalogue
from services.infra.clock import SystemClock
from services.infra.errors import ConfigurationError, TactusError
from services.infra.mapping.event_map import Unreadable
from services.infra.mapping.map_file import load_map
from services.infra.settings import read_settings

REQUESTS_AT_ONCE: Final = 4
"""The door writes one batch to the log while it reads the next; more of them only wait."""

SLICE_S: Final = 0.2
"""At a chosen speed, events that are due this close together share a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be sent, where to, and how."""

    recording: Recording
    scan: Scan
    source: str
    shift_hours: int
    speed: float | None
    url: str
    key: str

    def announcement(self) -> str:
        """What will happen, in a line."""
        newest = self.scan.newest
        when = f", newest {(newest + self.shift_hours * HOUR):%Y-%m-%d %H:%M} UTC" if newest else ""
        moved = f"times moved by {self.shift_hours} hours" if self.shift_hours else "times as they are"
        return f"{self.recording.path.name}: {self.scan.lines} events ({moved}{when}) to {self.url} from {self.source}"


def run(file: Path, *, speed: str, source: str | None, map_file: Path | None, as_is: bool, data: Path | None) -> int:
    """Replay the file; 0 when every line was accepted, 1 when not, 130 after Ctrl-C. Counts come last, on stdout."""
    sending = Sending()
    plan: Plan | None = None
    code = 0
    try:
        pace = _pace(speed)
        recording = _recording(file, map_file=map_file)
        endpoint = find_ingest(data, key="backfill" if as_is else "server")
        plan = _plan(recording, speed=pace, source=source, as_is=as_is, endpoint=endpoint)
        say(plan.announcement())
        sending.started_s = time.monotonic()
        asyncio.run(_replay(plan, sending))
    except KeyboardInterrupt:
        say("interrupted; the same command goes on from here: what is in the log is not counted twice")
        code = INTERRUPTED
    except (TactusError, ExceptionGroup) as error:
        say(reason_of(error))
        code = 1
    if plan is None:
        return code
    sys.stdout.write("\n".join(sending.lines()) + "\n")
    return code or (1 if sending.rejected else 0)


def _pace(speed: str) -> float | None:
    """How many times faster than the events came; None is as fast as it goes."""
    if speed == "max":
        return None
    try:
        pace = float(speed)
    except ValueError:
        pace = math.nan
    if not 0 < pace < math.inf:
        raise ConfigurationError(
            f"--speed {speed}: write max, or how many times faster than the events came, such as 60"
        )
    return pace


def _recording(file: Path, *, map_file: Path | None) -> Recording:
    if not file.exists():
        raise ConfigurationError(f"there is no file {file}")
    catalogue = load_catalogue(read_settings().catalogue)
    event_map = load_map(find_map(file, chosen=map_file), touchpoints=catalogue.entries.keys())
    return Recording(path=file, map=event_map)


def _plan(recording: Recording, *, speed: float | None, source: str | None, as_is: bool, endpoint: Endpoint) -> Plan:
    say(f"reading {recording.path} …")
    now = instant_of(SystemClock().now_us())
    scan = recording.scan(now=now)
    source = source or f"replay/{stem(recording.path)}"
    return Plan(
        recording=recording,
        scan=scan,
        source=source,
        shift_hours=0 if as_is else kept_shift(endpoint.data, scan=scan, source=source, now=now),
        speed=speed,
        url=endpoint.url,
        key=endpoint.key,
    )


async def _replay(plan: Plan, sending: Sending) -> None:
    """Send everything with a few requests at once; raises when the door stays away or refuses the key."""
    queue: asyncio.Queue[list[Outgoing]] = asyncio.Queue(maxsize=REQUESTS_AT_ONCE)
    async with (
        open_client(url=plan.url, key=plan.key, connections=REQUESTS_AT_ONCE) as client,
        asyncio.TaskGroup() as group,
    ):
        shown = group.create_task(
            show(plan.recording.path.name, sending, done=lambda: sending.answered, total=plan.scan.lines)
        )
        senders = [group.create_task(_send_all(queue, client, sending)) for _ in range(REQUESTS_AT_ONCE)]
        async for batch in _paced(_events(plan, sending), speed=plan.speed):
            await queue.put(batch)
        for _ in senders:
            await queue.put([])
        await asyncio.gather(*senders)
        shown.cancel()


async def _send_all(queue: asyncio.Queue[list[Outgoing]], client: EventsClient, sending: Sending) -> None:
    while batch := await queue.get():
        sending.sent += len(batch)
        sending.take(await client.send(batch))


def _events(plan: Plan, sending: Sending) -> Iterator[Recorded]:
    """Every line as its events; what cannot be one is counted, with the line's number."""
    for line in plan.recording.lines():
        for read in plan.recording.events(line, source=plan.source, shift_hours=plan.shift_hours):
            if isinstance(read, Unreadable):
                sending.reject(read.reason, which=f"line {line.number}")
            else:
                yield read


async def _paced(events: Iterator[Recorded], *, speed: float | None) -> AsyncIterator[list[Outgoing]]:
    """Batches of events, each given out when its events are due."""
    if speed is None:
        for batch in batches(recorded.event for recorded in events):
            yield batch
        return
    due: list[Outgoing] = []
    started_s = time.monotonic()
    first = None
    for recorded in events:
        first = first or recorded.occurred_at
        due_s = (recorded.occurred_at - first).total_seconds() / speed
        ahead_s = due_s - (time.monotonic() - started_s)
        if ahead_s > SLICE_S or len(due) == BATCH_EVENTS_MAX:
            for batch in batches(due):
                yield batch
            due = []
            await asyncio.sleep(max(ahead_s, 0.0))
        due.append(recorded.event)
    for batch in batches(due):
        yield batch
