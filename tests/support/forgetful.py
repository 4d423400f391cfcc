"""A way to a server that can be forgotten, as a firewall forgets it: packets vanish, and nobody is told."""

from __future__ import annotations

import array
import contextlib
import ctypes
import fcntl
import socket
import struct
import termios
import threading
from typing import Final

from tests.support.waiting import wait_until

SO_ATTACH_FILTER: Final = 26
DROP_ALL: Final = struct.pack("HBBI", 0x06, 0, 0, 0)
"""One instruction of the kernel's packet filter: keep 0 bytes of whatever comes in, so that it is not acknowledged."""


class ForgetfulWay:
    """Listens on `port` and hands every connection on to the server; `forget` makes those that are open go dead."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._forgotten: list[socket.socket] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def forget(self) -> int:
        """Let every open connection go dead; how many there were. Later ones are handed on as before."""
        forgotten, self._open = self._open, []
        # What is not acknowledged yet we would send again and again, and be taken for alive.
        wait_until(lambda: not any(map(_unacknowledged, forgotten)), what="all that was sent is acknowledged")
        for plug in forgotten:
            _deafen(plug)
        self._forgotten += forgotten
        return len(forgotten) // 2

    def close(self) -> None:
        """Stop listening, and hang up on everybody."""
        for plug in (self._listener, *self._open, *self._forgotten):
            plug.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._open += (client, server)
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=_hand_on, args=(one, other), daemon=True).start()


def _hand_on(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := one.recv(65_536):
            other.sendall(piece)
        other.shutdown(socket.SHUT_WR)


def _unacknowledged(plug: socket.socket) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(plug, termios.TIOCOUTQ, count)
    return count[0]


def _deafen(plug: socket.socket) -> None:
    program = ctypes.create_string_buffer(DROP_ALL)
    plug.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(program)))
