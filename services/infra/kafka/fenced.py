"""Publish as the only one of a name: whoever took the name before can append nothing any more, however late it wakes up."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidProducerEpoch,
    KafkaError,
    ProducerClosed,
    ProducerFenced,
    UnknownTopicOrPartitionError,
)

from services.infra.errors import FencedError, UnavailableError
from services.infra.kafka.connection import FORBIDDEN, client_options, forbidden, why_away
from services.infra.kafka.deadline import loop_deadline
from services.infra.settings import KafkaSettings

BATCH_BYTES_MAX: Final = 512 * 1024
"""What one partition gathers while a request is out: half of what a topic takes."""

TRANSACTION_MS: Final = 30_000
"""After which the brokers give up a transaction that nobody ends; until then readers of what is committed wait for it."""

CLOSE_S: Final = 2.0
"""To say goodbye: what is not committed by then is given up."""

FENCED: Final = (ProducerFenced, InvalidProducerEpoch)


class TopicRecord(NamedTuple):
    """A record with a key; no value is a tombstone."""

    topic: str
    key: bytes
    value: bytes | None


class FencedProducer:
    """A transactional producer of a fixed name.

    `open` takes the name: from then on nothing of a former holder gets into the log, and what it had begun is undone. Any
    failure closes it, and the next `open` begins anew; the outcome of what was being published is unknown then.
    """

    def __init__(self, settings: KafkaSettings, *, name: str, deadline_s: float) -> None:
        self._settings = settings
        self._name = name
        self._deadline_s = deadline_s
        self._producer: AIOKafkaProducer | None = None

    @property
    def is_open(self) -> bool:
        """Whether the name was taken and nothing has failed since."""
        return self._producer is not None

    async def open(self) -> None:
        """Take the name; raises UnavailableError or ConfigurationError."""
        self._producer = AIOKafkaProducer(
            **client_options(self._settings),
            client_id=self._name,
            transactional_id=self._name,
            transaction_timeout_ms=TRANSACTION_MS,
            max_batch_size=BATCH_BYTES_MAX,
            request_timeout_ms=int(self._deadline_s * 1000),
        )
        try:
            async with loop_deadline(self._deadline_s):
                await self._producer.start()
        except (KafkaError, TimeoutError, OSError) as error:
            await self.close()
            raise await self._meaning(error) from error
        except BaseException:
            await self.close()
            raise

    async def publish(self, records: Sequence[TopicRecord]) -> None:
        """Return when all of them are in the log for good; raises FencedError, UnavailableError or ConfigurationError."""
        if self._producer is None:
            raise UnavailableError("the name is not taken")
        try:
            async with loop_deadline(self._deadline_s):
                await _transact(self._producer, records)
        except FENCED as error:
            await self.close()
            raise FencedError(f"another process publishes as {self._name}") from error
        except (KafkaError, TimeoutError, OSError) as error:
            await self.close()
            raise await self._meaning(error) from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Disconnect; what is not committed is undone."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            async with loop_deadline(CLOSE_S):
                await producer.stop()
        except (KafkaError, TimeoutError, OSError):
            # It waits for what is buffered, which never ends while the brokers are away: then nothing of it may stay behind.
            with contextlib.suppress(KafkaError, TimeoutError, OSError):
                async with loop_deadline(CLOSE_S):
                    await _cut_off(producer)

    async def _meaning(self, error: BaseException) -> Exception:
        if isinstance(error, FORBIDDEN):
            return forbidden(error)
        if isinstance(error, UnknownTopicOrPartitionError):
            return UnavailableError("the log has no such topic: run `tactus topics apply`")
        return await why_away(self._settings)


async def _cut_off(producer: AIOKafkaProducer) -> None:
    """Close what `stop` would have closed last, and give up what is buffered."""
    await producer.client.close()
    await producer._sender.close()  # noqa: SLF001 - aiokafka has no way to end without flushing
    producer._message_accumulator.fail_all(ProducerClosed())  # noqa: SLF001 - as above


async def _transact(producer: AIOKafkaProducer, records: Sequence[TopicRecord]) -> None:
    await producer.begin_transaction()
    sent = [await producer.send(topic, value, key) for topic, key, value in records]
    for acknowledgement in sent:
        await acknowledgement
    await producer.commit_transaction()
