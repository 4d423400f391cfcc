"""Ask a broker, in its own protocol, whether it is in its cluster and how new it is."""

from __future__ import annotations

import socket
import struct
from typing import Final

CONNECT_S: Final = 1.0
ANSWER_S: Final = 2.0
"""Both questions are answered from memory."""

REPLY_BYTES_MAX: Final = 65_536
"""The longest of these answers has about 1,000 bytes."""

METADATA: Final = struct.pack(">hhih6si", 3, 1, 7, 6, b"tactus", 0)
"""Metadata, version 1, no topics: who is in the cluster?"""

API_VERSIONS: Final = struct.pack(">hhih6sx", 18, 3, 7, 6, b"tactus") + b"\x07tactus\x021\x00"
"""ApiVersions, version 3: which features has the cluster settled on?"""

FINALIZED_FEATURES: Final = 2
"""The number of that tagged field in the answer."""


def answers(host: str, port: int) -> bool:
    """Say whether the broker at this address answers a metadata call and counts itself in."""
    try:
        reply = _ask(host, port, METADATA)
        return bool(struct.unpack_from(">i", reply, 4)[0] >= 1)
    except (OSError, EOFError, struct.error):
        return False


def level_of(host: str, port: int) -> int | None:
    """Return the feature level that the brokers have settled on; None when nobody answers or the answer does not say."""
    try:
        reply = _Reader(_ask(host, port, API_VERSIONS), position=4)
        return _finalized_level(reply)
    except (OSError, EOFError, struct.error, IndexError, UnicodeDecodeError):
        return None


def _finalized_level(reply: _Reader) -> int | None:
    reply.skip(2)  # error code
    for _ in range(reply.varint() - 1):
        reply.skip(6)  # key, lowest and highest version of one API
        reply.varint()  # its tagged fields: none
    reply.skip(4)  # throttle time
    for _ in range(reply.varint()):
        tag, size = reply.varint(), reply.varint()
        if tag != FINALIZED_FEATURES:
            reply.skip(size)
            continue
        for _ in range(reply.varint() - 1):
            name = reply.text()
            highest, _lowest = reply.shorts()
            reply.varint()
            if name == "metadata.version":
                return highest
    return None


class _Reader:
    """Reads the compact encodings of newer answers."""

    def __init__(self, reply: bytes, *, position: int) -> None:
        self._reply = reply
        self._position = position

    def skip(self, size: int) -> None:
        self._position += size

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._reply[self._position]
            self._position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004 - the last byte of a number has no high bit
                return value
            shift += 7

    def shorts(self) -> tuple[int, int]:
        pair: tuple[int, int] = struct.unpack_from(">hh", self._reply, self._position)
        self.skip(4)
        return pair

    def text(self) -> str:
        size = self.varint() - 1
        words = self._reply[self._position : self._position + size]
        self.skip(size)
        return words.decode()


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
