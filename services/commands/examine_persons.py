"""What `tactus doctor` looks at of persons: identities that too many others hang on."""

from __future__ import annotations

from typing import Final

from services.commands.examine import Finding, Level, Stack
from services.commands.examine_database import NAME
from services.core.persons import BOUNDS
from services.state.links import Crowded, crowded
from services.state.migrations import pending
from services.state.pool import connected

FIX: Final = "something that many share, or a key that floods: docs/how-to/shared-identities.md"


async def persons(stack: Stack) -> list[Finding]:
    """Look for links that count for nothing."""
    if await pending(stack.postgres):
        return []  # the missing migrations are a finding of their own
    async with connected(stack.postgres, application=NAME) as statements:
        return judge_crowds(await crowded(statements))


def judge_crowds(found: Crowded) -> list[Finding]:
    """Tell how many identities have come together in crowds, and how many customers have too many others or aliases."""
    findings = []
    if found.others:
        text = (
            f"{found.others} identities hang together in crowds of more than {BOUNDS.peers}: those links do not count"
        )
        findings.append(Finding(Level.WARNING, "persons", text, FIX))
    if found.customers:
        text = f"{found.customers} customers have more than {BOUNDS.claims} links: only the first count"
        findings.append(Finding(Level.WARNING, "persons", text, "" if findings else FIX))
    if found.aliased:
        text = f"{found.aliased} customers would be one person with more than {BOUNDS.aliases} by aliases: those do not count"
        findings.append(Finding(Level.WARNING, "persons", text, "" if findings else FIX))
    return findings or [Finding(Level.OK, "persons", "no identity has too many links")]
