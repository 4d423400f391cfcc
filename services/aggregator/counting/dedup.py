"""Which events of a chunk are new: the insert of their rows is the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from services.aggregator.counting.batch import Batch, Dead, conflict
from services.aggregator.counting.event_columns import EventColumns, event_columns, in_order
from services.aggregator.counting.numbering import Directory
from services.aggregator.counting.ports import EventsPort
from services.aggregator.counting.records import Event
from services.state.events import signed
from services.state.leaves import Triple


class Sifted(NamedTuple):
    """Events stored by this transaction; of the others, how many were the same and which had another body."""

    fresh: list[Event]
    columns: EventColumns
    """Of the fresh ones, in their order."""
    duplicates: int
    conflicts: list[Dead]


async def store_new(
    stored_events: EventsPort, batch: Batch, *, directory: Directory, leaf_number: Mapping[Triple, int]
) -> Sifted:
    """Store the events that no transaction has stored; sorted, so that none waits for another in a circle."""
    fresh = in_order(batch.events)
    columns = event_columns(fresh, directory=directory, leaf_number=leaf_number)
    known = {one.key: one.body_hash for one in await stored_events.add(fresh, columns.numbers)} if fresh else {}
    again = [*batch.twins]
    if known:
        again += [event for event in fresh if event.key in known]
        keep = [place for place, event in enumerate(fresh) if event.key not in known]
        columns = columns.among(np.array(keep, dtype=np.int64))
        fresh = [fresh[place] for place in keep]
    # A twin is measured against what is stored, not against its elder in the chunk, which may itself have been
    # refused: so it does not matter how the log is cut into chunks.
    truth = known | {event.key: signed(event.body_hash) for event in fresh} if again else {}
    conflicts = [conflict(event) for event in again if truth[event.key] != signed(event.body_hash)]
    return Sifted(fresh, columns, len(again) - len(conflicts), conflicts)
