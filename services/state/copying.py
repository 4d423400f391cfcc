"""Postgres' binary COPY format from numpy columns: no per-value Python work."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER: Final = struct.pack(">h", -1)

POSTGRES_EPOCH_US: Final = 946_684_800_000_000
"""timestamptz counts microseconds from 2000-01-01 UTC."""

Column = NDArray[np.int64] | NDArray[np.float64] | NDArray[np.bytes_]

PIECE_BYTES: Final = 512 * 1024
"""What asyncpg itself would read of a file at once."""

WIRE: Final[Mapping[str, str]] = {
    "smallint": ">i2",
    "integer": ">i4",
    "bigint": ">i8",
    "double": ">f8",
    "timestamptz": ">i8",
    "uuid": "V16",
}


def fixed_rows(columns: Sequence[tuple[str, Column]], *, extra_fields: int = 0) -> NDArray[np.void]:
    """Rows of fixed width as one structured array: field count, then length and value of each column.

    `extra_fields` are fields the caller appends to each row itself. Raises KeyError for an unknown type.
    """
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for number, (kind, _) in enumerate(columns):
        fields += [(f"length{number}", ">i4"), (f"value{number}", WIRE[kind])]
    rows: NDArray[np.void] = np.empty(len(columns[0][1]), dtype=np.dtype(fields))
    rows["fields"] = len(columns) + extra_fields
    for number, (_, values) in enumerate(columns):
        rows[f"length{number}"] = rows.dtype[f"value{number}"].itemsize
        rows[f"value{number}"] = values
    return rows


def fixed_copy(columns: Sequence[tuple[str, Column]]) -> bytes:
    """A whole COPY of fixed-width columns."""
    return b"".join([HEADER, fixed_rows(columns).tobytes(), TRAILER])


def mixed_copy(rows: NDArray[np.void], tails: Sequence[bytes]) -> bytes:
    """A whole COPY of fixed rows, each followed by its own variable-width fields."""
    width = rows.dtype.itemsize
    fixed = rows.tobytes()
    heads = [fixed[start : start + width] for start in range(0, len(fixed), width)]
    pieces = chain.from_iterable(zip(heads, tails, strict=True))
    return b"".join([HEADER, *pieces, TRAILER])


async def in_pieces(copied: bytes) -> AsyncIterator[bytes]:
    """Hand a COPY over piece by piece.

    Not as a file: for a file asyncpg makes a class a call, and the garbage collector, which this worker lets run
    rarely, would keep each of them with its megabytes; it also reads a file in another thread.
    """
    for start in range(0, len(copied), PIECE_BYTES):
        yield copied[start : start + PIECE_BYTES]


length_of: Final = struct.Struct(">i").pack
"""The length that stands before each field."""


def text_field(value: str) -> bytes:
    """One text field: its length, then its bytes."""
    encoded = value.encode()
    return length_of(len(encoded)) + encoded
