"""`tactus maintain`: what workers do once a day, at once: make months, and remove what nobody reads any more."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from services.commands.stack_settings import stack_settings
from services.commands.telling import INTERRUPTED, say
from services.infra.errors import TactusError
from services.infra.settings import Settings
from services.state.housekeeping import keep_house
from services.state.pool import Statements, open_pool
from services.state.retention import SUBJECTS, Busy, RetentionTable, removed_since, retire

NAME: Final = "tactus-maintain"
"""As the server shows our connections."""

SEEN: Final = "seen_ids"

NEVER_S: Final = 1e11
"""A walk that has ended since this command began is not due again: no walk ended three thousand years ago."""

BUSY_S: Final = 0.1
"""Before the next look, while a worker does a portion."""


def run(*, dry_run: bool, data: Path | None) -> int:
    """Do it, or tell what would be done; 130 when told to stop."""
    try:
        counts = asyncio.run(_maintain(stack_settings(data), dry_run=dry_run))
    except KeyboardInterrupt:
        say("tactus maintain: stopped; a worker or the next `tactus maintain` goes on where it was")
        return INTERRUPTED
    except TactusError as error:
        say(f"tactus maintain: {error}")
        return 1
    table = Table(box=None, pad_edge=False)
    for heading in ("what", "kept", "would be removed" if dry_run else "removed"):
        table.add_column(heading)
    for subject, kept in {**SUBJECTS, SEEN: "62 days"}.items():
        if subject in counts:
            table.add_row(subject.replace("_", " "), kept, str(counts[subject]))
    Console(highlight=False, markup=False).print(table)
    if not dry_run:
        sys.stdout.write("done; scores are what they were\n")
    return 0


async def _maintain(settings: Settings, *, dry_run: bool) -> Mapping[str, int]:
    pool = await open_pool(settings.postgres, application=NAME, max_size=1)
    try:
        say_ = Statements(pool)
        retention = RetentionTable(say_)
        if dry_run:
            return await retention.would_remove()
        done = await keep_house(pool)
        before = await retention.walks()
        await retention.walk_anew()
        while (round_ := await retire(pool, again_after_s=NEVER_S)) is not None:
            if isinstance(round_, Busy):
                await asyncio.sleep(BUSY_S)
        return {**removed_since(before, await retention.walks()), SEEN: done.forgotten}
    finally:
        pool.terminate()
