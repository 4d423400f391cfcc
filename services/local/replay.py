"""`tactus replay`: send a file of recorded events through the door, at its own pace or as fast as it goes."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from services.infra.catalogue import load_catalogue
from services.infra.clock import SystemClock
from services.infra.errors import ConfigurationError, TactusError
from services.local.client import EventsClient, Outgoing, batches, open_client
from services.local.connection import Connection, find_connection
from services.local.mapping import Unreadable
from services.local.mapping_file import find_map, load_map, stem
from services.local.recording import Recorded, Recording, Scan, instant, kept_shift

REQUESTS_AT_ONCE: Final = 4
"""The door writes one batch to the log while it reads the next; more of them only wait."""

REASONS_MAX: Final = 20
"""Kinds of refusal that are told one by one; a person reads no more."""

LINE_EVERY_S: Final = 5.0
"""How often a line tells the progress when there is no terminal."""

SLICE_S: Final = 0.2
"""At a chosen speed, events that are due this close together share a request."""

INTERRUPTED: Final = 130
"""What a shell expects of a program ended by Ctrl-C."""


@dataclass(slots=True)
class Tally:
    """How far the replay is."""

    sent: int = 0
    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    started_s: float = field(default_factory=time.monotonic)

    @property
    def done(self) -> int:
        """Lines that have their verdict."""
        return self.accepted + self.rejected.total()

    @property
    def rate(self) -> float:
        """Verdicts a second."""
        return self.done / max(time.monotonic() - self.started_s, 1e-3)

    def summary(self) -> str:
        """The counts in one line."""
        return (
            f"sent {self.sent}, accepted {self.accepted}, rejected {self.rejected.total()}, "
            f"{self.rate:.0f} events/s"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be sent, whence and how."""

    recording: Recording
    scan: Scan
    source: str
    shift_hours: int
    speed: float | None


def run(  # noqa: PLR0913 - one for each option of the command
    file: Path,
    *,
    speed: str,
    source: str | None,
    map_file: Path | None,
    as_is: bool,
    data: Path | None,
) -> int:
    """Replay the file; 0 when every line was accepted, 1 when some were not, 130 after Ctrl-C."""
    tally = Tally()
    try:
        connection = find_connection(data)
        plan = _plan(file, speed=speed, source=source, map_file=map_file, as_is=as_is, data=connection.data)
        _say(_announcement(plan, connection))
        tally.started_s = time.monotonic()
        asyncio.run(_replay(plan, connection=connection, as_is=as_is, tally=tally))
    except KeyboardInterrupt:
        _report(tally)
        _say("interrupted; the same command goes on from here: what is in the log is not counted twice")
        return INTERRUPTED
    except* TactusError as errors:
        _report(tally)
        for error in errors.exceptions[:1]:
            sys.stderr.write(f"{error}\n")
        return 1
    _report(tally)
    return 1 if tally.rejected else 0
