"""The rights that docs/how-to/secure.md names are those that the tests of a guarded broker give."""

from __future__ import annotations

import re
from pathlib import Path

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its public names, imported there without a word
    AclOperation,
    ResourceType,
)

from tests.support.guarded_kafka import INGEST, WATCH, WORKER

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "secure.md"


def rights_of(who: str) -> dict[tuple[ResourceType, str], tuple[AclOperation, ...]]:
    found: dict[tuple[ResourceType, str], tuple[AclOperation, ...]] = {}
    for row in re.findall(rf"^\| {who} \| (.*) \| (.*) \|$", PAGE.read_text(), re.MULTILINE):
        kind = ResourceType.GROUP if row[0].startswith("group") else ResourceType.TOPIC
        operations = tuple(AclOperation[word.upper()] for word in row[1].split(", "))
        found |= {(kind, name): operations for name in re.findall(r"`([^`]+)`", row[0])}
    return found


def test_the_least_rights_are_written_down() -> None:
    assert rights_of("ingest") == INGEST
    assert rights_of("aggregator") == WORKER
    assert rights_of("`tactus sources watch`") == WATCH
