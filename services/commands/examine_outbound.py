"""What `tactus doctor` looks at of what goes out: whether scores and alerts reach their topics."""

from __future__ import annotations

from typing import Final

from services.commands.examine import Finding, Level, Stack
from services.commands.examine_database import NAME
from services.state.feeds import FeedTable
from services.state.migrations import pending
from services.state.pool import connected

SLOW_S: Final = 60.0
"""What waits goes out within a second; after a crash another process takes a feed over within its lease, ten."""


async def outbound(stack: Stack) -> list[Finding]:
    """Ask how long what is not in its topic has waited."""
    if await pending(stack.postgres):
        return [Finding(Level.ERROR, "outbound", "there are no tables to look at", "run `tactus migrate`")]
    async with connected(stack.postgres, application=NAME) as statements:
        feeds = FeedTable(statements)
        waits = {
            "scores": await feeds.changes_wait_for("scores"),
            "alerts": await feeds.letters_wait_for("alerts"),
        }
    return [judge_outbound(waits)]


def judge_outbound(waits_s: dict[str, float | None]) -> Finding:
    """Say whether anything has waited for long; None is nothing that waits."""
    slow = [f"{name} wait for {wait_s:.0f} s" for name, wait_s in waits_s.items() if wait_s and wait_s > SLOW_S]
    if slow:
        fix = "start `tactus outbound`, or read its log: docs/runbooks/OutboxOld.md"
        return Finding(Level.ERROR, "outbound", ", ".join(slow), fix)
    return Finding(Level.OK, "outbound", "scores and alerts are in their topics")
