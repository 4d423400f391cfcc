"""What a sink is: it tells a message, and says what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from services.outbound.notify.message import Message


class Told(NamedTuple):
    """The sink has it, and knows what was opened by this reference from then on."""

    reference: Mapping[str, str]


class Later(NamedTuple):
    """Nothing is wrong with the message: try again, after so many seconds where the sink said when."""

    because: str
    after_s: float | None = None
    unsure: bool = False
    """Whether it may have arrived."""


class Refused(NamedTuple):
    """This message will never be taken."""

    because: str


class Off(NamedTuple):
    """No message will be taken until an operator mends this."""

    because: str


Outcome = Told | Later | Refused | Off


class Sink(Protocol):
    """Tells messages in its own form; safe to ask again with the same message, which then carries the same id."""

    @property
    def pause_s(self) -> float:
        """How long to wait between two messages."""

    async def tell(self, message: Message, reference: Mapping[str, str]) -> Outcome:
        """Open, change or end what people see; `reference` is empty when nothing was opened. Raises nothing expected."""
