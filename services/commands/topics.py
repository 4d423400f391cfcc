"""`tactus topics accept`: an operator's word that partitions may go on without what the log lost."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from schemas.topics import DLQ, EVENT_TOPICS, Partition
from services.commands.stack_settings import stack_settings
from services.infra.errors import ConfigurationError
from services.infra.kafka import log_ends, read_marks
from services.infra.settings import Settings
from services.state.pool import connected
from services.state.progress import ProgressTable


def run(names: Sequence[str], *, data: Path | None) -> int:
    """Move the stored positions into what the log holds; 0 when all moved, 1 when there was nothing to accept for one.

    Raises ConfigurationError before anything is moved when a name is none.
    """
    partitions = [_partition(name) for name in dict.fromkeys(names)]
    return asyncio.run(_accept_all(partitions, settings=stack_settings(data)))


def _partition(name: str) -> Partition:
    topic, _, part = name.rpartition("/")
    if topic not in {*EVENT_TOPICS, DLQ} or not (part.isascii() and part.isdigit()):
        raise ConfigurationError("name the partition as the worker's message does, such as cx.touchpoints.v1/3")
    return topic, int(part)


async def _accept_all(partitions: Sequence[Partition], *, settings: Settings) -> int:
    ends = await log_ends(settings.kafka, sorted({topic for topic, _ in partitions}))
    for topic, part in partitions:
        if (topic, part) not in ends:
            raise ConfigurationError(f"the log has no partition {topic}/{part}")
    moved = 0
    async with connected(settings.postgres.dsn.get_secret_value(), application="tactus-accept") as statements:
        progress = ProgressTable(statements)
        for partition in partitions:
            earliest, end = ends[partition]
            if await _accept(partition, progress, settings=settings, earliest=earliest, end=end):
                moved += 1
                sys.stdout.write(f"{partition[0]}/{partition[1]} goes on at {earliest}\n")
            else:
                inside = "its stored position lies inside the log, nothing to accept"
                sys.stdout.write(f"{partition[0]}/{partition[1]}: {inside}\n")
    if moved:
        sys.stdout.write("start the workers again\n")
    return 0 if moved == len(partitions) else 1


async def _accept(
    partition: Partition, progress: ProgressTable, *, settings: Settings, earliest: int, end: int
) -> bool:
    position = await progress.position(partition)
    mark = position.mark if position else None
    foreign = False
    if mark and earliest <= mark.offset < end:
        marks = await read_marks(settings.kafka, {partition: mark.offset})
        foreign = marks[partition] != mark.value
    return await progress.accept_lost(partition, earliest=earliest, end=end, foreign=foreign)
