"""The recordings that the project brings are read whole by their maps."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import services.commands
from services.commands.bundled_maps import find_map
from services.commands.recording import Recorded, Recording
from services.infra.catalogue.reading import load_catalogue
from services.infra.mapping.map_file import load_map

SAMPLES = sorted((Path(services.commands.__file__).parent / "samples").iterdir())
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_there_is_a_sample() -> None:
    assert [path.name for path in SAMPLES] == ["corner_cafe.ndjson"]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_every_line_of_a_sample_becomes_an_event_of_its_own(path: Path) -> None:
    event_map = load_map(find_map(path, chosen=None), touchpoints=load_catalogue().entries)
    recording = Recording(path=path, map=event_map)

    read = [one for line in recording.lines() for one in recording.events(line, source="replay/sample", shift_hours=0)]

    events = [one for one in read if isinstance(one, Recorded)]
    assert len(events) == len(read) >= 150
    assert len({one.event.id for one in events}) == len(events)
    assert [one.occurred_at for one in events] == sorted(one.occurred_at for one in events)
    assert recording.scan(now=NOW).newest == events[-1].occurred_at
