"""Ask a broker, in its own protocol, whether it is in its cluster."""

from __future__ import annotations

import socket
import struct
from typing import Final

CONNECT_S: Final = 1.0
ANSWER_S: Final = 2.0
"""The question is answered from memory."""

REPLY_BYTES_MAX: Final = 65_536
"""The answer has about 1,000 bytes."""

METADATA: Final = struct.pack(">hhih6si", 3, 1, 7, 6, b"tactus", 0)
"""Metadata, version 1, no topics: who is in the cluster?"""


def answers(host: str, port: int) -> bool:
    """Say whether the broker at this address answers a metadata call and counts itself in."""
    try:
        reply = _ask(host, port, METADATA)
        return bool(struct.unpack_from(">i", reply, 4)[0] >= 1)
    except (OSError, EOFError, struct.error):
        return False


def _ask(host: str, port: int, question: bytes) -> bytes:
    with socket.create_connection((host, port), timeout=CONNECT_S) as connection:
        connection.settimeout(ANSWER_S)
        connection.sendall(struct.pack(">i", len(question)) + question)
        size: int = struct.unpack(">i", _exactly(connection, 4))[0]
        return _exactly(connection, min(size, REPLY_BYTES_MAX))


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            raise EOFError
        received += part
    return received
