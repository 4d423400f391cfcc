"""Spoil the way to a server: a real toxiproxy stands before it, and does to its bytes what a test says."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

import httpx

from services.embedded.free_ports import LOOPBACK, free_port
from tests.support.missing import lacks
from tests.support.waiting import wait_until

PROGRAM: Final = Path(__file__).parents[1] / "toxiproxy" / "bin" / "toxiproxy-server"


class Toxic(NamedTuple):
    """Something that befalls bytes on their way."""

    kind: str
    stream: Literal["upstream", "downstream"]
    attributes: dict[str, int]
    """Milliseconds, bytes, kilobytes a second."""

    @classmethod
    def up(cls, kind: str, **attributes: int) -> Toxic:
        """On the way to the server."""
        return cls(kind, "upstream", attributes)

    @classmethod
    def down(cls, kind: str, **attributes: int) -> Toxic:
        """On the way back."""
        return cls(kind, "downstream", attributes)


@dataclass(frozen=True)
class Way:
    """One way to a server, by a port of its own."""

    api: str
    name: str
    port: int

    @contextmanager
    def spoilt(self, *toxics: Toxic) -> Iterator[None]:
        """Spoil it for the length of the block."""
        path = f"{self.api}/proxies/{self.name}/toxics"
        names = []
        for number, toxic in enumerate(toxics):
            said = {"type": toxic.kind, "stream": toxic.stream, "attributes": toxic.attributes, "name": f"t{number}"}
            httpx.post(path, json=said, trust_env=False).raise_for_status()
            names.append(f"t{number}")
        try:
            yield
        finally:
            for name in names:
                httpx.delete(f"{path}/{name}", trust_env=False).raise_for_status()


@contextmanager
def way_to(port: int, *, at: int) -> Iterator[Way]:
    """A way to a server on this machine, by a port that was chosen before."""
    if not PROGRAM.exists():
        lacks("toxiproxy is missing: run scripts/toxiproxy.sh")
    own = free_port()
    api = f"http://{LOOPBACK}:{own}"
    command = (str(PROGRAM), "-host", LOOPBACK, "-port", str(own))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: _answers(api), what="toxiproxy answers")
            said = {"name": "way", "listen": f"{LOOPBACK}:{at}", "upstream": f"{LOOPBACK}:{port}", "enabled": True}
            httpx.post(f"{api}/proxies", json=said, trust_env=False).raise_for_status()
            yield Way(api, "way", at)
        finally:
            process.terminate()


def _answers(api: str) -> bool:
    try:
        return httpx.get(f"{api}/version", trust_env=False).is_success
    except httpx.TransportError:
        return False
