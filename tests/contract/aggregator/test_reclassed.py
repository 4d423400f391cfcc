"""Rules that change later: what is stored gets the class, byte for byte, that a door with these rules would have given."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Final

import msgspec
import pytest

from services.aggregator.counting.records import Event, read_record
from services.core.classes import class_of_record, reclass
from services.infra.catalogue.reading import load_catalogue
from services.infra.classes.reading import ClassFile
from services.infra.classes.staffed import rules_for
from services.infra.sources import Sources
from services.infra.staff import StaffRow
from tests.support.chunks import LogRecord
from tests.support.senders import HASH_KEY
from tests.support.visitors import RANGES, classes_of, logged, sources_with, traffic

CATALOGUE = load_catalogue()
AT_MS: Final = 1_900_000_000_000

BEFORE = RANGES + "without: [crawlers]\n"
AFTER = (
    RANGES
    + """\
rules:
  probe: {class: monitor, agents: [ourprobe/]}
  office: {class: staff, ranges: [office]}
  sandbox: {class: none, says: [test], sources: [shop]}
  private: {class: monitor, ranges: [private], sources: [s*]}
without: [headless]
"""
)
STAFF = {"shop": StaffRow(identities=("email:ann@shop.example",)), "site": StaffRow(identities=("customer:c3",))}


def reclassed(value: bytes, file: ClassFile, sources: Sources) -> bytes:
    rules = rules_for(file, sources, hash_key=HASH_KEY.encode())
    return msgspec.json.encode(reclass(msgspec.json.decode(value), rules), order="deterministic")


@pytest.mark.parametrize("seed", range(4))
async def test_a_record_is_reclassed_to_what_a_door_with_the_later_rules_writes(seed: int, tmp_path: Path) -> None:
    sent = traffic(Random(seed), 150)
    before, after = classes_of(tmp_path, BEFORE), classes_of(tmp_path, AFTER)

    first = await logged(sent, classes=before, sources=sources_with({}))
    late = [reclassed(value, after, sources_with(STAFF)) for value in first]

    assert late == await logged(sent, classes=after, sources=sources_with(STAFF))
    assert late != first
    assert [reclassed(value, before, sources_with({})) for value in late] == first
    found = {class_of_record(json.loads(value)) for value in late}
    assert found == {"", "bot", "monitor", "staff", "test"}


async def test_a_range_that_is_drawn_later_holds_for_what_comes_after_it(tmp_path: Path) -> None:
    sent = [one for one in traffic(Random(1), 60) if one.address == "198.51.100.7"]
    drawn = classes_of(tmp_path, "ranges:\n  lab: [198.51.100.0/24]\nrules:\n  lab: {class: test, ranges: [lab]}\n")

    first = await logged(sent, classes=classes_of(tmp_path, "# nothing yet\n"), sources=sources_with({}))

    # The address is kept nowhere, so nobody can say which of these came from there.
    assert [reclassed(value, drawn, sources_with({})) for value in first] == first
    assert await logged(sent, classes=drawn, sources=sources_with({})) != first


async def test_what_has_a_class_is_counted_and_never_scored(tmp_path: Path) -> None:
    values = await logged(traffic(Random(7), 150), classes=classes_of(tmp_path, AFTER), sources=sources_with(STAFF))

    scored = {True: 0, False: 0}
    for place, value in enumerate(values):
        read = read_record(LogRecord(place, AT_MS, b"", value), catalogue=CATALOGUE, known={})
        assert isinstance(read, Event)
        event_class = class_of_record(json.loads(value))
        assert (read.q == 0) == bool(event_class)
        scored[read.q > 0] += 1
    assert all(scored.values())
