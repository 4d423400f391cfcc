"""How many connections a server keeps: when it is full, the one that has been idle the longest makes room."""

from __future__ import annotations

import resource
from typing import Final, Protocol

FILES_KEPT: Final = 128
"""Descriptors for all but connections: the log's brokers, a pool of database connections, files, the loop's own."""

CONNECTIONS_MIN: Final = 16
"""With fewer a server is none, whatever the limit of descriptors says."""


class Connection(Protocol):
    """What a room can ask to leave."""

    def close_idle(self) -> None:
        """Close; nobody waits for an answer on it."""

    def abort_unread(self, *, seconds_max: float) -> None:
        """Cut off a peer that has left an answer unread for so long."""


class Room:
    """Knows every connection, and which of them are idle since when."""

    def __init__(self, connections_max: int) -> None:
        self._connections_max = connections_max
        self._connections: set[Connection] = set()
        self._idle: dict[Connection, None] = {}

    def enter(self, connection: Connection) -> bool:
        """Let a connection in, in the place of the longest idle one if need be; False when all are at work."""
        if len(self._connections) >= self._connections_max:
            longest_idle = next(iter(self._idle), None)
            if longest_idle is None:
                return False
            self.leave(longest_idle)
            longest_idle.close_idle()
        self._connections.add(connection)
        self._idle[connection] = None
        return True

    def begins(self, connection: Connection) -> None:
        """Note that somebody waits for an answer on a connection."""
        self._idle.pop(connection, None)

    def rests(self, connection: Connection) -> None:
        """Note that nobody does any more."""
        if connection in self._connections:
            self._idle[connection] = None

    def leave(self, connection: Connection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)
        self._idle.pop(connection, None)

    def abort_unread(self, *, seconds_max: float) -> None:
        """Cut off whoever leaves an answer unread for so long."""
        for connection in list(self._connections):
            connection.abort_unread(seconds_max=seconds_max)


def connections_allowed(wanted: int) -> int:
    """Tell how many connections the process can hold open at once, at most so many.

    The soft limit of descriptors is raised as far as the hard one allows: many systems start with 1,024.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + FILES_KEPT
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, max(CONNECTIONS_MIN, soft - FILES_KEPT))
