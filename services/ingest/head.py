"""A request's head as the door sees it: its headers, what its address names, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

Headers = Sequence[tuple[str, str]]
"""Names in small letters, values as latin-1 text."""

NOTHING: Final[Mapping[str, str]] = {}


class Head(NamedTuple):
    """Everything of a request but its body."""

    headers: Headers
    address: str = ""
    """The client's, or empty where nobody knows it."""
    path: str = ""
    named: Mapping[str, str] = NOTHING
    """What the path names, by the names in its route."""
    query: Sequence[tuple[str, str]] = ()

    def all(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for header, value in self.headers if header == name]

    def one(self, name: str) -> str | None:
        """Return a header's value; several are joined, as HTTP has it."""
        return ", ".join(self.all(name)) or None

    def asked(self, name: str) -> list[str]:
        """Return every value of a parameter of the query."""
        return [value for parameter, value in self.query if parameter == name]
