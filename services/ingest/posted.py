"""A request as the door sees it: its head, where it comes from, its body still on the way."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from typing import NamedTuple

Headers = Sequence[tuple[str, str]]
"""Names in small letters, values as latin-1 text."""


class Posted(NamedTuple):
    """A request, its body still on the way; the address is the client's, or empty where nobody knows it."""

    headers: Headers
    body: AsyncIterable[bytes]
    address: str = ""

    def all(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for header, value in self.headers if header == name]

    def one(self, name: str) -> str | None:
        """Return a header's value; several are joined, as HTTP has it."""
        return ", ".join(self.all(name)) or None
