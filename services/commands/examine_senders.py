"""What `tactus doctor` looks at of senders: open dead letters, undeclared touchpoints, and what no customer did."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from services.commands.examine import Finding, Level, Stack
from services.commands.examine_database import NAME
from services.infra.catalogue.reading import load_catalogue
from services.infra.catalogue.undeclared import remedy, told
from services.state.classed import ClassedCounts, classed_counts
from services.state.migrations import pending
from services.state.pool import connected
from services.state.sender_mistakes import OpenLetters, open_letters, undeclared

TOLD_MAX: Final = 10
"""Names and reasons told one by one; whoever has more of them mends a sender, not a name."""

DAY_S: Final = 24 * 60 * 60.0


async def senders(stack: Stack) -> list[Finding]:
    """Look for events that do not count, or count little, because of how they were sent."""
    if await pending(stack.postgres):
        return []  # the missing migrations are a finding of their own
    declared = load_catalogue(stack.catalogue).entries
    async with connected(stack.postgres, application=NAME) as statements:
        letters = await open_letters(statements)
        names = await undeclared(statements, declared=declared)
        classed = await classed_counts(statements, seconds=DAY_S)
    mistakes = [*judge_letters(letters, option=stack.option), *judge_names(names, declared=declared)]
    return [*mistakes, judge_classes(classed)]


def judge_letters(letters: Sequence[OpenLetters], *, option: str) -> list[Finding]:
    """Tell the open dead letters by their reasons; `option` is what a command needs to find the stack."""
    if not letters:
        return [Finding(Level.OK, "dead letters", "none is open")]
    shown, rest = letters[:TOLD_MAX], letters[TOLD_MAX:]
    texts = [
        f"{one.letters} open of {one.origin}: {one.reason}{f', the newest from {one.source}' if one.source else ''}"
        for one in shown
    ]
    if rest:
        texts.append(f"{sum(one.letters for one in rest)} open for {len(rest)} other reasons")
    look = f"`tactus dlq list{option}` shows them, `tactus dlq replay{option} --reason …` sends them again, `tactus dlq discard`"
    fixes = [f"{look} closes them: docs/runbooks/DeadLettersAppearing.md", *[""] * len(texts)]
    return [Finding(Level.WARNING, "dead letters", text, fix) for text, fix in zip(texts, fixes, strict=False)]


def judge_names(names: Sequence[str], *, declared: Collection[str]) -> list[Finding]:
    """Tell touchpoints that were sent and not declared, with what was probably meant."""
    if not names:
        return [Finding(Level.OK, "touchpoints", "all that were sent are declared")]
    findings = [
        Finding(Level.WARNING, "touchpoints", told(name), f"{name}: {remedy(name, declared)}")
        for name in names[:TOLD_MAX]
    ]
    if len(names) > TOLD_MAX:
        findings.append(Finding(Level.WARNING, "touchpoints", f"and {len(names) - TOLD_MAX} more are not"))
    return findings


def judge_classes(classed: ClassedCounts) -> Finding:
    """Tell how much of the last day no customer did; a shop that only crawlers visit is nobody's fault."""
    told = ", ".join(f"{name} {events}" for name, events in classed.by_class.items()) or "none"
    of = f"{classed.events} events of the last day" if classed.are_all else f"the newest {classed.events} events"
    return Finding(Level.OK, "not scored", f"of {of}: {told}")
