"""`tactus doctor`: look a running stack over and name the fix of everything that is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from services.commands.examine import Check, Finding, Level, Stack, disk, doors, log, sources, stack_to_examine, topics
from services.commands.examine_database import chores, clock, database, migrations, progress
from services.commands.examine_model import model
from services.commands.examine_outbound import outbound
from services.commands.examine_persons import persons
from services.commands.examine_senders import senders
from services.commands.examine_sources import hearing
from services.infra.errors import ConfigurationError, TactusError

CHECKS: Final[Mapping[str, Check]] = {
    "doors": doors,
    "Kafka": log,
    "topics": topics,
    "Postgres": database,
    "migrations": migrations,
    "clock": clock,
    "sources": sources,
    "disk": disk,
    "progress": progress,
    "chores": chores,
    "senders": senders,
    "persons": persons,
    "model": model,
    "hearing": hearing,
    "outbound": outbound,
}
"""In the order in which a person would look."""

HEALTHY: Final = 0
ILL: Final = 1
REFUSED: Final = 2

STYLES: Final = {Level.OK: "green", Level.WARNING: "yellow", Level.ERROR: "bold red"}


def run(data: Path | None) -> int:
    """Print a table of findings; 0 when none is an error, 1 when one is, 2 when there is no stack to look at."""
    console = Console()
    try:
        stack = stack_to_examine(data)
    except ConfigurationError as error:
        # A command to copy must stay in one line, however narrow the terminal.
        console.print(f"tactus doctor: {error}", markup=False, highlight=False, soft_wrap=True)
        return REFUSED
    console.print(f"looking at {stack.words}", markup=False, highlight=False, soft_wrap=True)
    findings = asyncio.run(examine(stack))
    console.print(table_of(findings))
    for finding in findings:
        if finding.fix:
            line = f"{finding.level}: {finding.subject}: {finding.fix}"
            console.print(line, style=STYLES[finding.level], markup=False, highlight=False, soft_wrap=True)
    return ILL if any(finding.level is Level.ERROR for finding in findings) else HEALTHY


async def examine(stack: Stack) -> list[Finding]:
    """Run all checks at once; a part that is away is a finding, not an end."""
    results = await asyncio.gather(*(check(stack) for check in CHECKS.values()), return_exceptions=True)
    findings: list[Finding] = []
    for name, result in zip(CHECKS, results, strict=True):
        match result:
            case list():
                findings += result
            case TactusError():
                findings.append(away(name, result))
            case BaseException():
                raise result
    return findings


def away(name: str, error: TactusError) -> Finding:
    """Turn an error into a finding; what stands behind its semicolon is the fix."""
    text, _, fix = str(error).partition("; ")
    return Finding(Level.ERROR, name, text, fix or "see the logs of the stack")


def table_of(findings: list[Finding]) -> Table:
    """Show one line a finding."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "what", "finding"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        table.add_row(f"[{STYLES[finding.level]}]{finding.level}[/]", finding.subject, finding.text)
    return table
