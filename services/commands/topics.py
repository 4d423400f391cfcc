"""`tactus topics accept`: an operator's word that a partition may go on without what the log lost."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from schemas.topics import DLQ, EVENT_TOPICS
from services.commands.stack_settings import stack_settings
from services.infra.errors import ConfigurationError
from services.infra.kafka import log_ends, read_marks
from services.infra.settings import Settings
from services.state.pool import connected
from services.state.progress import ProgressTable


def run(partition: str, *, data: Path | None) -> int:
    """Move the stored position into what the log holds; 0 when it moved, 1 when there was nothing to accept."""
    topic, _, part = partition.rpartition("/")
    if topic not in {*EVENT_TOPICS, DLQ} or not (part.isascii() and part.isdigit()):
        raise ConfigurationError("name the partition as the worker's message does, such as cx.touchpoints.v1/3")
    moved, start = asyncio.run(_accept((topic, int(part)), settings=stack_settings(data)))
    if moved:
        sys.stdout.write(f"{partition} goes on at {start}; start the workers again\n")
    else:
        sys.stdout.write(f"{partition}: its stored position lies inside the log, nothing to accept\n")
    return 0 if moved else 1


async def _accept(partition: tuple[str, int], *, settings: Settings) -> tuple[bool, int]:
    ends = await log_ends(settings.kafka, [partition[0]])
    if partition not in ends:
        raise ConfigurationError(f"the log has no partition {partition[0]}/{partition[1]}")
    earliest, end = ends[partition]
    async with connected(settings.postgres.dsn.get_secret_value(), application="tactus-accept") as statements:
        progress = ProgressTable(statements)
        position = await progress.position(partition)
        mark = position.mark if position else None
        foreign = False
        if mark and earliest <= mark.offset < end:
            marks = await read_marks(settings.kafka, {partition: mark.offset})
            foreign = marks[partition] != mark.value
        moved = await progress.accept_lost(partition, earliest=earliest, end=end, foreign=foreign)
    return moved, earliest
