"""Read a URL that somebody else wrote, strictly: what two programs could read in two ways is refused."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from services.infra.egress.addresses import address_of

URL_CHARS_MAX: Final = 2048
"""What browsers and proxies take for certain."""

NAME_CHARS_MAX: Final = 253
LABEL_CHARS_MAX: Final = 63

PORTS: Final = {"https": 443, "http": 80}
PORT_MIN: Final = 1024
"""Below it only the scheme's own: no request of ours ever speaks to a mail server or a shell."""

_URL: Final = re.compile(
    r"(?P<scheme>[a-z]+)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[1-9][0-9]{1,4}))?"
    r"(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?P<query>\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"
)
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?")


class Target(NamedTuple):
    """Where a request goes."""

    scheme: str
    host: str
    """A name in lower case, or an address, without brackets."""
    port: int
    path: str
    """With the query."""

    @property
    def authority(self) -> str:
        """The host as the header names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


class NotAllowed(NamedTuple):
    """Why a URL is not taken; the words say what to write instead and repeat nothing of it."""

    because: str


def target_of(url: str, *, http: bool) -> Target | NotAllowed:
    """Read a URL; `http` says whether it may go unencrypted."""
    if len(url) > URL_CHARS_MAX:
        return NotAllowed(f"Write a URL of at most {URL_CHARS_MAX} characters.")
    found = _URL.fullmatch(url)
    if found is None:
        return NotAllowed(
            "Write https://host/path in ASCII: a name beyond ASCII as xn--…, other characters percent-encoded; no user "
            "name, no fragment, no blanks."
        )
    scheme = found["scheme"]
    if scheme != "https" and not (http and scheme == "http"):
        return NotAllowed("The URL must begin with https://.")
    host = _host_of(found["host"])
    if isinstance(host, NotAllowed):
        return host
    port = int(found["port"] or PORTS[scheme])
    if port != PORTS[scheme] and not PORT_MIN <= port < 2**16:
        return NotAllowed(f"The port must be {PORTS[scheme]}, or from {PORT_MIN} to 65535.")
    return Target(scheme, host, port, (found["path"] or "/") + (found["query"] or ""))


def _host_of(written: str) -> str | NotAllowed:
    host = written.lower().strip("[]")
    if written.startswith("["):
        return host if address_of(host) else NotAllowed("The address in brackets is none of IPv6.")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        # Resolvers read 127.1, 0x7f000001 and 017700000001 as addresses: only the usual spelling is one here.
        return host if address_of(host) else NotAllowed("Write an IPv4 address as four decimal numbers.")
    if len(host) > NAME_CHARS_MAX or not all(len(one) <= LABEL_CHARS_MAX and _LABEL.fullmatch(one) for one in labels):
        return NotAllowed("The host must be a name as DNS has them, without a dot at its end.")
    return host
