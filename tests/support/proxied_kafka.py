"""A real broker that tells its clients to come by a way that a test can spoil; the test itself comes by another."""

from __future__ import annotations

from services.embedded.free_ports import LOOPBACK, free_port
from services.embedded.kafka import CONFIGURATION, EmbeddedKafka
from services.embedded.steps import Advance

LISTENERS = """\
listeners=PLAINTEXT://127.0.0.1:{port},SPOILT://127.0.0.1:{behind},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SPOILT://127.0.0.1:{before}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SPOILT:PLAINTEXT,CONTROLLER:PLAINTEXT
"""


class ProxiedKafka(EmbeddedKafka):
    """`bootstrap` is the plain way; `spoilt` is where a proxy must listen, and lead to `behind`."""

    def prepare(self, advance: Advance | None = None) -> None:
        super().prepare(advance)
        self.before, self.behind = free_port(), free_port()
        kept = [line for line in CONFIGURATION.splitlines() if "listeners=" not in line]
        text = "\n".join([*kept, LISTENERS])
        (self.data / "server.properties").write_text(
            text.format(port=self.port, before=self.before, behind=self.behind, controller=self._controller)
        )

    @property
    def spoilt(self) -> str:
        return f"{LOOPBACK}:{self.before}"
