"""Create and check topics, and tell where the log's ends and a group's positions are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.structs import OffsetAndMetadata

from schemas.topics import Partition
from services.infra.errors import ConfigurationError, TactusError, UnavailableError
from services.infra.kafka.connection import COORDINATOR_AWAY, FORBIDDEN, client_options, forbidden, why_away
from services.infra.kafka.specs import TOPIC_SPECS, TopicSpec
from services.infra.settings import KafkaSettings

ADMIN_TIMEOUT_S: Final = 20.0
"""A controller that has just started needs seconds; longer means that it is away."""

REQUEST_TIMEOUT_MS: Final = 10_000
"""Half of the above, so that one lost request can be asked again."""

VISIBLE_POLL_S: Final = 0.05
"""A new topic reaches a broker's metadata within some tens of milliseconds."""


class Applied(NamedTuple):
    """A line for each topic that was made, and one for each difference, with its fix."""

    made: list[str]
    differences: list[str]


async def apply_topics(settings: KafkaSettings) -> Applied:
    """Create what is missing, and compare the rest.

    Raises UnavailableError while the brokers are away, ConfigurationError for what keeps us out of them.
    """
    async with _admin(settings) as admin:
        present = await _described(admin)
        missing = [spec for spec in TOPIC_SPECS if spec.name not in present]
        if missing:
            await _create(admin, missing, settings)
            present = await _visible(admin, missing)
            # A leader that metadata names may not know it yet: its answer tells that it takes records.
            await log_ends(settings, [spec.name for spec in missing])
        made = [f"{spec.name}: created with {settings.partitions} partitions" for spec in missing]
        return Applied(made, await _differences(admin, present, settings))


async def check_topics(settings: KafkaSettings) -> list[str]:
    """Return a line for each missing topic and each difference, with its fix; changes nothing, raises as the above."""
    async with _admin(settings) as admin:
        present = await _described(admin)
        missing = [
            f"{spec.name}: missing; run `tactus topics apply`" for spec in TOPIC_SPECS if spec.name not in present
        ]
        return missing + await _differences(admin, present, settings)


async def topic_bytes_max(settings: KafkaSettings, topics: Sequence[str]) -> dict[str, int]:
    """Tell how many bytes a batch of each topic may have.

    Raises UnavailableError, and ConfigurationError when a topic is missing or may not be asked about.
    """
    async with _admin(settings) as admin:
        configs = await _configs(admin, topics)
    return {topic: int(config["max.message.bytes"]) for topic, config in configs.items()}


@asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**client_options(settings), request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        async with asyncio.timeout(ADMIN_TIMEOUT_S):
            await admin.start()
            yield admin
    except (KafkaError, TimeoutError, OSError) as error:
        raise await _named(error, settings) from error
    finally:
        await admin.close()


async def _named(error: BaseException, settings: KafkaSettings) -> TactusError:
    return forbidden(error) if isinstance(error, FORBIDDEN) else await why_away(settings)


async def _described(admin: AIOKafkaAdminClient) -> dict[str, dict[str, Any]]:
    return {topic["topic"]: topic for topic in await admin.describe_topics()}


async def _create(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec], settings: KafkaSettings) -> None:
    answer = await admin.create_topics(
        [
            NewTopic(spec.name, settings.partitions, settings.replication, topic_configs=spec.wanted(settings))
            for spec in specs
        ]
    )
    for name, code, *message in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            detail = message[0] if message else ""
            raise ConfigurationError(
                f"{name} cannot be created: {error.__name__} {detail}; check TACTUS_KAFKA__REPLICATION against "
                "the number of brokers, and this client's right to create topics"
            )


async def _visible(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]) -> dict[str, dict[str, Any]]:
    while True:
        present = await _described(admin)
        made = [present.get(spec.name) for spec in specs]
        if all(topic and _leaders_known(topic) for topic in made):
            return present
        await asyncio.sleep(VISIBLE_POLL_S)


def _leaders_known(topic: dict[str, Any]) -> bool:
    return bool(topic["partitions"]) and all(part["leader"] >= 0 for part in topic["partitions"])


async def _differences(
    admin: AIOKafkaAdminClient, present: dict[str, dict[str, Any]], settings: KafkaSettings
) -> list[str]:
    specs = [spec for spec in TOPIC_SPECS if spec.name in present]
    configs = await _configs(admin, [spec.name for spec in specs])
    lines: list[str] = []
    for spec in specs:
        lines += _shape_differences(spec, present[spec.name], settings)
        lines += [
            f"{spec.name}: {name} is {configs[spec.name].get(name)!r}, should be {value!r}; run "
            f"`kafka-configs.sh --alter --topic {spec.name} --add-config {name}={value}`"
            for name, value in sorted(spec.wanted(settings).items())
            if configs[spec.name].get(name) != value
        ]
    return lines


def _shape_differences(spec: TopicSpec, topic: dict[str, Any], settings: KafkaSettings) -> list[str]:
    lines = []
    partitions = len(topic["partitions"])
    if partitions != settings.partitions:
        lines.append(
            f"{spec.name}: has {partitions} partitions, the settings say {settings.partitions}; the count is fixed "
            f"for life, set TACTUS_KAFKA__PARTITIONS={partitions}"
        )
    copies = min((len(part["replicas"]) for part in topic["partitions"]), default=0)
    if copies != settings.replication:
        lines.append(
            f"{spec.name}: has {copies} copies, the settings say {settings.replication}; run "
            f"`kafka-reassign-partitions.sh`, or set TACTUS_KAFKA__REPLICATION={copies}"
        )
    return lines


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    configs: dict[str, dict[str, str]] = {}
    for answer in answers:
        for code, message, _kind, name, entries in answer.resources:
            if code:
                raise ConfigurationError(f"settings of {name} cannot be read ({message}); check this client's rights")
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return configs


async def _committed(admin: AIOKafkaAdminClient, group: str) -> Mapping[TopicPartition, OffsetAndMetadata]:
    """Ask until the coordinator answers: the first question ever makes Kafka create its topic of offsets."""
    committed: Mapping[TopicPartition, OffsetAndMetadata] | None = None
    while committed is None:
        try:
            committed = await admin.list_consumer_group_offsets(group)
        except COORDINATOR_AWAY:
            await asyncio.sleep(VISIBLE_POLL_S)
    return committed


class LogWatch:
    """Reads the ends of topics and the positions of groups, over connections that it keeps.

    For whoever asks again and again: it raises nothing but UnavailableError, with the cause, since even what an
    operator must mend is mended while it goes on asking.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._admin: AIOKafkaAdminClient | None = None

    async def ends(self, topics: Sequence[str]) -> dict[Partition, tuple[int, int]]:
        """Tell the first offset and the end of every partition; topics that do not exist are left out."""
        with _while_running("the log's ends"):
            return await self.ends_or_refusal(topics)

    async def offsets(self, group: str) -> dict[Partition, int]:
        """Tell what the group has committed; partitions without a commit are left out."""
        with _while_running("the group's offsets"):
            return await self.offsets_or_refusal(group)

    async def ends_or_refusal(self, topics: Sequence[str]) -> dict[Partition, tuple[int, int]]:
        """As `ends`; raises ConfigurationError for what an operator must mend."""
        async with self._asking():
            present = await _described(await self._connected_admin())
            parts = [
                TopicPartition(topic, part["partition"])
                for topic in topics
                if topic in present
                for part in present[topic]["partitions"]
            ]
            if not parts:
                return {}
            consumer = await self._connected_consumer()
            first = await consumer.beginning_offsets(parts)
            end = await consumer.end_offsets(parts)
        return {(part.topic, part.partition): (first[part], end[part]) for part in parts}

    async def offsets_or_refusal(self, group: str) -> dict[Partition, int]:
        """As `offsets`; raises ConfigurationError for what an operator must mend."""
        async with self._asking():
            committed = await _committed(await self._connected_admin(), group)
        return {
            (part.topic, part.partition): position.offset
            for part, position in committed.items()
            if position.offset >= 0
        }

    async def close(self) -> None:
        """Disconnect; the next question connects again."""
        consumer, self._consumer = self._consumer, None
        admin, self._admin = self._admin, None
        if consumer is not None:
            await consumer.stop()
        if admin is not None:
            await admin.close()

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(ADMIN_TIMEOUT_S):
                yield
        except (KafkaError, TimeoutError, OSError) as error:
            await self.close()
            raise await _named(error, self._settings) from error

    async def _connected_consumer(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(**client_options(self._settings), request_timeout_ms=REQUEST_TIMEOUT_MS)
            self._consumer = consumer
            await consumer.start()
        return self._consumer

    async def _connected_admin(self) -> AIOKafkaAdminClient:
        if self._admin is None:
            admin = AIOKafkaAdminClient(**client_options(self._settings), request_timeout_ms=REQUEST_TIMEOUT_MS)
            self._admin = admin
            await admin.start()
        return self._admin


@contextmanager
def _while_running(what: str) -> Iterator[None]:
    try:
        yield
    except TactusError as error:
        raise UnavailableError(f"{what} cannot be read: {error}") from error


async def log_ends(settings: KafkaSettings, topics: Sequence[str]) -> dict[Partition, tuple[int, int]]:
    """Tell (first offset, end) of every partition of the topics.

    Raises UnavailableError while the brokers are away, ConfigurationError for what keeps us out of them.
    """
    watch = LogWatch(settings)
    try:
        return await watch.ends_or_refusal(topics)
    finally:
        await watch.close()


async def group_offsets(settings: KafkaSettings, group: str) -> dict[Partition, int]:
    """Tell what the group has committed; raises as the above."""
    watch = LogWatch(settings)
    try:
        return await watch.offsets_or_refusal(group)
    finally:
        await watch.close()
