"""Judge stored events by today's catalogue and rules on classes: what a door and a worker would make of them that had both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.aggregator.counting.records import Data, Instant, judge, leaf_of
from services.core.catalogue import Catalogue, Refusal
from services.core.classes import Rules, reclass
from services.core.facts import Fact
from services.state.leaves import Triple

Integers = NDArray[np.int64]


class StoredEvent(msgspec.Struct, gc=False):
    """What of a stored event says how it is judged."""

    id: str
    source: str
    data: Data
    receivedat: Instant | None = None
    keykind: str = ""
    classed: str = ""
    agent: str = ""
    ranges: str = ""


class Verdicts(NamedTuple):
    """How events are judged, one position each."""

    leaves: Sequence[Triple]
    v: Integers
    q: Integers
    reclassed: Sequence[int]
    """Places of events whose record is to say another class."""
    facts: Sequence[tuple[int, Sequence[Fact]]]
    """Places of events that leave some, and these."""
    refused: int
    """How many the catalogue would not take: they count with a stake of 0."""


_events: Final = msgspec.json.Decoder(list[StoredEvent])
_records: Final = msgspec.json.Decoder(list[msgspec.Raw])


class Judge:
    """A catalogue and rules."""

    def __init__(self, catalogue: Catalogue, rules: Rules) -> None:
        self._catalogue = catalogue
        self._rules = rules

    def judge(self, bodies: str, occurred_us: Sequence[int]) -> Verdicts:
        """Judge events, given as a JSON array, that happened at these times."""
        leaves: list[Triple] = []
        v: list[int] = []
        q: list[int] = []
        reclassed: list[int] = []
        facts: list[tuple[int, Sequence[Fact]]] = []
        refused = 0
        given_to, catalogue = self._given_to, self._catalogue
        for place, (event, at_us) in enumerate(zip(_events.decode(bodies), occurred_us, strict=True)):
            data = event.data
            given = given_to(event)
            if given != event.classed:
                reclassed.append(place)
            received = event.receivedat
            received_us = at_us if received is None else round(received.timestamp() * 1_000_000)
            judged = judge(event, data, catalogue, classed=given, occurred_us=at_us, received_us=received_us)
            if isinstance(judged, Refusal):
                judged = (0, 0, False, ())
                refused += 1
            v.append(judged[0])
            q.append(judged[1])
            if judged[3]:
                facts.append((place, judged[3]))
            leaves.append(leaf_of(data, catalogue))
        return Verdicts(leaves, np.array(v, dtype=np.int64), np.array(q, dtype=np.int64), reclassed, facts, refused)

    def bodies_of(self, bodies: str, places: Sequence[int]) -> list[tuple[int, str]]:
        """What the records at these places are to be, byte for byte as the door would write them."""
        records = _records.decode(bodies)
        return [(place, self._rewritten(bytes(records[place]))) for place in places]

    def _rewritten(self, body: bytes) -> str:
        record: Mapping[str, object] = msgspec.json.decode(body)
        return msgspec.json.encode(reclass(record, self._rules), order="deterministic").decode()

    def _given_to(self, event: StoredEvent) -> str:
        data = event.data

        def named() -> list[str]:
            return [f"{one.kind}:{one.value}" for one in data.identities]

        source = event.source.partition("/")[0]
        return self._rules.class_given(data.class_, event.agent, event.ranges, source, named)
