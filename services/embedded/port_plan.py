"""Choose the ports of a local stack: what the settings say, else the usual ones, else free ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel

from services.embedded.free_ports import LOOPBACK, free_port, is_free
from services.infra.errors import ConfigurationError
from services.infra.settings import Settings

WORKERS_MAX: Final = 16
"""More workers than this have no partition to read in an embedded stack of 8."""


class Ports(NamedTuple):
    """One port for each door of the stack."""

    kafka: int
    postgres: int
    ingest: int
    ingest_metrics: int
    api: int
    api_metrics: int
    outbound_metrics: int
    workers_metrics: tuple[int, ...]


@dataclass(slots=True)
class _Chooser:
    usual: bool
    say: Callable[[str], None]
    taken: set[int] = field(default_factory=set)

    def take(self, name: str, part: BaseModel, setting: str, *, offset: int = 0) -> int:
        """Choose for a setting of a part of the settings; 0 there means any free one."""
        value = int(getattr(part, setting))
        chosen = value + offset if value else 0
        return self.choose(name, chosen, fixed=setting in part.model_fields_set)

    def choose(self, name: str, port: int, *, fixed: bool) -> int:
        """Return the port if it may be had; a fixed one that is busy is refused, a usual one is replaced."""
        if fixed and port:
            if port in self.taken or not is_free(port):
                raise ConfigurationError(f"port {port}, set for {name}, is in use: free it, or set another (0 = any)")
            return self._mark(port)
        if self.usual and not fixed:
            if port not in self.taken and is_free(port):
                return self._mark(port)
            other = self._mark(free_port())
            self.say(f"port {port} is in use: {name} takes {other}")
            return other
        return self._mark(free_port())

    def _mark(self, port: int) -> int:
        self.taken.add(port)
        return port


def choose_ports(settings: Settings, *, workers: int, usual: bool, say: Callable[[str], None]) -> Ports:
    """Choose all ports. `usual` tries the documented ones first; otherwise what is not set is free.

    Raises ConfigurationError when a port that was set cannot be had.
    """
    chooser = _Chooser(usual, say)
    kafka = _port_of(settings.kafka.bootstrap, "TACTUS_KAFKA__BOOTSTRAP")
    postgres = _port_of(settings.postgres.dsn.get_secret_value().partition("://")[2], "TACTUS_POSTGRES__DSN")
    return Ports(
        kafka=chooser.choose("Kafka", kafka, fixed="bootstrap" in settings.kafka.model_fields_set),
        postgres=chooser.choose("Postgres", postgres, fixed="dsn" in settings.postgres.model_fields_set),
        ingest=chooser.take("ingest", settings.ingest, "port"),
        ingest_metrics=chooser.take("ingest's metrics", settings.ingest, "metrics_port"),
        api=chooser.take("the API", settings.api, "port"),
        api_metrics=chooser.take("the API's metrics", settings.api, "metrics_port"),
        outbound_metrics=chooser.take("outbound's metrics", settings.outbound, "metrics_port"),
        workers_metrics=tuple(
            chooser.take(f"worker {number}'s metrics", settings.aggregator, "metrics_port", offset=number)
            for number in range(workers)
        ),
    )


def _port_of(address: str, setting: str) -> int:
    parts = urlsplit(f"//{address}")
    if parts.hostname not in {LOOPBACK, "localhost"}:
        raise ConfigurationError(
            f"{setting} names {parts.hostname}, but `tactus up` runs its own: unset it, or start the services singly"
        )
    return parts.port or 0
