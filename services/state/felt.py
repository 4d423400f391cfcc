"""What events made felt, read from their rows: for tallies as they were when less was known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.core.instants import HOUR_US
from services.state.copying import HEADER, POSTGRES_EPOCH_US
from services.state.pool import Statements, present
from services.state.queries import SQL

Integers = NDArray[np.int64]

FIELDS: Final = (("person", ">i8"), ("occurred", ">i8"), ("leaf", ">i4"), ("v", ">i4"), ("q", ">i4"))


class Felt(NamedTuple):
    """Events as parallel columns: whose, hour since 1970, leaf, and v and q in micro-units."""

    person: Integers
    hour: Integers
    leaf: Integers
    v: Integers
    q: Integers


class FeltTable:
    """What is read of `touchpoint_row` in numbers alone."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def of_persons(
        self, persons: Sequence[int], *, since: datetime, until: datetime, received_before: datetime, rows_max: int
    ) -> Felt:
        """The events of persons' identities from a time to another that had been received; of more, any `rows_max`."""
        whom = f"'{{{','.join(str(int(person)) for person in persons)}}}'::bigint[]"
        times = [f"'{at.isoformat()}'::timestamptz" for at in (since, until, received_before)]
        query = SQL["read_felt"]
        for number, word in enumerate([whom, *times, str(int(rows_max))], start=1):
            query = query.replace(f"${number}", word)
        output = BytesIO()
        with present():
            await self._say.session.copy_from_query(query, output=output, format="binary")
        return parse_felt(output.getbuffer())


def parse_felt(copied: memoryview) -> Felt:
    """Read the binary COPY of read_felt."""
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in FIELDS:
        fields += [(f"{name}_length", ">i4"), (name, kind)]
    layout = np.dtype(fields)
    count = (len(copied) - len(HEADER) - 2) // layout.itemsize
    raw = np.frombuffer(copied, dtype=layout, count=count, offset=len(HEADER))
    person, occurred, leaf, v, q = (raw[name].astype(np.int64) for name, _ in FIELDS)
    return Felt(person, (occurred + POSTGRES_EPOCH_US) // HOUR_US, leaf, v, q)
