"""What `tactus doctor` looks at in the database: version, durability, migrations, clock, progress, conservation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

from schemas.topics import DLQ, EVENT_TOPICS
from services.commands.examine import Finding, Level, Stack
from services.infra.clock import SystemClock
from services.infra.errors import UnavailableError
from services.infra.kafka import log_ends
from services.state.migrations import pending
from services.state.pool import connect

POSTGRES_MAJOR: Final = 18
"""What the tests run on."""

CLOCK_WARN_S: Final = 1.0
CLOCK_ERROR_S: Final = 60.0
"""Events more than five minutes ahead are clamped, and a reading is of an hour: a minute is past being a matter
of the network."""

STUCK_S: Final = 30.0
"""A worker takes a chunk within a second; after a crash another takes over within the session, ten seconds."""

AGAIN_S: Final = 1.0
"""Between two looks at a partition that seems to stand still."""

DURABLE: Final = ("fsync", "synchronous_commit", "full_page_writes")

PROGRESS: Final = """
SELECT topic, part, next, start, lost, lost_accepted, applied, duplicate, conflict, dead, erased,
    extract(epoch FROM now() - moved_at)::float8 AS still_s
FROM partition_progress ORDER BY topic, part
"""

COUNTS: Final = ("applied", "duplicate", "conflict", "dead", "erased")


class Position(NamedTuple):
    """One partition: what the log holds and what the database says of it."""

    name: str
    event: bool
    first: int
    end: int
    row: Mapping[str, Any]  # an asyncpg record: integers and one float

    @property
    def dealt_with(self) -> int:
        return sum(self.row[count] for count in COUNTS)

    @property
    def passed(self) -> int:
        return int(self.row["next"] - self.row["start"] - self.row["lost_accepted"])


async def database(stack: Stack) -> list[Finding]:
    """Ask the server for its version and whether what it commits survives a power cut."""
    async with _connected(stack) as connection:
        version = await connection.fetchval("SHOW server_version")
        settings = {name: await connection.fetchval(f"SHOW {name}") for name in DURABLE}
    findings = [Finding(Level.OK, "Postgres", f"version {version}")]
    if int(version.split(".")[0]) < POSTGRES_MAJOR:
        fix = f"upgrade: Tactus is tested with PostgreSQL {POSTGRES_MAJOR}"
        findings = [Finding(Level.WARNING, "Postgres", f"version {version}", fix)]
    for name, value in settings.items():
        if value == "off":
            fix = f"ALTER SYSTEM SET {name} = on; then SELECT pg_reload_conf();"
            findings.append(Finding(Level.ERROR, "Postgres", f"{name} is off: a power cut loses commits", fix))
    return findings


async def migrations(stack: Stack) -> list[Finding]:
    """Look for migrations that this database lacks."""
    missing = await pending(stack.postgres)
    if missing:
        return [Finding(Level.ERROR, "migrations", f"pending: {', '.join(missing)}", "run `tactus migrate`")]
    return [Finding(Level.OK, "migrations", "all are applied")]


async def clock(stack: Stack) -> list[Finding]:
    """Compare the database's clock with ours."""
    async with _connected(stack) as connection:
        before = SystemClock().now_us()
        theirs = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
        after = SystemClock().now_us()
    ahead_s = theirs - (before + after) / 2e6
    text = f"the database's clock is {abs(ahead_s):.3f} s {'ahead of' if ahead_s > 0 else 'behind'} this machine's"
    return [judge_clock(ahead_s, text)]


def judge_clock(ahead_s: float, text: str) -> Finding:
    """Say how bad a difference between two clocks is."""
    fix = "let both machines follow one time server (chrony, systemd-timesyncd)"
    if abs(ahead_s) > CLOCK_ERROR_S:
        return Finding(Level.ERROR, "clock", text, fix)
    if abs(ahead_s) > CLOCK_WARN_S:
        return Finding(Level.WARNING, "clock", text, fix)
    return Finding(Level.OK, "clock", text)


async def progress(stack: Stack) -> list[Finding]:
    """Compare where the workers stand with where the log ends, and add up what became of its records."""
    if await pending(stack.postgres):
        return [Finding(Level.ERROR, "progress", "there are no tables to look at", "run `tactus migrate`")]
    positions, unowned = await _positions(stack)
    if any(map(_stuck, positions)):
        # A record that came between the two looks at an idle partition has waited for no time at all.
        await asyncio.sleep(AGAIN_S)
        positions, unowned = await _positions(stack)
    findings = [judge_progress(positions, unowned=unowned)]
    for position in positions:
        findings += judge_position(position)
    return [*findings, judge_conservation([position for position in positions if position.event])]


async def _positions(stack: Stack) -> tuple[list[Position], int]:
    """Where every partition stands, and how many have never been read."""
    # The database first: the log only grows, so a record can be seen waiting that is not, never the reverse.
    async with _connected(stack) as connection:
        rows = {(row["topic"], row["part"]): row for row in await connection.fetch(PROGRESS)}
    ends = await log_ends(stack.kafka.bootstrap, (*EVENT_TOPICS, DLQ))
    positions = [
        Position(f"{topic}/{part}", topic in EVENT_TOPICS, first, end, rows[topic, part])
        for (topic, part), (first, end) in sorted(ends.items())
        if (topic, part) in rows
    ]
    return positions, len(ends) - len(positions)


def judge_progress(positions: list[Position], *, unowned: int) -> Finding:
    """Say whether the workers move, and how much waits for them."""
    if unowned:
        text = f"{unowned} partitions have never been read"
        return Finding(Level.ERROR, "progress", text, "start a worker: `tactus aggregator`")
    waiting = sum(max(position.end - position.row["next"], 0) for position in positions)
    if any(_stuck(position) for position in positions):
        text = f"{waiting} records wait, and some partition has not moved for {STUCK_S:.0f} s"
        fix = "start a worker, or read its log: docs/runbooks/WorkerStalled.md"
        return Finding(Level.ERROR, "progress", text, fix)
    return Finding(Level.OK, "progress", f"{waiting} records wait to be read")


def _stuck(position: Position) -> bool:
    return bool(position.end > position.row["next"] and position.row["still_s"] > STUCK_S)


def judge_position(position: Position) -> list[Finding]:
    """Find what is wrong with one partition by itself."""
    row, findings = position.row, []
    accept = f"if that is right, `tactus topics accept {position.name}`"
    if row["next"] > position.end:
        text = (
            f"{position.name} ends at {position.end}, before {row['next']}, where the workers stand: it was made anew"
        )
        findings.append(Finding(Level.ERROR, "progress", text, f"restore the topic; {accept}"))
    if row["lost"] > row["lost_accepted"] or row["next"] < position.first:
        count = max(row["lost"] - row["lost_accepted"], position.first - row["next"])
        text = f"{position.name}: retention removed {count} records before they were read"
        findings.append(Finding(Level.ERROR, "loss", text, f"lengthen the topic's retention; {accept}"))
    gap = position.passed - position.dealt_with
    if position.event and gap:
        text = (
            f"{position.name}: {position.passed} records passed, {position.dealt_with} accounted for, difference {gap}"
        )
        findings.append(Finding(Level.ERROR, "conservation", text, "see docs/runbooks/ConservationBroken.md"))
    return findings


def judge_conservation(positions: list[Position]) -> Finding:
    """State the law over both event topics: every record of the log is in exactly one count."""
    records = sum(position.end - position.row["start"] - position.row["lost_accepted"] for position in positions)
    waiting = sum(position.end - position.row["next"] for position in positions)
    counts = ", ".join(f"{count} {sum(position.row[count] for position in positions)}" for count in COUNTS)
    text = f"in log {records} = {counts}" + (f", waiting {waiting}" if waiting else "")
    if records - waiting == sum(position.dealt_with for position in positions):
        return Finding(Level.OK, "conservation", text)
    return Finding(Level.ERROR, "conservation", text.replace("=", "≠", 1), "see docs/runbooks/ConservationBroken.md")


@asynccontextmanager
async def _connected(stack: Stack) -> AsyncIterator[Any]:  # an asyncpg connection; only the stores import that
    connection = await connect(stack.postgres, application="tactus-doctor")
    try:
        yield connection
    except OSError as error:
        raise UnavailableError("Postgres went away; see its log") from error
    finally:
        await connection.close()
