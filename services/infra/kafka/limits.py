"""How large a record each topic takes: what the broker says, and what it shows where it may not be asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Final

from services.infra.errors import ConfigurationError
from services.infra.kafka.delivery import LogRecord
from services.infra.kafka.specs import MESSAGE_BYTES_MAX
from services.infra.logs import get_logger

log = get_logger(__name__)

READ_AGAIN_S: Final = 10.0
"""While records are too large, the limit is asked for so often: an operator who raised it waits no longer than that."""

ALONE_BYTES: Final = 1
"""As the size of a batch: every record gets one of its own, so that a refusal is that record's."""

Read = Callable[[], Awaitable[Mapping[str, int]]]
"""Ask the broker for the most bytes of a batch, by topic; ConfigurationError when it may not be asked."""


class TopicLimits:
    """Knows which records a topic will never take.

    A topic's limit holds for batches, and a batch that is too large says nothing of its records. So where the broker
    says no limit that explains a refusal, records are sent alone, and the refused ones show where the limit is.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self._said: Mapping[str, int] = {}
        self._shown: dict[str, int] = {}
        self._alone = False
        self._unexplained = False
        self._hit = False
        self._read_at = 0.0

    def bytes_max(self, topic: str) -> int:
        """Tell how many bytes a batch of the topic may have."""
        said = self._said.get(topic, MESSAGE_BYTES_MAX)
        return min(said, self._shown.get(topic, said))

    @property
    def batch_bytes_max(self) -> int:
        """Tell how large batches may be so that every topic takes them."""
        return ALONE_BYTES if self._alone else min([MESSAGE_BYTES_MAX, *self._said.values()])

    def allow(self, record: LogRecord) -> bool:
        """Tell whether the record's topic takes it."""
        allowed = record.batch_bytes <= self.bytes_max(record.topic)
        self._hit = self._hit or not allowed
        return allowed

    def refused_together(self) -> None:
        """Note that the broker refused a batch in which records that were allowed stood together."""
        self._unexplained = True

    def refused_alone(self, record: LogRecord) -> None:
        """Note that the broker refused a record that was allowed: the limit lies below it."""
        self._shown[record.topic] = min(self.bytes_max(record.topic), record.batch_bytes - 1)

    async def review(self) -> None:
        """Find out whether an operator raised a limit that was hit a while ago; raises UnavailableError."""
        if self._hit and perf_counter() - self._read_at > READ_AGAIN_S:
            # What was shown may hold no longer: the next such record is tried, and shows it again if it does.
            self._shown = {}
            await self.read()

    async def read(self) -> None:
        """Ask the broker; raises UnavailableError."""
        self._read_at = perf_counter()
        try:
            said = await self._read()
        except ConfigurationError as error:
            log.warning("log_limits_unknown", reason=str(error))
            said = self._said
        if said != self._said:
            log.info("log_limits", bytes_max=dict(said))
            self._said, self._shown, self._alone = said, {}, False
        elif self._unexplained:
            self._alone = True
        self._unexplained = self._hit = False
