"""The stored tallies: added to by chunks, read by whoever scores."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.core.tallies import HOUR_BITS, WIDTH, Tallies
from services.state.copying import HEADER, fixed_copy
from services.state.pool import Statements, present
from services.state.queries import SQL

TYPES: Final = (
    ("leaf", "integer"), ("hour", "integer"), ("n", "integer"), ("q", "bigint"),
    ("pos", "bigint"), ("neg", "bigint"), ("pos2", "bigint"), ("neg2", "bigint"),
    ("best", "integer"), ("worst", "integer"),
)  # fmt: skip

ALL_HOURS: Final = (-1, 1 << HOUR_BITS)
"""After which hour, and until which: everything that there can be."""


class TallyTable:
    """The statements of `tally_row`."""

    def __init__(self, statements: Statements) -> None:
        self._say = statements

    async def add(self, identity: NDArray[np.int64], rows: NDArray[np.int64], *, fresh: NDArray[np.bool_]) -> None:
        """Add to what is stored; rows known to be fresh are copied straight in, at half the cost."""
        for table, chosen in (("tally_row", fresh), ("incoming_tally", ~fresh)):
            mine = rows[chosen]
            if not len(mine):
                continue
            await self._say.copy_in(table, tally_copy(identity[chosen], mine))
            if table == "incoming_tally":
                await self._say.run("add_tallies")

    async def of_persons(
        self, persons: Sequence[int], *, hours: tuple[int, int] = ALL_HOURS, rows_max: int | None = None
    ) -> Tallies:
        """The tallies of persons in the hours (after, until], one row for each identity; owner is the person's number.

        Of more rows than `rows_max`, any of them.
        """
        after, until = map(storable_hour, hours)
        words = {
            "$1": "'{" + ",".join(str(int(person)) for person in persons) + "}'",
            "$2": str(after),
            "$3": str(until),
            "$4": "ALL" if rows_max is None else str(rows_max),
        }
        query = SQL["read_tallies"]
        for parameter, word in words.items():
            query = query.replace(parameter, word)
        output = BytesIO()
        with present():
            await self._say.session.copy_from_query(query, output=output, format="binary")
        return parse_tallies(output.getbuffer())


def tally_copy(identity: NDArray[np.int64], rows: NDArray[np.int64]) -> bytes:
    """The rows of `tally_row`, or of a table like it, as a binary COPY."""
    return fixed_copy([("bigint", identity), *((kind, rows[:, place]) for place, (_, kind) in enumerate(TYPES))])


def storable_hour(hour: int) -> int:
    """Bring an hour that no tally can have within the numbers that the database compares with."""
    return max(min(hour, ALL_HOURS[1]), ALL_HOURS[0])


def parse_tallies(copied: memoryview) -> Tallies:
    """Read the binary COPY of read_tallies."""
    fields: list[tuple[str, str]] = [("fields", ">i2"), ("length", ">i4"), ("person", ">i8")]
    for name, kind in TYPES:
        fields += [(f"{name}_length", ">i4"), (name, ">i4" if kind == "integer" else ">i8")]
    layout = np.dtype(fields)
    count = (len(copied) - len(HEADER) - 2) // layout.itemsize
    raw = np.frombuffer(copied, dtype=layout, count=count, offset=len(HEADER))
    rows = np.empty((count, WIDTH), dtype=np.int64)
    for position, (name, _) in enumerate(TYPES):
        rows[:, position] = raw[name]
    return Tallies(raw["person"].astype(np.int64), rows)
