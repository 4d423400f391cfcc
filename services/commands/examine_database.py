"""What `tactus doctor` looks at in the database: version, durability, migrations, clock, progress, conservation."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from schemas.topics import DLQ, EVENT_TOPICS
from services.commands.examine import Finding, Level, Stack
from services.infra.clock import SystemClock
from services.infra.kafka import log_ends
from services.state.housekeeping import ChoresLeft, chores_left
from services.state.migrations import pending
from services.state.pool import connected
from services.state.progress import PartitionState, ProgressTable, added_up
from services.state.server import clock_s, facts_of

NAME: Final = "tactus-doctor"
"""As the server shows our connections."""

BROKEN: Final = "see docs/runbooks/ConservationBroken.md"

POSTGRES_MAJOR: Final = 18
"""What the tests run on."""

CLOCK_WARN_S: Final = 1.0
CLOCK_ERROR_S: Final = 60.0
"""Events ahead of their arrival are clamped, and a reading is of an hour: a minute is past being a matter
of the network."""

STUCK_S: Final = 30.0
"""A worker takes a chunk within a second; after a crash another takes over within the session, ten seconds."""

AGAIN_S: Final = 1.0
"""Between two looks at a partition that seems to stand still."""


class Standing(NamedTuple):
    """One partition: what the log holds, and what the database says of it."""

    first: int
    end: int
    state: PartitionState

    @property
    def name(self) -> str:
        """As `tactus topics accept` wants it."""
        return f"{self.state.topic}/{self.state.part}"

    @property
    def counted(self) -> bool:
        """Whether the conservation law speaks of it."""
        return self.state.topic in EVENT_TOPICS

    @property
    def waiting(self) -> int:
        """Records that no worker has dealt with."""
        return self.end - self.state.next

    @property
    def stuck(self) -> bool:
        """Whether records wait and the position has not moved for long."""
        return self.waiting > 0 and self.state.still_s > STUCK_S


async def database(stack: Stack) -> list[Finding]:
    """Ask the server for its version and whether what it commits survives a power cut."""
    async with connected(stack.postgres, application=NAME) as statements:
        version, not_durable = await facts_of(statements)
    findings = [Finding(Level.OK, "Postgres", f"version {version}")]
    if int(version.split(".")[0]) < POSTGRES_MAJOR:
        fix = f"upgrade: Tactus is tested with PostgreSQL {POSTGRES_MAJOR}"
        findings = [Finding(Level.WARNING, "Postgres", f"version {version}", fix)]
    for name in not_durable:
        fix = f"ALTER SYSTEM SET {name} = on; then SELECT pg_reload_conf();"
        findings.append(Finding(Level.ERROR, "Postgres", f"{name} is off: a power cut loses commits", fix))
    return findings


async def migrations(stack: Stack) -> list[Finding]:
    """Look for migrations that this database lacks."""
    missing = await pending(stack.postgres)
    if missing:
        return [Finding(Level.ERROR, "migrations", f"pending: {', '.join(missing)}", "run `tactus migrate`")]
    return [Finding(Level.OK, "migrations", "all are applied")]


async def chores(stack: Stack) -> list[Finding]:
    """Look for chores of the database that no worker has done."""
    if await pending(stack.postgres):
        return [Finding(Level.ERROR, "chores", "there are no tables to look at", "run `tactus migrate`")]
    async with connected(stack.postgres, application=NAME) as statements:
        return [judge_chores(await chores_left(statements))]


def judge_chores(left: ChoresLeft) -> Finding:
    """Say whether the database is kept; counting goes on without, more and more slowly."""
    undone = []
    if left.months:
        undone.append(f"no table for {' and '.join(left.months)}")
    if left.ids:
        undone.append("seen ids that may be forgotten are kept")
    if not undone:
        return Finding(Level.OK, "chores", "the months have their tables, and old ids are forgotten")
    fix = "start a worker; if one runs, its log says why under chores_put_off or chores_failed"
    return Finding(Level.WARNING, "chores", "; ".join(undone), fix)


async def clock(stack: Stack) -> list[Finding]:
    """Compare the database's clock with ours."""
    async with connected(stack.postgres, application=NAME) as statements:
        before = SystemClock().now_us()
        theirs = await clock_s(statements)
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
    standings, unowned = await _standings(stack)
    if any(standing.stuck for standing in standings):
        # A record that came between the two looks at an idle partition has waited for no time at all.
        await asyncio.sleep(AGAIN_S)
        standings, unowned = await _standings(stack)
    findings = [judge_progress(standings, unowned=unowned)]
    for standing in standings:
        findings += judge_standing(standing, accept=f"tactus topics accept {standing.name}{stack.option}")
    return [*findings, judge_conservation([standing for standing in standings if standing.counted])]


async def _standings(stack: Stack) -> tuple[list[Standing], int]:
    """Where every partition stands, and how many have never been read."""
    # The database first: the log only grows, so a record can be seen waiting that is not, never the reverse.
    async with connected(stack.postgres, application=NAME) as statements:
        states = {(state.topic, state.part): state for state in await ProgressTable(statements).states()}
    ends = await log_ends(stack.kafka, (*EVENT_TOPICS, DLQ))
    standings = [
        Standing(first, end, states[partition])
        for partition, (first, end) in sorted(ends.items())
        if partition in states
    ]
    return standings, len(ends) - len(standings)


def judge_progress(standings: list[Standing], *, unowned: int) -> Finding:
    """Say whether the workers move, and how much waits for them."""
    if unowned:
        text = f"{unowned} partitions have never been read"
        return Finding(Level.ERROR, "progress", text, "start a worker: `tactus aggregator`")
    waiting = sum(max(standing.waiting, 0) for standing in standings)
    if any(standing.stuck for standing in standings):
        text = f"{waiting} records wait, and some partition has not moved for {STUCK_S:.0f} s"
        fix = "start a worker, or read its log: docs/runbooks/WorkerStalled.md"
        return Finding(Level.ERROR, "progress", text, fix)
    return Finding(Level.OK, "progress", f"{waiting} records wait to be read")


def judge_standing(standing: Standing, *, accept: str) -> list[Finding]:
    """Find what is wrong with one partition by itself; `accept` is the command that takes it as it is."""
    state, findings = standing.state, []
    if state.next > standing.end:
        text = f"{standing.name} ends at {standing.end}, before {state.next}, where the workers stand: it was made anew"
        findings.append(Finding(Level.ERROR, "progress", text, f"restore the topic, or if that is right: {accept}"))
    if state.lost > state.lost_accepted or state.next < standing.first:
        count = max(state.lost - state.lost_accepted, standing.first - state.next)
        text = f"{standing.name}: retention removed {count} records before they were read"
        findings.append(
            Finding(Level.ERROR, "loss", text, f"lengthen the topic's retention; go on without them: {accept}")
        )
    passed, outcomes = state.account
    if standing.counted and (gap := state.account.gap):
        text = f"{standing.name}: {passed} records passed, {outcomes.total} accounted for, difference {gap}"
        findings.append(Finding(Level.ERROR, "conservation", text, BROKEN))
    return findings


def judge_conservation(standings: list[Standing]) -> Finding:
    """State the law over both event topics: every record of the log is in exactly one count."""
    account = added_up([standing.state for standing in standings])
    waiting = sum(standing.waiting for standing in standings)
    counts = ", ".join(f"{name} {count}" for name, count in account.outcomes._asdict().items())
    tail = f", waiting {waiting}" if waiting else ""
    records = account.passed + waiting
    if account.gap == 0:
        return Finding(Level.OK, "conservation", f"in log {records} = {counts}{tail}")
    return Finding(Level.ERROR, "conservation", f"in log {records} ≠ {counts}{tail}", BROKEN)
