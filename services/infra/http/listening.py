"""Listen on an address, or say what to change."""

from __future__ import annotations

import socket

from services.infra.errors import ConfigurationError


def bind(*, host: str, port: int, backlog: int) -> socket.socket:
    """Listen on an address; port 0 takes a free one. Raises ConfigurationError when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=backlog)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port} ({error.strerror}): free the port or set another"
        ) from error
