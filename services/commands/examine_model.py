"""What `tactus doctor` looks at of models: which one weighs, and whether one that takes over moves."""

from __future__ import annotations

from typing import Final

from services.commands.examine import Finding, Level, Stack
from services.infra.catalogue.reading import load_catalogue
from services.state.activation import ActivationTable, Status
from services.state.migrations import pending
from services.state.models import ActiveModel, ModelTable
from services.state.pool import connected

NAME: Final = "tactus-doctor"

STILL_S: Final = 60.0
"""A portion takes a second; a transaction that began before seldom lasts a minute."""


async def model(stack: Stack) -> list[Finding]:
    """Look at which model weighs."""
    if await pending(stack.postgres):
        return []  # the missing migrations are a finding of their own
    async with connected(stack.postgres, application=NAME) as statements:
        active = await ModelTable(statements).active()
        last = next(iter(await ActivationTable(statements).status(limit=1)), None)
    own = load_catalogue(stack.catalogue).model_version
    return [judge_model(active, own=own), *judge_activation(last)]


def judge_model(active: ActiveModel | None, *, own: str) -> Finding:
    """Say whether the numbers that an operator wrote down are those that weigh."""
    if active is None:
        return Finding(Level.OK, "model", "nothing has been scored yet")
    if active.name is not None:
        return Finding(Level.OK, "model", f"{active.name}, version {active.version}, weighs")
    if active.version == own:
        return Finding(Level.OK, "model", f"the catalogue's own, version {own}, weighs")
    text = f"another catalogue's model ({active.version}) weighs, not this one's ({own})"
    return Finding(Level.WARNING, "model", text, "let this one weigh: `tactus model activate`")


def judge_activation(last: Status | None) -> list[Finding]:
    """Say how far a model is that takes over."""
    if last is None or not last.under_way:
        return []
    text = f"{last.version} takes over: {last.done} of {last.total or 0} persons"
    if last.still_s <= STILL_S:
        return [Finding(Level.OK, "model", text)]
    text = f"{text}, and has not moved for {last.still_s:.0f} s"
    return [Finding(Level.WARNING, "model", text, "`tactus model status`; docs/runbooks/ModelActivationStuck.md")]
