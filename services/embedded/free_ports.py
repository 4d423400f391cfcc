"""Find TCP ports on the loopback address."""

from __future__ import annotations

import random
import socket
from typing import Final

LOOPBACK: Final = "127.0.0.1"

RANGE: Final = range(20_000, 32_000)
"""Below the range that Linux gives to outgoing connections, so that nobody takes a port while its owner restarts."""

TRIES_MAX: Final = 200

_GIVEN: Final[set[int]] = set()
"""Ports this process has handed out: two children that start together must not be sent to one port."""


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Say whether a server could listen on this port at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def free_port(host: str = LOOPBACK) -> int:
    """Return a port that is free; another program may still be quicker, so the caller checks its server."""
    for _ in range(TRIES_MAX):
        port = random.SystemRandom().choice(RANGE)
        if port not in _GIVEN and is_free(port, host):
            _GIVEN.add(port)
            return port
    raise OSError(f"found no free port on {host} between {RANGE.start} and {RANGE.stop}")
