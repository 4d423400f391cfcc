"""What `tactus doctor` looks at of sources: silence, what is rejected, wrong clocks, and numbers that tills left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from services.commands.examine import Finding, Level, Stack
from services.commands.examine_database import NAME
from services.commands.sources import clock_words, configured_of, span
from services.core.instants import instant_of
from services.core.rhythm import Health
from services.infra.clock import SystemClock
from services.infra.errors import ConfigurationError
from services.infra.sources import Source
from services.state.migrations import pending
from services.state.pool import connected
from services.state.source_health import (
    CLOCK_WRONG_MS,
    WAITING_MAX,
    SourceHealth,
    SourceTables,
    TillTotals,
    TillTrouble,
)

RUNBOOK: Final = "see docs/runbooks/SourceSilent.md"

REJECTED_SHARE: Final = 0.1
REJECTED_MIN: Final = 10
"""Of a day: fewer are somebody's trial."""


async def hearing(stack: Stack) -> list[Finding]:
    """Look for sources that are silent or send what does not count, and for tills that left numbers out."""
    if await pending(stack.postgres):
        return []  # the missing migrations are a finding of their own
    try:
        configured = configured_of(stack)
    except ConfigurationError:
        return []  # so is a sources file that cannot be used
    now = instant_of(SystemClock().now_us())
    async with connected(stack.postgres, application=NAME) as statements:
        tables = SourceTables(statements)
        heard = await tables.health(now=now)
        totals, troubles = await tables.till_totals(), await tables.till_troubles()
        waiting = await tables.notes_waiting()
    return [*judge_notes(waiting), *judge_heard(configured, heard, now=now), *judge_tills(totals, troubles)]


def judge_notes(waiting: int) -> list[Finding]:
    """Tell when what follows is old."""
    if waiting < WAITING_MAX:
        return []
    text = f"{waiting} notes of chunks or more wait to be folded: what is said of sources is old"
    fix = "start a worker; if one runs, its log says why under notes_put_off or notes_not_folded"
    return [Finding(Level.WARNING, "arrivals", text, fix)]


def judge_heard(configured: Mapping[str, Source], heard: Sequence[SourceHealth], *, now: datetime) -> list[Finding]:
    """Tell what is wrong with each configured source."""
    mine = [one for one in heard if one.source in configured]
    findings = [finding for one in mine for finding in _judge(one, configured[one.source], now=now)]
    if findings:
        return findings
    sent = sum(one.health is not Health.NEVER for one in mine)
    return [Finding(Level.OK, "arrivals", f"{sent} of {len(configured)} sources have sent, and none is silent")]


def judge_tills(totals: Sequence[TillTotals], troubles: Sequence[TillTrouble]) -> list[Finding]:
    """Tell which numbers of tills never came, and whose clocks are wrong."""
    if not totals:
        return []
    findings = [finding for one in troubles for finding in _judge_till(one)]
    tills, missing = sum(one.tills for one in totals), sum(one.missing for one in totals)
    if missing:
        text = f"{missing} numbers of {tills} tills never came in 7 business days"
        fix = "look whether these tills still keep them, and at what of theirs was rejected: `tactus sources list`"
        return [Finding(Level.WARNING, "tills", text, fix), *findings]
    return [Finding(Level.OK, "tills", f"{tills} have sent in 7 business days, and no number is missing"), *findings]


def _judge(one: SourceHealth, source: Source, *, now: datetime) -> Iterator[Finding]:
    subject = f"source {one.source}"
    usual = "" if one.expected is None else f"; {one.expected:,.0f} events are usual in such 24 hours"
    if one.health is Health.SILENT and one.last_at is not None:
        yield Finding(Level.WARNING, subject, f"silent for {span(now - one.last_at)}{usual}", RUNBOOK)
    if one.health is Health.QUIET:
        yield Finding(Level.WARNING, subject, f"only {one.day.live:,} events in 24 hours{usual}", RUNBOOK)
    share = one.day.rejected_share or 0.0
    if share > REJECTED_SHARE and one.day.rejected >= REJECTED_MIN:
        fix = f"`tactus sources watch {one.source}` shows why, as they come"
        yield Finding(Level.WARNING, subject, f"{100 * share:.0f} % of what it sent in 24 hours was rejected", fix)
    clock_ms = one.day.clock_ms
    if source.kind == "server" and clock_ms is not None and abs(clock_ms) > CLOCK_WRONG_MS:
        fix = "set the clock of whoever sends, and let it be kept by NTP"
        yield Finding(Level.WARNING, subject, f"its clock is {clock_words(clock_ms)}", fix)


def _judge_till(one: TillTrouble) -> Iterator[Finding]:
    subject = f"till {one.till}"
    if one.missing:
        more = " …" if sum(map(_size, one.holes)) < one.missing else ""
        yield Finding(Level.WARNING, subject, f"{one.day}: {one.missing} never came: {', '.join(one.holes)}{more}")
    if one.crowded:
        text = f"{one.day}: its numbers jump about, so that not all gaps are known"
        yield Finding(
            Level.WARNING, subject, text, "let it count its transactions one by one: docs/reference/channels.md"
        )
    if one.clock_ms is not None:
        when = span(timedelta(milliseconds=abs(one.clock_ms)))
        words = f"its clock is {when} ahead" if one.clock_ms < 0 else f"its clock is {when} behind, or it sends late"
        yield Finding(Level.WARNING, subject, words, "set the till's clock")


def _size(hole: str) -> int:
    """How many numbers a hole has, as it is written."""
    low, _, high = hole.partition("–")
    return int(high or low) - int(low) + 1
