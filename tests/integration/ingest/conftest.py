"""One ingest process on the shared broker, for the tests that break nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from services.infra.kafka import apply_topics
from services.infra.settings import KafkaSettings
from tests.support.ingestprocess import IngestProcess, ingest_process


@pytest.fixture(scope="session")
def topics_bootstrap(kafka_bootstrap: str) -> str:
    """The shared broker with the product's topics."""
    asyncio.run(apply_topics(KafkaSettings(bootstrap=kafka_bootstrap)))
    return kafka_bootstrap


@pytest.fixture(scope="module")
def ingest(topics_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IngestProcess]:
    with ingest_process(topics_bootstrap, tmp_path_factory.mktemp("ingest")) as running:
        running.wait_ready()
        yield running
