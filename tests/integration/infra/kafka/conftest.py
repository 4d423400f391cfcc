"""A broker behind TLS, passwords and ACLs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from services.infra.kafka import apply_topics
from services.infra.settings import KafkaSettings
from tests.support.guarded_kafka import GuardedKafka
from tests.support.places import data_directory


@pytest.fixture(scope="session")
def guarded_kafka() -> Iterator[GuardedKafka]:
    """With the topics; who comes by another door than the open one has no right until a test gives it."""
    with data_directory() as folder:
        broker = GuardedKafka(folder)
        broker.start()
        broker.add_user()
        asyncio.run(apply_topics(KafkaSettings(bootstrap=broker.bootstrap)))
        yield broker
        broker.stop()
