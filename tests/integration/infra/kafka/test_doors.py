"""Every way into a guarded broker, for every client of ours; and every refusal by its name."""

from __future__ import annotations

import asyncio
import functools
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its public names, imported there without a word
    AclOperation,
    ResourceType,
)

from schemas.topics import ALERTS, EVENTS, GROUP, SCORES
from services.aggregator.stream.app import create_app
from services.embedded.kafka import EmbeddedKafka
from services.embedded.steps import Advance
from services.infra.errors import ConfigurationError, TactusError, UnavailableError
from services.infra.kafka import (
    TOPIC_SPECS,
    FencedProducer,
    LogProducer,
    LogRecord,
    LogWatch,
    TopicLimits,
    TopicRecord,
    apply_topics,
    check_group,
    check_topics,
    group_offsets,
    log_ends,
    tail,
    topic_bytes_max,
)
from services.infra.settings import KafkaSettings, Settings
from tests.support.certificates import Authority
from tests.support.fenced_ledger import FencedLedger, opened
from tests.support.guarded_kafka import BOTH, FEED, INGEST, OUTBOUND, TOPICS, WATCH, WORKER, GuardedKafka
from tests.support.places import data_directory
from tests.support.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.integration

DOORS = [
    ("SSL", {}),
    ("SASL_SSL", {"sasl_mechanism": "PLAIN"}),
    ("SASL_SSL", {"sasl_mechanism": "SCRAM-SHA-256"}),
    ("SASL_SSL", {"sasl_mechanism": "SCRAM-SHA-512"}),
    ("SASL_PLAINTEXT", {"sasl_mechanism": "SCRAM-SHA-512"}),
]


def producer(settings: KafkaSettings) -> LogProducer:
    acknowledged: list[float] = []
    return LogProducer(
        settings,
        topics=TOPICS,
        limits=TopicLimits(functools.partial(topic_bytes_max, settings, TOPICS)),
        deadline_s=5.0,
        buffer_bytes_max=1 << 20,
        on_ack=acknowledged.append,
    )


@pytest.mark.parametrize(("protocol", "others"), DOORS, ids=str)
async def test_an_event_goes_in_and_out_by_every_guarded_door(
    guarded_kafka: GuardedKafka, tmp_path: Path, protocol: str, others: Mapping[str, str]
) -> None:
    guarded_kafka.allow(BOTH)
    settings = guarded_kafka.settings(protocol, **others)
    before = await log_ends(settings, [EVENTS])

    writer = producer(settings)
    writer.open()
    await eventually(_ready(writer), what="the producer is let in")
    await writer.append([LogRecord(EVENTS, b"customer:c", f"by {protocol}".encode())])
    await writer.close()

    ledger = FencedLedger(tmp_path / "ledger.db")
    app = create_app(Settings(kafka=settings), functools.partial(opened, ledger), group=GROUP, topics=[EVENTS])
    starting = asyncio.create_task(app.start())

    async def stored() -> bool:
        assert app.failure is None
        return ledger.count(EVENTS) >= sum(end for _, end in before.values()) + 1

    await eventually(stored, what="the worker has read it")
    await app.stop()
    await asyncio.gather(starting, return_exceptions=True)
    assert f"by {protocol}".encode() in {value for part in ledger.records(EVENTS).values() for _, value in part}
    assert sum((await group_offsets(settings, GROUP)).values()) >= 1
    watch = LogWatch(settings)
    assert sum(end for _, end in (await watch.ends([EVENTS])).values()) == ledger.count(EVENTS)
    await watch.close()


def _ready(writer: LogProducer) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        return writer.unready() is None

    return ready


async def test_the_least_rights_are_enough(guarded_kafka: GuardedKafka) -> None:
    settings = guarded_kafka.settings("SASL_SSL")

    guarded_kafka.allow(WORKER)
    await check_group(settings, GROUP)
    assert len(await log_ends(settings, TOPICS)) == 3 * settings.partitions

    guarded_kafka.allow(INGEST)
    watch = LogWatch(settings)
    assert len(await watch.ends(TOPICS)) == 3 * settings.partitions
    await watch.offsets(GROUP)
    await watch.close()


async def test_who_may_only_read_can_watch(guarded_kafka: GuardedKafka) -> None:
    guarded_kafka.allow(WATCH)
    writer = producer(KafkaSettings(bootstrap=guarded_kafka.bootstrap))
    writer.open()
    await eventually(_ready(writer), what="the open door's producer is let in")

    async with tail(guarded_kafka.settings("SASL_SSL"), TOPICS) as records:
        await writer.append([LogRecord(EVENTS, b"customer:c", b"seen by whoever watches")])
        async with asyncio.timeout(PATIENCE_S):
            seen = await anext(records)
    await writer.close()

    assert (seen.topic, seen.value) == (EVENTS, b"seen by whoever watches")


async def test_the_rights_of_the_commands_are_enough(guarded_kafka: GuardedKafka) -> None:
    names = [spec.name for spec in TOPIC_SPECS]
    looking = (AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS)
    settings = guarded_kafka.settings("SASL_SSL")

    guarded_kafka.allow({(ResourceType.TOPIC, name): looking for name in names})
    assert await check_topics(settings) == []

    await guarded_kafka.forget_topics(names)
    guarded_kafka.allow({(ResourceType.TOPIC, name): (AclOperation.CREATE, *looking) for name in names})
    applied = await apply_topics(settings)
    assert (len(applied.made), applied.differences) == (len(names), [])


async def test_without_the_right_to_create_a_topic_it_is_named(guarded_kafka: GuardedKafka) -> None:
    names = [spec.name for spec in TOPIC_SPECS]
    await guarded_kafka.forget_topics(names)
    guarded_kafka.allow({(ResourceType.TOPIC, name): (AclOperation.DESCRIBE,) for name in names})

    with pytest.raises(ConfigurationError, match=r"cannot be created.*right to create topics"):
        await apply_topics(guarded_kafka.settings("SASL_SSL"))

    await apply_topics(KafkaSettings(bootstrap=guarded_kafka.bootstrap))


REFUSED = [
    ("SASL_SSL", {"sasl_password": "wrong"}, "refuses this name and password", "TACTUS_KAFKA__SASL_PASSWORD"),
    ("SASL_SSL", {"sasl_username": "nobody"}, "refuses this name and password", "TACTUS_KAFKA__SASL_USERNAME"),
    ("SASL_SSL", {"sasl_mechanism": "PLAIN", "sasl_password": "x"}, "refuses this name", "SASL_MECHANISM"),
    ("SASL_SSL", {"ssl_ca": None}, "certificate that is not trusted", "TACTUS_KAFKA__SSL_CA"),
    ("SSL", {"ssl_cert": None, "ssl_key": None}, "certificate required", "TACTUS_KAFKA__SSL_CERT"),
    ("SASL_PLAINTEXT", {"bootstrap": "open"}, "asks for no name and password", "TACTUS_KAFKA__SECURITY_PROTOCOL"),
]


@pytest.mark.parametrize(("protocol", "others", "cause", "fix"), REFUSED, ids=str)
async def test_what_an_operator_must_mend_is_named_with_its_fix(
    guarded_kafka: GuardedKafka, protocol: str, others: dict[str, object], cause: str, fix: str
) -> None:
    if others.get("bootstrap") == "open":
        others = {**others, "bootstrap": guarded_kafka.bootstrap}
    settings = guarded_kafka.settings(protocol, **others)

    with pytest.raises(ConfigurationError) as raised:
        await log_ends(settings, [EVENTS])

    text, _, advice = str(raised.value).partition("; ")
    assert cause in text
    assert settings.bootstrap in text
    assert fix in advice
    with pytest.raises(UnavailableError, match=re.escape(cause)):
        await LogWatch(settings).ends([EVENTS])  # whoever goes on asking is told to wait, and why


AWAY = [
    ("127.0.0.1:1", "takes no connections", "start it"),
    ("no-such-host.invalid:9092", "has a name that nobody knows", "TACTUS_KAFKA__BOOTSTRAP"),
]


@pytest.mark.parametrize(("bootstrap", "cause", "fix"), AWAY)
async def test_what_waiting_may_mend_is_named_too(bootstrap: str, cause: str, fix: str) -> None:
    with pytest.raises(UnavailableError) as raised:
        await check_topics(KafkaSettings(bootstrap=bootstrap))

    text, _, advice = str(raised.value).partition("; ")
    assert text.endswith(cause) or f"{cause} (" in text
    assert fix in advice


@pytest.mark.parametrize(
    ("protocol", "port"),
    [("PLAINTEXT", "ssl"), ("PLAINTEXT", "sasl_plaintext"), ("SSL", "sasl_ssl"), ("SSL", "sasl_plaintext")],
)
async def test_a_port_that_speaks_otherwise_is_told_from_a_broker_that_is_away(
    guarded_kafka: GuardedKafka, protocol: str, port: str
) -> None:
    settings = guarded_kafka.settings(protocol, bootstrap=f"127.0.0.1:{guarded_kafka.ports[port]}")

    with pytest.raises(TactusError, match="TACTUS_KAFKA__SECURITY_PROTOCOL"):
        await log_ends(settings, [EVENTS])


async def test_a_certificate_for_another_name_is_refused(guarded_kafka: GuardedKafka, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, name="stranger")
    settings = guarded_kafka.settings("SASL_SSL", ssl_ca=stranger.ca)

    with pytest.raises(ConfigurationError, match="not trusted"):
        await log_ends(settings, [EVENTS])


async def test_the_first_broker_may_be_away_when_the_second_is_there(guarded_kafka: GuardedKafka) -> None:
    guarded_kafka.allow(WORKER)
    address = guarded_kafka.settings("SASL_SSL").bootstrap
    settings = guarded_kafka.settings("SASL_SSL", bootstrap=f"127.0.0.1:1,{address}")

    assert await log_ends(settings, [EVENTS])


async def test_a_silent_port_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        async with asyncio.timeout(45):
            with pytest.raises(UnavailableError, match="does not answer"):
                await log_ends(KafkaSettings(bootstrap=address), [EVENTS])


@pytest.mark.parametrize("missing", ["ssl_ca", "ssl_cert", "ssl_key"])
async def test_a_file_that_is_lost_or_no_certificate_is_named(
    guarded_kafka: GuardedKafka, tmp_path: Path, missing: str
) -> None:
    words = tmp_path / "words.txt"
    words.write_text("no certificate")
    for path in (tmp_path / "lost.pem", words):
        settings = guarded_kafka.settings("SSL", **{missing: path})

        with pytest.raises(ConfigurationError, match=re.escape(str(path))) as raised:
            await log_ends(settings, [EVENTS])

        assert "TACTUS_KAFKA__SSL_C" in str(raised.value)


async def test_without_the_right_on_the_group_a_worker_is_told_so(guarded_kafka: GuardedKafka) -> None:
    guarded_kafka.allow({right: how for right, how in WORKER.items() if right[0] is not ResourceType.GROUP})
    settings = guarded_kafka.settings("SASL_SSL")

    with pytest.raises(ConfigurationError, match=rf"\({GROUP}\): it lacks Read on the group"):
        await check_group(settings, GROUP)

    guarded_kafka.allow({**WORKER, (ResourceType.GROUP, GROUP): (AclOperation.DESCRIBE,)})
    with pytest.raises(ConfigurationError, match="it lacks Read on the group"):
        await check_group(settings, GROUP)


async def test_without_describe_on_the_group_the_watch_is_told_so(guarded_kafka: GuardedKafka) -> None:
    guarded_kafka.allow({right: how for right, how in INGEST.items() if right[0] is not ResourceType.GROUP})

    with pytest.raises(UnavailableError, match="it lacks Read on the group"):
        await LogWatch(guarded_kafka.settings("SASL_SSL")).offsets(GROUP)


async def test_a_broker_that_names_an_address_nobody_reaches_is_found_out() -> None:
    with data_directory() as folder:
        broker = Elsewhere(folder)
        await asyncio.to_thread(broker.start)
        try:
            with pytest.raises(UnavailableError) as raised:
                await log_ends(KafkaSettings(bootstrap=broker.bootstrap), [EVENTS])
        finally:
            await asyncio.to_thread(broker.stop)

    cause, _, fix = str(raised.value).partition("; ")
    assert cause == f"Kafka at 127.0.0.1:1 takes no connections, where {broker.bootstrap} says a broker is"
    assert fix.startswith("check advertised.listeners")


class Elsewhere(EmbeddedKafka):
    """A broker that tells its clients to come to another port."""

    def prepare(self, advance: Advance | None = None) -> None:
        super().prepare(advance)
        path = self.data / "server.properties"
        told = path.read_text().replace(f"advertised.listeners=PLAINTEXT://{self.bootstrap}", ADVERTISED)
        path.write_text(told)


ADVERTISED = "advertised.listeners=PLAINTEXT://127.0.0.1:1"


async def test_outbound_publishes_with_the_least_rights_and_names_the_one_that_is_missing(
    guarded_kafka: GuardedKafka,
) -> None:
    settings = guarded_kafka.settings("SASL_SSL", sasl_mechanism="SCRAM-SHA-512")
    publisher = FencedProducer(settings, name=FEED, deadline_s=PATIENCE_S)
    records = [TopicRecord(SCORES, b"customer:a", None), TopicRecord(ALERTS, b"customer:a", b"{}")]
    guarded_kafka.allow(OUTBOUND)
    await publisher.open()
    await publisher.publish(records)
    await publisher.close()

    guarded_kafka.allow({right: how for right, how in OUTBOUND.items() if right[1] != FEED})
    with pytest.raises(ConfigurationError, match="Write on the transactional id"):
        await publisher.open()
    guarded_kafka.allow({right: how for right, how in OUTBOUND.items() if right[1] != SCORES})
    await publisher.open()
    with pytest.raises(ConfigurationError, match=r"cx\.scores\.v1.*Write for ingest and outbound"):
        await publisher.publish(records)
    assert not publisher.is_open
